"""What people are told: an incident event on its way to one notifier."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchdog.domain.incidents import IncidentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One incident event for one notifier. Its id is constant over every attempt, so a receiver can deduplicate."""

    id: str
    notifier: str
    event: IncidentEvent
    checkpoint: str | None = None
    """The ledger's newest signed checkpoint when the notice was taken from the outbox: whoever keeps the notice keeps
    a witness of the record. None when the ledger is not signed."""

    @classmethod
    def of(cls, event: IncidentEvent, notifier: str) -> "Notice":
        """Make the notice of an event; the same two always give the same id."""
        return cls(id=str(uuid.uuid5(uuid.UUID(event.id), notifier)), notifier=notifier, event=event)


class Delivery(StrEnum):
    """What became of one attempt."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to hand a notice over, and what to do next."""

    notice_id: str
    number: int
    """1 for the first attempt."""
    outcome: Delivery
    answer: str
    at: datetime
    next_at: datetime | None
    """When to try again; None unless the outcome is `retry`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A notice that waits in the outbox, and how often it was tried."""

    notice: Notice
    attempts: int
    queued_at: datetime
