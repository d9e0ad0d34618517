"""What a running daemon says about itself: a small file beside the ledger, replaced as a whole every few seconds.

It names no instant that lies ahead: when a round will begin is nobody's business, not even in a file of our own.
"""

import errno
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from watchdog.errors import LedgerError
from watchdog.ports import LedgerState

LATE_S = 5.0
"""Seconds past its time after which a round that has not begun is called late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """How it stands with one target."""

    name: str
    every_s: float
    running_s: float | None
    """For how long its round has been running; None when none is."""
    due_s: float | None
    """For how long a round has been due that did not begin yet; None when none is."""
    last_round_at: datetime | None
    """When its last round ended; None before the first since the daemon started."""
    blind: str
    """Why its last round measured nothing; empty when it measured something, or before the first."""
    failures: int
    """Rounds in a row that measured nothing."""
    missed: int
    """Rounds since the daemon started that did not begin when they were due."""

    @property
    def late(self) -> bool:
        """Whether its round should have begun by now."""
        return self.due_s is not None and self.due_s > LATE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """How it stands with the reading of one query log."""

    name: str
    format: str
    """Empty as long as it is not known."""
    lag_bytes: int
    """Bytes that are there and not read yet."""
    newest: datetime | None
    """The newest request that was read, by the log's own time."""
    per_second: float
    """Requests in a second, over the last half minute or so."""
    lines: int
    """Lines read since the daemon took up what is configured for the log; the three below are of these."""
    queries: int
    ours: int
    malformed: int
    blind: tuple[str, ...]
    """What cannot be looked at, and what is lacking for it."""
    warming_up: tuple[str, ...]
    """Detectors that cannot alarm yet, and how far they are."""
    problem: str
    """Why it is not read at all; empty when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStatus:
    """Whether one of the daemon's loops still moves."""

    name: str
    age_s: float
    budget_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How a daemon stood when it wrote this."""

    written_at: datetime
    monotonic_s: float
    """The same instant on a clock that nobody can set; it begins anew when the machine starts."""
    pid: int
    version: str
    started_at: datetime
    config_digest: str
    reload_problem: str
    """What was wrong with the configuration that was last offered; empty when it was taken up."""
    stopping: bool
    rounds: int
    failed: int
    missed: int
    clock_jumps: int
    notices_delivered: int
    logs_dropped: int
    late_p99_s: float
    """How late the latest 1,000 rounds began, at the 99th percentile."""
    ledger: LedgerState
    loops: tuple[LoopStatus, ...]
    targets: tuple[TargetStatus, ...]
    logs: tuple[LogStatus, ...] = ()


_SNAPSHOTS: TypeAdapter[Snapshot] = TypeAdapter(Snapshot)


def status_path(ledger: Path) -> Path:
    """Return where the daemon on a ledger keeps its snapshot."""
    return ledger.with_name(ledger.name + ".status.json")


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Replace the snapshot; a reader sees the old one or the new one, never half of one unless the disk is full.

    Raises OSError when the disk does not take it.
    """
    text = _SNAPSHOTS.dump_json(snapshot)
    beside = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
    except OSError as exc:
        if exc.errno != errno.ENOSPC or not path.exists():
            raise
        # On a full disk the old one's space is all there is, and `status` is wanted then more than ever.
        beside.unlink(missing_ok=True)
        with path.open("r+b") as file:
            file.write(text)
            file.truncate()
        return
    beside.replace(path)


def read_snapshot(path: Path) -> Snapshot | None:
    """Return the snapshot; None when no daemon ever wrote one here.

    Raises LedgerError when it cannot be read.
    """
    try:
        return _SNAPSHOTS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as exc:
        problem = exc.strerror if isinstance(exc, OSError) else "another version wrote it, or it was altered"
        raise LedgerError(
            f"{path}: the daemon's status cannot be read: {problem}",
            hint="run this as the daemon's user, and with the daemon's version of the program",
        ) from exc
