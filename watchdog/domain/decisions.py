"""Decisions: what the ledger keeps. Each is one leaf; replaying them only folds, and decides nothing again."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from watchdog.domain.comparisons import Comparison
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.incidents import IncidentEvent
from watchdog.domain.notices import Attempt
from watchdog.domain.verdicts import Arm, Verdict


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
class Enrolled:
    """A baseline was measured; it replaces the one before it for the same rule and subject."""

    at: datetime
    baseline: Baseline
    kind: Literal["enrolled"] = field(default="enrolled")


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
    kind: Literal["compared"] = field(default="compared")

    @property
    def byte_different(self) -> bool:
        """Whether an exact match would have called this reply edited."""
        return self.direct_reply is not None and self.reason is None and self.direct_reply != self.delivered_reply


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
    enrolment: bool = False
    kind: Literal["round_done"] = field(default="round_done")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanged:
    """An incident opened, repeated, escalated or recovered."""

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


Decision = (
    Started
    | Stopped
    | Enrolled
    | Judged
    | Compared
    | Weighed
    | RoundDone
    | IncidentChanged
    | NoticeQueued
    | NoticeAnswered
)
