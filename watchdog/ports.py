"""The seams: what the use cases need from the outside, one verb each.

Implementations satisfy a protocol without inheriting from it. Properties are read-only, so that frozen dataclasses fit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from watchdog.domain.abilities import Abilities
from watchdog.domain.banks import Engine, Threshold
from watchdog.domain.calls import CallComparison
from watchdog.domain.comparisons import Examined
from watchdog.domain.decisions import (
    Alarmed,
    ClientExpected,
    Compared,
    Decision,
    IncidentChanged,
    Judged,
    SharesAllotted,
    WeightsChecked,
)
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Request
from watchdog.domain.exhibits import Exhibit
from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.incidents import Incident, IncidentEvent, IncidentState
from watchdog.domain.logprobs import LogprobsExamined
from watchdog.domain.notices import Due, Notice
from watchdog.domain.queries import Alarm, DetectorState, Expectation, LogChunk, LogPosition, Query, Reference
from watchdog.domain.rollouts import Rollout, RolloutCount
from watchdog.domain.sight import Sight
from watchdog.domain.streamed import Kept, StreamState
from watchdog.domain.tools import Tool
from watchdog.domain.verdicts import Arm, Case, Question, Verdict
from watchdog.errors import ChannelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Clock(Protocol):
    """Tells the time; aware, UTC."""

    def __call__(self) -> datetime:
        """Return this instant."""
        ...


class Channel(Protocol):
    """A way to reach the model."""

    @property
    def role(self) -> ChannelRole:
        """Which of a target's channels this is."""
        ...

    def ask(self, request: Request) -> Exchange:
        """Send the request and return what came back.

        Raises ChannelError with a named reason when no reply came that could be judged; never invents one.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What the direct model thought of n delivered tokens; plain numpy, log probabilities in nats at temperature 1."""

    logprob: NDArray[np.float64]
    """Shape (n,): of the delivered token at each position, given the prompt and the delivered tokens before it."""
    top_ids: NDArray[np.int64]
    """Shape (n + 1, k): the k likeliest tokens at each position, likeliest first; the last row is after the reply."""
    top_logprob: NDArray[np.float64]
    """Shape (n + 1, k): their log probabilities."""
    end_logprob: NDArray[np.float64]
    """Shape (n + 1,): of the end of the turn at each position. Where an engine lists only its likeliest tokens, this
    is the most that it can be: never less than it is, so that no honest reply seems to have ended too early."""
    windowed_from: int | None = None
    """The first position that was scored without the beginning of the conversation, because all of it is longer than
    the model's context; each such position still had at least half a context before it. None when none was."""


class Scorer(Protocol):
    """Teacher-forced scores of the direct model; the only view of it that the comparison has."""

    @property
    def digest(self) -> str:
        """Names the weights and the tokenizer, so that a baseline is never used with another model."""
        ...

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The UTF-8 bytes that each token id adds to a text; empty for tokens that add none."""
        ...

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a reply's text.

        Raises ScoringError (unscorable) when decoding them would not give the text back.
        """
        ...

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        """Score each reply (token ids, possibly none) as the assistant's next turn after the messages.

        Raises ScoringError when it is too long to be scored, or the scores are not finite.
        """
        ...


@runtime_checkable
class NamesTokenizer(Protocol):
    """A scorer that can tell its tokenizer from its weights."""

    @property
    def tokenizer_digest(self) -> str:
        """Names the tokenizer and the chat template, whatever the weights are."""
        ...


@runtime_checkable
class OffersTools(Protocol):
    """A scorer that can score what a model says when it is offered tools."""

    def offering(self, tools: Sequence[Tool]) -> Scorer:
        """Return this scorer for conversations in which the model is offered these tools."""
        ...


@runtime_checkable
class NamesFiles(Protocol):
    """A scorer whose weights are files on this machine."""

    @property
    def files_digest(self) -> str:
        """Names the files as they were loaded, the way the integrity check does."""
        ...


