"""What a person may say about a client of a query log, as values that can be handed to whoever holds the ledger."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What a client does is expected, and no attack."""

    incident: str
    """Its id, or an unambiguous beginning of it."""
    reason: str
    until: datetime | None = None
    """In the time of the log; None when it holds until it is taken back."""
    rate: float | None = None
    """Hits for each distinct request that are expected; None takes what the alarm showed, 0 takes it back."""
    verb: Literal["expect"] = field(default="expect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """What clients wrote is to go."""

    reason: str
    log: str | None = None
    client: str | None = None
    before: datetime | None = None
    verb: Literal["erase"] = field(default="erase")


LogAct = Expect | Erase
