"""Whose turn it is: when each target's next round is due, which rounds run, and what was missed. Any thread may ask."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from watchdog import schedule
from watchdog.ports import Clock
from watchdog.status import TargetStatus

_REMEMBERED = 1000
"""Rounds whose lateness is kept for the percentile."""


@dataclass(slots=True)
class _Entry:
    every: timedelta
    due: datetime | None = None
    began: float | None = None
    """Monotonic time at which the running round began; None when none runs."""
    last_round_at: datetime | None = None
    blind: str = ""
    failures: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts since the daemon started."""

    rounds: int
    failed: int
    missed: int
    running: int


class Rota:
    """The state of every target's schedule."""

    def __init__(
        self,
        seed: Callable[[date], bytes],
        known_seed: Callable[[date], bytes | None],
        now: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        """Draw from the seeds of days; `known_seed` gives only those that were drawn already."""
        self._seed, self._known_seed, self._now, self._monotonic = seed, known_seed, now, monotonic
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._late_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._rounds = self._failed = self._missed = 0

    def plan(self, every: Mapping[str, timedelta]) -> tuple[str, ...]:
        """Watch these targets from now on, and return those that have to be armed anew."""
        with self._lock:
            before = self._entries
            self._entries = {}
            changed = []
            for name, gap in every.items():
                entry = before.get(name)
                if entry is None or entry.every != gap:
                    changed.append(name)
                    entry = entry or _Entry(every=gap)
                    entry.every, entry.due = gap, None
                self._entries[name] = entry
            return tuple(changed)

    def arm(self, name: str) -> datetime | None:
        """Settle when the target's next round is due, and return it; None while there is none, or a round runs."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.began is not None:
                return None
            entry.due = self._next(name, entry.every)
            return entry.due

    def begin(self, name: str, due: datetime) -> float | None:
        """Note that a round begins and return how late it is in seconds; None when it must not begin.

        It must not when the target is gone, its round runs already, or the time was given up for another.
        """
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.due != due or entry.began is not None:
                return None
            entry.began = self._monotonic()
            late_s = max(0.0, (self._now() - due).total_seconds())
            self._late_s.append(late_s)
            return late_s

    def end(self, name: str, blind: str, *, recorded: bool) -> int:
        """Note that a round ended, and return how many rounds fell due meanwhile and are missed."""
        with self._lock:
            self._rounds += 1
            self._failed += not recorded
            entry = self._entries.get(name)
            if entry is None or entry.began is None:
                return 0
            missed = 0 if entry.due is None else self._count(name, entry.every, entry.due, self._now())
            entry.began, entry.due = None, None
            entry.last_round_at = self._now()
            entry.blind, entry.failures = blind, entry.failures + 1 if blind else 0
            entry.missed += missed
            self._missed += missed
            return missed

    def skip_passed(self) -> dict[str, int]:
        """Give up every waiting time that has passed, and return how many were missed by target.

        For a clock that was moved: running all of them now would be a storm, and at a time that nobody drew.
        """
        with self._lock:
            skipped = {}
            now = self._now()
            for name, entry in self._entries.items():
                if entry.began is not None or entry.due is None:
                    continue
                if entry.due <= now:
                    skipped[name] = 1 + self._count(name, entry.every, entry.due, now)
                    entry.missed += skipped[name]
                    self._missed += skipped[name]
                entry.due = None
            return skipped

    def unarmed(self) -> tuple[str, ...]:
        """Return the targets that neither run nor wait for a time."""
        with self._lock:
            return tuple(name for name, it in self._entries.items() if it.began is None and it.due is None)

    def overdue(self, seconds: float) -> tuple[tuple[str, datetime], ...]:
        """Return the targets whose round should have begun `seconds` ago, with its time."""
        with self._lock:
            limit = self._now() - timedelta(seconds=seconds)
            return tuple(
                (name, it.due)
                for name, it in self._entries.items()
                if it.began is None and it.due is not None and it.due < limit
            )

    def failures(self, name: str) -> int:
        """Return how many of the target's rounds in a row measured nothing."""
        with self._lock:
            entry = self._entries.get(name)
            return 0 if entry is None else entry.failures

    def longest_running_s(self) -> float:
        """Return for how long the oldest running round has been running; 0 when none is."""
        with self._lock:
            began = [it.began for it in self._entries.values() if it.began is not None]
            return self._monotonic() - min(began) if began else 0.0

    def late_p99_s(self) -> float:
        """Return how late the latest rounds began, at the 99th percentile; 0 before the first."""
        with self._lock:
            ordered = sorted(self._late_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0

    def totals(self) -> Totals:
        """Return the counts since the start."""
        with self._lock:
            running = sum(it.began is not None for it in self._entries.values())
            return Totals(rounds=self._rounds, failed=self._failed, missed=self._missed, running=running)

    def targets(self) -> tuple[TargetStatus, ...]:
        """Return how it stands with each target."""
        with self._lock:
            return tuple(self._status(name, it) for name, it in self._entries.items())

    def _status(self, name: str, it: _Entry) -> TargetStatus:
        waits_s = None if it.due is None or it.began is not None else (self._now() - it.due).total_seconds()
        return TargetStatus(
            name=name,
            every_s=it.every.total_seconds(),
            running_s=None if it.began is None else self._monotonic() - it.began,
            due_s=None if waits_s is None or waits_s < 0 else waits_s,
            last_round_at=it.last_round_at,
            blind=it.blind,
            failures=it.failures,
            missed=it.missed,
        )

    def _next(self, name: str, every: timedelta) -> datetime | None:
        """Look at today and tomorrow only: a later day's seed is nobody's yet, not even ours."""
        now = self._now()
        today = schedule.day_of(now)
        found = schedule.first_after(self._seed(today), name, every, today, now)
        if found is None:
            tomorrow = today + timedelta(days=1)
            found = schedule.first_after(self._seed(tomorrow), name, every, tomorrow, now)
        return found

    def _count(self, name: str, every: timedelta, after: datetime, until: datetime) -> int:
        """Count the times after one instant, up to another; days whose seed is gone or was never drawn count none."""
        day, last, count = schedule.day_of(after), schedule.day_of(until), 0
        while day <= last:
            seed = self._known_seed(day)
            if seed is not None:
                count += sum(after < it <= until for it in schedule.times(seed, name, every, day))
            day += timedelta(days=1)
        return count