class BenignEngines(Protocol):
    """A model, run in the ways in which an honest provider may run it."""

    @property
    def engines(self) -> Sequence[Engine]:
        """The ways, the plainest first."""
        ...

    def speak(self, engine: Engine, requests: Sequence[Request]) -> Iterator[Exchange | ChannelError]:
        """Yield what one of them says to each request, in their order; a failure stands in the place of its reply.

        No more than one further copy of the model is in memory, and only until the last reply was taken.
        """
        ...


class Probe(Protocol):
    """A correction signal and the rule that grades what came back. Pure: no input, no output."""

    @property
    def family(self) -> str:
        """Name of the probe family, e.g. `stop`."""
        ...

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms this family has; the control arm comes first."""
        ...

    def render(self, arm: Arm, seed: int) -> Case:
        """Return the same case for the same arm and seed, always."""
        ...

    def grade(self, case: Case, exchange: Exchange) -> Verdict:
        """Grade a reply by its structure; what cannot be judged is `unmeasured` with a reason."""
        ...


class Questions(Protocol):
    """The prompts that are sent only to compare."""

    def draw(self, seed: int, count: int) -> tuple[Question, ...]:
        """Draw `count` different questions; the same seed gives the same ones."""
        ...


class Comparator(Protocol):
    """Holds a delivered reply against the direct model. Pure but for the scorer it was made with."""

    @property
    def digest(self) -> str:
        """Names the model that the comparisons are made against."""
        ...

    def threshold(self, gaps: Sequence[float]) -> Threshold:
        """Return the threshold for a model whose replies showed these gaps when all was taken to be well."""
        ...

    def compare(self, request: Request, delivered: Exchange, *, tau: float) -> Examined:
        """Return the comparison, and what it was made from.

        Raises ScoringError when the reply could not be scored.
        """
        ...


class LogprobCheck(Protocol):
    """Holds the list of tokens that comes with a reply against its text and the direct model."""

    def threshold(self, distances: Sequence[float]) -> float | None:
        """Return the threshold for a channel whose lists showed these distances when all was taken to be well.

        None when they say nothing about the direct model.
        """
        ...

    def examine(
        self, request: Request, delivered: Exchange, examined: Examined | None, *, tau: float | None
    ) -> LogprobsExamined:
        """Return what the list comes to; `examined` is the comparison of the reply, where one was made.

        What cannot be measured has a named reason in it; never raises.
        """
        ...


class CallCheck(Protocol):
    """Holds the tool calls of a delivered reply against those of a channel of our own."""

    @property
    def digest(self) -> str:
        """Names the model that scores calls; empty when none does."""
        ...

    def examine(self, delivered: Exchange, ours: Exchange, *, tau: float) -> CallComparison:
        """Return where the calls differ, and whether the direct model could have called so.

        What cannot be measured has a named reason in it; never raises.
        """
        ...


class Evidence(Protocol):
    """Turns observations into an evidence value that is valid at any time."""

    def weigh(self, stream: Stream, baseline: Baseline, *, hit: bool, at: datetime) -> Stream:
        """Take one observation into the stream; sets `alarmed` when the evidence passes its threshold."""
        ...

    def promise(self, stream: Stream, baseline: Baseline) -> str:
        """Say in one sentence how often an alarm of this stream would be false, and what that rests on."""
        ...


class Observe(Protocol):
    """The part of weighing that no setting has a say in: what the evidence is, and not when it is enough."""

    def __call__(self, stream: Stream, baseline: Baseline, *, hit: bool, at: datetime) -> Stream:
        """Take one observation into the evidence of a stream."""
        ...


class QueryLog(Protocol):
    """A watched API's log: lines that are read once each, from where the last commit left off."""

    def read(self, most: int) -> LogChunk:
        """Return the next lines, about `most` bytes of them, and the position after them; none when there are none yet.

        The file is the buffer: what is not read yet waits there. Never raises for what is in a line; a file that cannot
        be read is a gap with a reason.
        """
        ...

    def resume(self, position: LogPosition) -> None:
        """Go on from a position that was committed earlier."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class LogFormat(Protocol):
    """How one kind of log writes its lines."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a Query that this format can carry at all."""
        ...

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the requests in one line; none in a line of another purpose.

        Raises LineError, with no text of the line in it, when the line is none of this format.
        """
        ...


class ClientWatch(Protocol):
    """All online detectors of one log with their bounded state. Knows no clock: time is what the requests say."""

    def observe(self, queries: Sequence[Query]) -> list[Alarm]:
        """Take requests in, in order, and return the alarms that they raise."""
        ...

    def standing(self) -> Sequence[DetectorState]:
        """Return how it stands with each detector: who looks, who still learns, and who is blind for want of what."""
        ...

    def expect(self, these: Sequence[Expectation]) -> None:
        """Take what operators said of clients: all that is in force. What was said before and is not in it is over."""
        ...

    def last_hit(self, rule: str, client: str) -> float | None:
        """Return when a client's last request came that counted for a rule; None when that is not known any more."""
        ...

    def forget(self, client: str | None) -> None:
        """Drop what a client wrote, or with None what all wrote; the evidence stays."""
        ...

    def settled(self) -> Sequence[Reference]:
        """Return the references that were settled since the last `committed`, for the record."""
        ...

    def changed(self) -> Mapping[str, bytes | None]:
        """Return the state that changed since the last `committed`: a key each, None for one that was dropped.

        Bytes are of a versioned format that `restore` takes; never pickle.
        """
        ...

    def committed(self) -> None:
        """Take what `changed` returned as being in the ledger."""
        ...

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the state of an earlier process. Raises LedgerError when it is of a version that is not known."""
        ...


class FindingSink(Protocol):
    """Where findings go; nothing comes back."""

    def report(
        self,
        decisions: Sequence[Decision],
        findings: Sequence[Finding] = (),
        recoveries: Sequence[Recovery] = (),
        state: StreamState | None = None,
    ) -> None:
        """Record the decisions, what the findings and recoveries change, and a log's state, in one transaction."""
        ...


