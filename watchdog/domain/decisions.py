"""Decisions: what the ledger keeps. Each is one leaf; replaying them only folds, and decides nothing again."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from watchdog.domain.abilities import Abilities
from watchdog.domain.actors import Actor
from watchdog.domain.banks import BenignBank
from watchdog.domain.calls import CallComparison
from watchdog.domain.comparisons import Comparison, SideCheck
from watchdog.domain.evidence import Baseline, Share, Stream
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.exhibits import Exhibit
from watchdog.domain.incidents import IncidentEvent
from watchdog.domain.logprobs import LogprobComparison
from watchdog.domain.notices import Attempt
from watchdog.domain.queries import Alarm, Reference
from watchdog.domain.rollouts import Rollout, RolloutCount
from watchdog.domain.sight import Sight
from watchdog.domain.verdicts import Arm, Verdict
from watchdog.domain.weights import Difference, SignatureCheck, WeightsFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A watchdog took the ledger."""

    at: datetime
    version: str
    config_digest: str
    """SHA-256 of the configuration file as read, in hex."""
    kind: Literal["started"] = field(default="started")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A watchdog gave the ledger back in an orderly way."""

    at: datetime
    why: str
    kind: Literal["stopped"] = field(default="stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAdopted:
    """From this leaf on, checkpoints are signed with this key. The first one also gives the ledger its name."""

    at: datetime
    origin: str
    """Name of the ledger in its checkpoints, until a fork is declared."""
    key: str
    """The verifier key, as C2SP signed-note writes it."""
    endorsement: str | None
    """The change as a note signed by the key before; None for the first key, and when that one was lost."""
    kind: Literal["key_adopted"] = field(default="key_adopted")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkDeclared:
    """The leaves before this one came from a backup; from here on the ledger has another name, and another key."""

    at: datetime
    origin: str
    """Name of the ledger in its checkpoints from this leaf on."""
    key: str
    """The verifier key of that name, as C2SP signed-note writes it."""
    parent_origin: str
    """Name of the ledger up to here."""
    parent_size: int
    """Leaves that are kept of the parent; the index of this leaf."""
    parent_root: str
    """Merkle root over them, in hex."""
    parent_checkpoint: str
    """The parent's signed checkpoint of exactly this head."""
    endorsement: str | None
    """The new key as a note signed by the parent's; None when that one was lost."""
    reason: str
    by: Actor
    lost: str | None
    """A checkpoint of the parent beyond this head, which shows how much is lost; None when nobody has one."""
    kind: Literal["fork_declared"] = field(default="fork_declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A baseline was measured; it replaces the one before it for the same rule and subject."""

    at: datetime
    baseline: Baseline
    kind: Literal["enrolled"] = field(default="enrolled")


@dataclass(frozen=True, slots=True, kw_only=True)
class BankMeasured:
    """The honest engines of a target's own model were measured; the enrolment that follows takes its threshold."""

    at: datetime
    bank: BenignBank
    kind: Literal["bank_measured"] = field(default="bank_measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDeclared:
    """Somebody declared that another model is expected on a target."""

    at: datetime
    rollout: Rollout
    kind: Literal["rollout_declared"] = field(default="rollout_declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutWithdrawn:
    """Somebody took a declaration back; from here on it counts for nothing."""

    at: datetime
    rollout: Rollout
    by: Actor
    reason: str
    kind: Literal["rollout_withdrawn"] = field(default="rollout_withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSeen:
    """A sitting counted the replies that came in the window of a declaration."""

    at: datetime
    count: RolloutCount
    kind: Literal["rollout_seen"] = field(default="rollout_seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesAllotted:
    """What the streams may use of the false incidents that the installation is allowed; all that are in force."""

    at: datetime
    false_incidents_per_year: float
    """The budget of the whole installation."""
    shares: tuple[Share, ...]
    kind: Literal["shares_allotted"] = field(default="shares_allotted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One arm of one probe was sent on one channel, and graded."""

    id: str
    round_id: str
    at: datetime
    target: str
    channel: ChannelRole
    family: str
    arm: Arm
    seed: int
    model: str
    reply: str
    verdict: Verdict
    exhibit: Exhibit | None = None
    """What the grade was given for; None when nothing was answered."""
    kind: Literal["judged"] = field(default="judged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One question was asked on both channels, and the delivered reply was held against the direct model."""

    id: str
    round_id: str
    at: datetime
    target: str
    question: str
    seed: int
    prompt: str
    direct_reply: str | None
    """None when the direct channel only scored, or did not answer."""
    delivered_reply: str
    model: str
    comparison: Comparison | None
    reason: Reason | None
    """Why nothing could be compared; None when it could."""
    exhibit: Exhibit | None = None
    """What the comparison was made from; None when nothing could be compared."""
    sides: tuple[SideCheck, ...] = ()
    """What the same question's replies on our own channels came to; empty when they were not asked."""
    logprobs: LogprobComparison | None = None
    """What the channel's own list of the reply's tokens came to; None when it was not asked for one."""
    calls: CallComparison | None = None
    """What the reply's tool calls came to, in place of its words; None when no tool was offered, and none was called.
    """
    declared: str = ""
    """The rollout under which the reply was put aside, because it names the model id that was declared: it is no
    evidence, whatever the comparison says. Empty for every other reply."""
    kind: Literal["compared"] = field(default="compared")

    def side(self, of: ChannelRole, under: ChannelRole) -> SideCheck | None:
        """Return the check of one channel's reply under one channel's model; None when it was not made."""
        return next((it for it in self.sides if (it.of, it.under) == (of, under)), None)

    @property
    def dark(self) -> Reason | None:
        """Why nothing at all can be said about the reply; None when something can."""
        if self.declared:
            return Reason.DECLARED
        told = self.reason is Reason.UNSPELLABLE or (self.logprobs is not None and self.logprobs.weighable)
        return None if told else self.reason

    @property
    def flagged(self) -> bool:
        """Whether the reply counts as one that the direct model could not have given."""
        found = self.comparison if self.calls is None else self.calls
        return found is not None and found.flagged and not self.declared

    @property
    def byte_different(self) -> bool:
        """Whether an exact match would have called this reply edited."""
        compared = self.calls is None and self.reason is None
        return compared and self.direct_reply is not None and self.direct_reply != self.delivered_reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The evidence of one stream moved."""

    at: datetime
    stream: Stream
    kind: Literal["weighed"] = field(default="weighed")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundDone:
    """One round on one target ended."""

    id: str
    at: datetime
    target: str
    started_at: datetime
    seed: int
    compared: int
    flagged: int
    judged: int
    unmeasured: int
    tokens: int = 0
    """What it cost: as the channels say it, or estimated where they do not."""
    enrolment: bool = False
    kind: Literal["round_done"] = field(default="round_done")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSkipped:
    """A round, or the questions again after a flagged reply, were not sent: the day's budget would not hold them."""

    at: datetime
    round_id: str
    target: str
    what: Literal["round", "re_ask"]
    needed: int
    """Tokens that it might have cost."""
    spent: int
    """Tokens spent on the target since the day began, in UTC."""
    budget: int
    """Tokens that the target may spend in a day."""
    kind: Literal["round_skipped"] = field(default="round_skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class SightChanged:
    """Something can no longer be measured, or can be measured again."""

    at: datetime
    sight: Sight
    kind: Literal["sight_changed"] = field(default="sight_changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsChecked:
    """The files of one channel's model were read, and held against what they were the time before."""

    at: datetime
    subject: str
    """The channel of the target whose model it is."""
    path: str
    """Where it is, as the configuration says."""
    digest: str
    """SHA-256 over the names and digests of its files, in hex."""
    files: tuple[WeightsFile, ...]
    """As last read: where they could not be read this time, those of the time before."""
    difference: Difference
    expected: bool
    """Whether somebody had declared this digest beforehand."""
    signature: SignatureCheck
    problem: str = ""
    """Why they could not be read; empty when they could."""
    altered_at: datetime | None = None
    """When they last differed from what they were, without anybody having declared it; None when never."""
    kind: Literal["weights_checked"] = field(default="weights_checked")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbilitiesSeen:
    """What a delivered channel does for us was taken down at enrolment, or changed."""

    at: datetime
    abilities: Abilities
    kind: Literal["abilities_seen"] = field(default="abilities_seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanged:
    """An incident took a step: by a finding, by a recovery, or by a person."""

    at: datetime
    event: IncidentEvent
    kind: Literal["incident_changed"] = field(default="incident_changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeQueued:
    """A notice waits in the outbox."""

    at: datetime
    notice_id: str
    notifier: str
    event_id: str
    """The incident event it tells; the event's own leaf holds its text."""
    kind: Literal["notice_queued"] = field(default="notice_queued")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAnswered:
    """A receiver answered, or did not."""

    at: datetime
    attempt: Attempt
    kind: Literal["notice_answered"] = field(default="notice_answered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """A running watchdog took up another configuration."""

    at: datetime
    config_digest: str
    """SHA-256 of the configuration file as read, in hex."""
    kind: Literal["reloaded"] = field(default="reloaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A running watchdog says that it still runs, so that a record which has stopped growing shows."""

    at: datetime
    rounds: int
    """Rounds that ended since it started."""
    failed: int
    """Rounds since it started that ended without being recorded."""
    missed: int
    """Rounds since it started that did not begin when they were due."""
    kind: Literal["alive"] = field(default="alive")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """The leaves right before this one were held in memory, because the file could not be written when they were made.

    They bear the times of their making, and their pages went out then.
    """

    at: datetime
    since: datetime
    """When the file could not be written for the first time."""
    decisions: int
    """How many leaves before this one were held."""
    dropped: int
    """How many more were made, and dropped because memory is finite; never incidents and notices."""
    why: str
    kind: Literal["held_back"] = field(default="held_back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """How often a target is watched."""

    target: str
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCommitted:
    """The times of a day's rounds were settled, without being told; this plan holds from here on."""

    at: datetime
    day: date
    commitment: str
    """SHA-256 of the day's seed, in hex."""
    plan: tuple[Planned, ...]
    kind: Literal["schedule_committed"] = field(default="schedule_committed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRevealed:
    """A day is over, and everybody may compute when its rounds had to begin."""

    at: datetime
    day: date
    seed: str
    """The day's seed, in hex."""
    kind: Literal["schedule_revealed"] = field(default="schedule_revealed")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsMissed:
    """Rounds were due and did not begin, or the clock was moved so that nobody can say."""

    at: datetime
    why: Literal["clock", "busy"]
    missed: int
    targets: tuple[str, ...]
    clock_moved_s: float
    """How far the wall clock jumped, in seconds; negative is back."""
    kind: Literal["rounds_missed"] = field(default="rounds_missed")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOpened:
    """The reading of a query log began, or went on after a stop."""

    at: datetime
    log: str
    format: str
    resumed: bool
    """Whether it went on where an earlier process had stopped."""
    position: str
    """SHA-256, in hex, of the position that it goes on from, as table `log_position` has it."""
    kind: Literal["log_opened"] = field(default="log_opened")


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Lines of a log that could not be read, for one reason."""

    reason: str
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What was read of a query log since the leaf before of this kind, or since it was opened."""

    at: datetime
    log: str
    since: datetime
    lines: int
    queries: int
    ours: int
    """Requests that were our own probes."""
    malformed: tuple[Malformed, ...]
    newest: datetime | None
    """The newest request that was read, by the log's own time; None when there was none."""
    position: str
    """SHA-256, in hex, of the position after it, as table `log_position` has it."""
    kind: Literal["log_read"] = field(default="log_read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarmed:
    """An online detector raised an alarm about a client."""

    id: str
    at: datetime
    alarm: Alarm
    """Without what the client wrote: its examples name their texts by digest."""
    kind: Literal["alarmed"] = field(default="alarmed")

    def __post_init__(self) -> None:
        if any(it.text for it in self.alarm.examples):
            raise ValueError("a client's text does not belong in a leaf: it could never be erased")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientExpected:
    """A person said that what a client does is expected, and no attack; the newest word on a client and rule holds."""

    at: datetime
    log: str
    client: str
    rule: str
    rate: float
    """Hits for each distinct request that are expected of it."""
    until: datetime | None
    """In the time of the log; None when it holds until it is taken back."""
    incident: str
    """The incident that it was said about."""
    by: Actor
    reason: str
    kind: Literal["client_expected"] = field(default="client_expected")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFixed:
    """What is taken for benign in a segment of a log was settled."""

    at: datetime
    log: str
    reference: Reference
    kind: Literal["reference_fixed"] = field(default="reference_fixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextErased:
    """A person had texts of customers erased; what the leaves say of them stays, and stays provable."""

    at: datetime
    log: str | None
    """Of which log; None for all of them."""
    client: str | None
    """Of which client; None for all of them."""
    before: datetime | None
    """Of requests before this instant; None for all."""
    texts: int
    """How many there were."""
    by: Actor
    reason: str
    kind: Literal["text_erased"] = field(default="text_erased")


Handover = KeyAdopted | ForkDeclared
"""A leaf from which on checkpoints are signed with another key."""

Decision = (
    Started
    | Reloaded
    | Alive
    | ScheduleCommitted
    | ScheduleRevealed
    | RoundsMissed
    | HeldBack
    | Stopped
    | KeyAdopted
    | ForkDeclared
    | BankMeasured
    | Enrolled
    | RolloutDeclared
    | RolloutWithdrawn
    | RolloutSeen
    | SharesAllotted
    | Judged
    | Compared
    | Weighed
    | RoundDone
    | RoundSkipped
    | SightChanged
    | AbilitiesSeen
    | WeightsChecked
    | LogOpened
    | LogRead
    | Alarmed
    | ClientExpected
    | ReferenceFixed
    | TextErased
    | IncidentChanged
    | NoticeQueued
    | NoticeAnswered
)
