"""Keeps the schedule's seeds: drawn, written down, committed to in the ledger, and revealed when their day is over."""

import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path

from watchdog.domain.decisions import Planned, ScheduleCommitted, ScheduleRevealed
from watchdog.errors import LedgerError
from watchdog.ports import Clock, FindingSink
from watchdog.schedule import SEED_BYTES, commitment, day_of

_LINGER = timedelta(hours=1)
"""How long a seed is kept after its day: a round may run, or a clock be set back, over midnight."""


class SeedBook:
    """The seeds of the days that are not over, in a file that only this user can read.

    The file lets a restart go on with the same times. Who deletes it gets new times, and leaves a commitment in the
    ledger that is never revealed.
    """

    def __init__(
        self,
        path: Path,
        desk: FindingSink,
        now: Clock,
        draw: Callable[[], bytes] = lambda: secrets.token_bytes(SEED_BYTES),
    ) -> None:
        """Read the file, if there is one.

        Raises LedgerError when it cannot be read as seeds.
        """
        self._path, self._desk, self._now, self._draw = path, desk, now, draw
        self._lock = threading.Lock()
        self._seeds = _read(path)
        self._plan: tuple[Planned, ...] = ()
        # What was kept is committed to again at every start: the file may have been written just before a crash.
        self._uncommitted = set(self._seeds)

    def seed(self, day: date) -> bytes:
        """Return the seed of a day; a new one is written down, and committed to by the next `settle`."""
        with self._lock:
            seed = self._seeds.get(day)
            if seed is None:
                seed = self._seeds[day] = self._draw()
                self._uncommitted.add(day)
                _write(self._path, self._seeds)
            return seed

    def known(self, day: date) -> bytes | None:
        """Return the seed of a day if it was drawn and is not revealed yet."""
        with self._lock:
            return self._seeds.get(day)

    def plan(self, every: Mapping[str, float]) -> None:
        """Say which targets are watched from now on, and how often in seconds; it goes into the commitments."""
        with self._lock:
            self._plan = tuple(Planned(target=name, every_s=seconds) for name, seconds in sorted(every.items()))
            self._uncommitted = set(self._seeds)

    def settle(self) -> None:
        """Commit to what is new, and reveal the seeds of days that are over.

        Raises LedgerError when the ledger cannot be written; the next call tries again.
        """
        with self._lock:
            at = self._now()
            today = day_of(at - _LINGER)
            over = sorted(day for day in self._seeds if day < today)
            if not self._uncommitted and not over:
                return
            committed = [
                ScheduleCommitted(at=at, day=day, commitment=commitment(self._seeds[day]), plan=self._plan)
                for day in sorted(self._uncommitted - set(over))
            ]
            revealed = [ScheduleRevealed(at=at, day=day, seed=self._seeds[day].hex()) for day in over]
            self._desk.report([*revealed, *committed])
            self._uncommitted.clear()
            if over:
                self._seeds = {day: seed for day, seed in self._seeds.items() if day >= today}
                _write(self._path, self._seeds)


def _read(path: Path) -> dict[date, bytes]:
    try:
        text = path.read_text(encoding="ascii")
        return {date.fromisoformat(day): bytes.fromhex(seed) for day, seed in json.loads(text).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as exc:
        raise LedgerError(
            f"{path}: the seeds of the schedule cannot be read",
            hint="move the file away: new times are drawn, and the record shows a commitment that was not revealed",
        ) from exc


def _write(path: Path, seeds: Mapping[date, bytes]) -> None:
    beside = path.with_name(path.name + ".new")
    text = json.dumps({day.isoformat(): seed.hex() for day, seed in seeds.items()})
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as exc:
        raise LedgerError(
            f"{path}: the seeds of the schedule cannot be written: {exc.strerror}",
            hint=f"make {path.parent} a folder that this user can write to, with space on its disk",
        ) from exc