class LedgerTransaction(Protocol):
    """An open transaction: everything in it becomes true together, or not at all."""

    def append(self, decision: Decision) -> int:
        """Add one leaf, fold it into the rows, and return the leaf's index."""
        ...

    def keep(self, state: StreamState) -> None:
        """Keep how far a log was read, and with what state, beside the leaves: they come true together.

        Where the leaves are held because the file cannot be written, this is not: `LogRecord.kept` tells.
        """
        ...

    def open_incident(self, fingerprint: str) -> Incident | None:
        """Return the open incident of a fingerprint, if there is one."""
        ...

    def incident(self, id_prefix: str) -> Incident:
        """Return one incident by its id or an unambiguous beginning of it.

        Raises LedgerError when there is none, or more than one.
        """
        ...

    def knows_finding(self, id_: str) -> bool:
        """Tell whether the finding of this id was taken in before; then it changes nothing any more."""
        ...


class LogRecord(Protocol):
    """What the record has about query logs."""

    def kept(self, log: str) -> Kept | None:
        """Return how far a log was read, with all its effects in the record; None when it never was.

        Raises LedgerError when a newer version wrote it.
        """
        ...

    def state(self, log: str) -> Mapping[str, bytes]:
        """Return the state that was kept with that."""
        ...

    def expected(self, log: str) -> tuple[ClientExpected, ...]:
        """Return the newest word of people on each client and rule of a log."""
        ...

    def alarm(self, rule: str, log: str, client: str) -> Alarmed | None:
        """Return the newest alarm about a client; None when there is none."""
        ...

    def texts(self, *, log: str | None, client: str | None, before: datetime | None) -> int:
        """Count the texts of customers that are kept."""
        ...


