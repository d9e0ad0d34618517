"""A moved clock: seen by holding the wall clock against one that nobody can set."""

from collections.abc import Callable

from watchdog.ports import Clock


class ClockWatch:
    """Sees whether somebody moved the wall clock, by a clock that nobody can move."""

    TOLERANCE_S = 2.0

    def __init__(self, now: Clock, monotonic: Callable[[], float]) -> None:
        self._now, self._monotonic = now, monotonic
        self._offset = self._difference()

    def moved_s(self) -> float:
        """Return by how much the wall clock jumped since the last call; 0 when it only went on, or was slewed."""
        before, self._offset = self._offset, self._difference()
        moved = self._offset - before
        return moved if abs(moved) > self.TOLERANCE_S else 0.0

    def _difference(self) -> float:
        return self._now().timestamp() - self._monotonic()
