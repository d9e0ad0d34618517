"""Queries: the requests in a watched API's log, and what an online detector concludes about one client."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from watchdog.domain.findings import Severity
from watchdog.domain.times import utc


class Query(NamedTuple):
    """One request, as far as its line in the log tells; None where it does not. A tuple, because there are many."""

    at: float
    """When the request came, in seconds since 1970 UTC."""
    id: str | None = None
    client: str | None = None
    """Who is answerable for it: a key's hash or alias, an account."""
    org: str | None = None
    address: str | None = None
    agent: str | None = None
    """The user agent."""
    endpoint: str | None = None
    """The path, or what stands for it: `/v1/chat/completions`."""
    model: str | None = None
    status: int | None = None
    """The HTTP status."""
    system: str | None = None
    """The system prompt."""
    prompt: str | None = None
    """The last turn of the user."""
    turns: int | None = None
    """Messages in the conversation, the system prompt not counted."""
    prefill: bool | None = None
    """Whether the last message was put into the assistant's mouth."""
    reply: str | None = None
    refused: bool | None = None
    """Whether the API itself says that it refused: a content filter, a refusal field. None when it does not say."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    top_logprobs: int | None = None
    logit_bias: int | None = None
    """How many tokens were biased."""
    choices: int | None = None
    """How many replies were asked for at once."""
    seed: int | None = None
    max_tokens: int | None = None
    training_examples: int | None = None
    """Examples of a fine-tuning job, where this request starts one."""


FIELDS = frozenset(Query._fields) - {"at"}
"""What a log may tell or not; the time of a request is never missing."""

LINE_LIMIT = 16 << 20
"""Bytes of the longest line that is read, unless a configuration says otherwise: a line is in memory as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePosition:
    """How far one file was read, and how to know it again: names are reused, and so are inodes."""

    path: str
    device: int
    inode: int
    offset: int
    """Bytes whose effects are in the ledger; always after a line feed, or after the end of a rotated file."""
    head: str
    """SHA-256, in hex, of the first `head_size` bytes."""
    head_size: int
    done: bool = False
    """Whether the file was rotated away and read to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """How far a query log was read: every file that may still matter."""

    files: tuple[FilePosition, ...] = ()
    before: float = 0.0
    """Rotated files that were last written before this moment (seconds since 1970) and are not listed were read, or
    were never to be read: so that the list stays short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGap:
    """Lines that nobody will read any more, or that could not be read now."""

    path: str
    what: str
    """A named reason: `truncated`, `vanished`, `damaged` (compressed, and cannot be read to its end), `unreadable`
    (now), `refused` (a link, a pipe), `too_long`."""
    why: str
    """A sentence that says what happened, without any of the log's text."""
    bytes_lost: int | None
    """None when nobody can know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """Some lines, in order, and the position after them."""

    lines: tuple[bytes, ...]
    """Without their line feeds."""
    position: LogPosition
    gaps: tuple[LogGap, ...] = ()
    lag_bytes: int = 0
    """Bytes that are there and not read yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePoint:
    """The evidence about one client at one moment."""

    at: datetime
    evidence: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", utc(self.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One feature of a client beside what is usual in its segment."""

    feature: str
    client: float
    usual: float
    spread: float
    """Standard deviation over the segment."""

    @property
    def distance(self) -> float:
        """How many standard deviations the client is away from what is usual."""
        return abs(self.client - self.usual) / self.spread if self.spread > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One request behind an alarm."""

    at: datetime
    query: str
    """The request's id in the log; empty where it has none."""
    text: str
    """Its prompt; redacted before it is shown. Never in a leaf: there it is empty, and `digest` stands for it."""
    why: str
    """What the detector saw in it."""
    digest: str = ""
    """SHA-256, in hex, of a salt and the text; empty until it is recorded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", utc(self.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What an online detector says about one client."""

    rule: str
    log: str
    client: str
    org: str | None
    segment: str
    severity: Severity
    """WARNING at the level of a ticket, CRITICAL at the level of a page."""
    since: datetime
    """The first request that counted."""
    at: datetime
    evidence: float
    """The e-detector's value when it alarmed."""
    threshold: float
    expected: float
    """False alarms of this rule that are expected in a week at this level, at most."""
    base_rate: float
    """The rate that is taken for benign in this segment."""
    hits: int
    trials: int
    """Distinct requests that could have been hits, and those that were."""
    path: tuple[EvidencePoint, ...]
    """Oldest first, at most 64."""
    deviations: tuple[Deviation, ...]
    """The three features furthest from what is usual, furthest first."""
    examples: tuple[Example, ...]
    """At most five."""
    blind: tuple[str, ...]
    """Rules that could not look at this log, and the fields that they lack: `key_sharing: address`."""
    said: str
    """What happened, in one sentence of our own words: no text of the client is in it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", utc(self.since))
        object.__setattr__(self, "at", utc(self.at))


class Looking(StrEnum):
    """Whether a detector sees what it is there for."""

    LOOKING = "looking"
    WARMING_UP = "warming_up"
    """It learns what is usual; until then it sees only what goes far beyond anything usual."""
    BLIND = "blind"
    """The log does not tell what it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """How it stands with one detector of one log."""

    rule: str
    looking: Looking
    missing: tuple[str, ...] = ()
    """The fields of a request that it needs and the log does not tell; empty unless it is blind."""
    learned: int = 0
    """How much it learned from: distinct requests, or stretches of time or of requests where it counts these."""
    needed: int = 0
    """How much it has to learn from before it knows what is usual; 0 where it needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an operator said of one client: that it does this, and that it is no attack."""

    client: str
    rule: str
    rate: float
    """Hits for each distinct request that could be one; what is at or below it is as expected."""
    at: datetime
    """When it was said."""
    until: datetime | None
    """In the time of the log; None when it holds until it is taken back."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", utc(self.at))
        object.__setattr__(self, "until", None if self.until is None else utc(self.until))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is taken for benign in a segment from now on: fixed, so that nobody can teach it to be blind."""

    segment: str
    signal: str
    trials: int
    hits: int
    p0: float
    """The rate that evidence is held against; above the observed one."""
