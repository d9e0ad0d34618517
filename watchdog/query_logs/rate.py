"""How many requests come in a second, over the last minute or so."""

import math
from collections.abc import Callable
from dataclasses import dataclass

_MEMORY_S = 30.0


@dataclass
class Rate:
    """A rate that forgets: what came half a minute ago counts for a third."""

    monotonic: Callable[[], float]
    _value: float = 0.0
    _at: float | None = None

    def add(self, count: int) -> None:
        """Count what came now."""
        now = self.monotonic()
        self._value = self._faded(now) + count / _MEMORY_S
        self._at = now

    @property
    def per_second(self) -> float:
        """Requests in a second."""
        return self._faded(self.monotonic())

    def _faded(self, now: float) -> float:
        return 0.0 if self._at is None else self._value * math.exp(-(now - self._at) / _MEMORY_S)