class Ledger(Protocol):
    """The record. One writer; a decision that is not in it did not happen."""

    @property
    def logs(self) -> LogRecord:
        """What it has about query logs."""
        ...

    def transaction(self) -> AbstractContextManager[LedgerTransaction]:
        """Begin; commits at the end of the block, or leaves no trace when the block raises."""
        ...

    def baseline(self, rule: str, subject: str) -> Baseline | None:
        """Return the enrolled baseline of a stream, if there is one."""
        ...

    def stream(self, rule: str, subject: str) -> Stream:
        """Return the evidence of a stream; a fresh one when nothing was weighed yet."""
        ...

    def shares(self) -> SharesAllotted | None:
        """Return the newest allotment of shares; None before the first."""
        ...

    def sight(self, rule: str, subject: str) -> Sight:
        """Return how well a subject can be looked at; a clear sight when nothing was ever dark."""
        ...

    def weights(self, subject: str) -> WeightsChecked | None:
        """Return the newest check of the files of a channel's model; None before the first."""
        ...

    def abilities(self, subject: str) -> Abilities | None:
        """Return what a target's delivered channel was seen to do; None before it was enrolled."""
        ...

    def rollouts(self, target: str | None = None) -> tuple[Rollout, ...]:
        """Return what was declared and not withdrawn, oldest first, whatever its window: for one target, or for all."""
        ...

    def rollout_count(self, rollout: str, subject: str) -> RolloutCount:
        """Return what was counted of a declaration on one delivered channel; zeros when nothing was yet."""
        ...

    def offline(self) -> frozenset[str]:
        """Return the subjects that no endpoint could be reached for in their last round."""
        ...

    def tokens_spent(self, target: str, day: date) -> int:
        """Return what the rounds and enrolments on a target that began on a UTC day cost, in tokens."""
        ...

    def due(self, now: datetime, limit: int) -> list[Due]:
        """Return notices whose time has come, oldest first."""
        ...

    def next_due(self) -> datetime | None:
        """Return when the next waiting notice is due; None when the outbox is empty."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """How it stands with the file under a ledger."""

    engine: str
    """What writes it, and how."""
    reserve: int
    """Bytes beside it that are given up when its disk is full."""
    held: int
    """Decisions that are in memory only, because the file could not be written."""
    dropped: int
    """Decisions that were made since, and are lost to the record."""
    problem: str
    """What is wrong; empty when nothing is."""
    hint: str
    """What to do about it."""
    since: datetime | None
    """Since when; None when nothing is wrong."""
    full: bool
    """Whether space is what is missing."""
    broken: bool
    """Whether this process will never write the file again."""


class HoldingLedger(Ledger, Protocol):
    """A ledger whose transactions end well although its file cannot be written: it holds what they decided."""

    @property
    def state(self) -> LedgerState:
        """How it stands."""
        ...

    def flush(self) -> None:
        """Try to write what is held, and look whether there is still space. Never raises."""
        ...


class IncidentReader(Protocol):
    """Read-only questions that people ask of the record."""

    def incidents(self, state: IncidentState | None = None) -> list[Incident]:
        """Return incidents, newest first."""
        ...

    def incident(self, id_prefix: str) -> Incident:
        """Return one incident by its id or an unambiguous beginning of it.

        Raises LedgerError when there is none, or more than one.
        """
        ...

    def events(self, incident_id: str) -> list[IncidentEvent]:
        """Return an incident's events, oldest first."""
        ...

    def evidence(self, ids: Sequence[str]) -> list[Compared | Judged]:
        """Return the comparisons and verdicts with these ids, in the order given."""
        ...


class Record(Protocol):
    """What recomputing a decision reads of the record; nothing else is needed for it."""

    def found(self, id_prefix: str) -> tuple[int, Compared | Judged | IncidentChanged]:
        """Return the comparison, the verdict, or the newest step of the incident of this id, and its leaf.

        Raises LedgerError when nothing, or more than one thing, has an id that begins like this.
        """
        ...

    def exhibit(self, exhibit: Exhibit) -> bytes | None:
        """Return the body of an exhibit as it is stored, unchecked; None when it is not there."""
        ...

    def history(self, kinds: Collection[str], *, naming: Collection[str], until: int) -> Iterator[tuple[int, Decision]]:
        """Yield decisions of these kinds before a leaf, oldest first, with their leaves.

        Those in which none of the names stands as a value are left out; a name may stand where it was not meant to.
        """
        ...


class Notifier(Protocol):
    """Hands a notice to people."""

    @property
    def name(self) -> str:
        """The notifier's name in the configuration."""
        ...

    def send(self, notice: Notice, *, now: datetime) -> str:
        """Send once and return the receiver's answer, made safe to print.

        Raises NotifyError when the receiver did not accept; never tries again by itself.
        """
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...
