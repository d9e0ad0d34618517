"""Lines that could not be read: counted in full, and known by their digests, without keeping a word of them."""

import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

MOST = 1_000
"""Digests that are kept."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One line that could not be read."""

    digest: str
    """SHA-256 of its bytes, in hex: whoever has the log finds the line by it."""
    size: int
    reason: str
    at: datetime


@dataclass
class Quarantine:
    """The bad lines of one log. Its size does not depend on how many there are, or how long."""

    reasons: Counter[str] = field(default_factory=Counter)
    """How many there were, by reason."""
    _newest: deque[Quarantined] = field(default_factory=lambda: deque(maxlen=MOST))

    @property
    def count(self) -> int:
        """How many there were."""
        return self.reasons.total()

    @property
    def newest(self) -> tuple[Quarantined, ...]:
        """The newest of them, oldest first; at most a thousand."""
        return tuple(self._newest)

    def digests(self) -> tuple[str, ...]:
        """Return the digests of the newest of them, oldest first."""
        return tuple(it.digest for it in self._newest)

    def refuse(self, line: bytes, reason: str, at: datetime) -> None:
        """Take a line that could not be read. Reasons are words of our own, of which there are few."""
        self.reasons[reason] += 1
        self._newest.append(Quarantined(hashlib.sha256(line).hexdigest(), len(line), reason, at))
