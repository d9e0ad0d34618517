"""Copy a ledger whole while it is written, and put a copy back so that nobody can take it for the original."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from storage import files, keys, signing
from storage.audit import Audit, audit
from storage.forking import Declaration, declare
from storage.ledger import SqliteLedger
from storage.receipts import newest_checkpoint
from watchdog.domain.decisions import ForkDeclared
from watchdog.errors import ConfigError, LedgerError
from watchdog.ports import Clock

_PATIENCE = timedelta(seconds=60)
"""How long a copy waits for its turn: a commit takes milliseconds, whatever holds the file longer is stuck."""
_JOURNALS = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a file until a commit is whole; it belongs to that file and to no other."""
_NOT_WRITTEN = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE"})
"""What can only go wrong with the copy: the source is not written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of a ledger, with what recomputing the copy showed."""

    path: Path
    """Where it is: not where it was wanted when it has faults, so that nobody takes it for a good one."""
    checkpoint: Path | None
    """The file with its checkpoint; None when it carries none."""
    size: int
    """In bytes."""
    found: Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup that was put in place, or one that was refused because of its faults."""

    found: Audit
    """What recomputing the backup showed."""
    fork: ForkDeclared | None = None
    """None when it was refused."""
    kept: Path | None = None
    """Where the ledger is that was there before; None when there was none."""


def backup(ledger: Path, to: Path) -> Backup:
    """Copy a ledger while its daemon goes on, recompute the copy, and write its checkpoint beside it.

    Raises ConfigError when something is there already, LedgerError when the ledger or the copy cannot be used.
    """
    if to.exists() and ledger.exists() and to.samefile(ledger):
        raise ConfigError(f"{to}: this is the ledger itself", hint="name a file on another disk with --to")
    for path in (to, _beside(to, ".checkpoint"), _beside(to, ".faulty")):
        if path.exists():
            raise ConfigError(f"{path}: the file is there already", hint="a backup overwrites nothing: name another")
    files.open_for_reading(ledger).dispose()
    with _arriving(to, ".partial") as copy:
        _copy(ledger, copy)
        found = audit(copy, keys=None)
        note = newest_checkpoint(copy) if found.intact and found.key else None
        size = copy.stat().st_size
        kept = None if note is None else _create(_beside(to, ".checkpoint"), note)
        place = to if found.intact else _beside(to, ".faulty")
        copy.replace(place)
        keys.sync_folder(to.parent)
    return Backup(path=place, checkpoint=kept, size=size, found=found)


def restore(
    source: Path, ledger: Path, said: Declaration, *, now: Clock, key_file: Path | None = None, to: Path | None = None
) -> Restored:
    """Put a backup in the ledger's place, with its fork declared; the ledger that is there is kept under another name.

    The fork is declared in the copy: what appears under the ledger's name has it already, whenever a crash comes.
    Raises LedgerError when a daemon holds the ledger or a file cannot be used, ConfigError when the key does not fit.
    """
    if not source.is_file():
        raise LedgerError(f"{source}: there is no backup here", hint="name the file that `backup` wrote")
    files.standing(source)
    if ledger.exists() and source.samefile(ledger):
        raise ConfigError(f"{source}: this is the ledger itself", hint="name the file that `backup` wrote")
    place = key_file or signing.key_beside(ledger)
    # Behind a link the file itself is exchanged; its lock and its key are where the configuration looks for them.
    file = ledger.resolve()
    with _held(ledger), _arriving(file, ".restoring") as copy:
        _copy(source, copy)
        with SqliteLedger(copy) as arriving:
            found = audit(copy, keys=None)
            if not found.intact:
                return Restored(found=found)
            fork = declare(arriving, said, now=now, place=place, to=to)
        kept = _set_aside(file, f".before-restore-{fork.at:%Y%m%dT%H%M%SZ}")
        copy.replace(file)
        keys.sync_folder(file.parent)
        if to is None:
            signing.take_up(place)
    return Restored(found=found, fork=fork, kept=kept)


@contextmanager
def _held(ledger: Path) -> Iterator[None]:
    descriptor = files.lock(ledger)
    try:
        keys.give_to_owner(descriptor, ledger.parent)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _arriving(to: Path, suffix: str) -> Iterator[Path]:
    """Make an empty file beside the one that is wanted, for this user alone; it is gone after the block."""
    path = _beside(to, suffix)
    beside = [path, _beside(path, ".lock"), *(_beside(path, it) for it in _JOURNALS)]
    try:
        for left in beside:
            left.unlink(missing_ok=True)
        _create(path, "")
        yield path
    except OSError as exc:
        raise LedgerError(
            f"{exc.filename or path}: cannot be written: {exc.strerror}",
            hint=f"make {to.parent} a folder that this user can write to, with space on its disk",
        ) from exc
    finally:
        for left in beside:
            left.unlink(missing_ok=True)


def _copy(source: Path, to: Path) -> None:
    """Copy a database as of one moment, and let the copy reach the disk.

    In one step: in several, a copy begins anew whenever the daemon writes. The source can be read meanwhile, and a
    commit waits; the copy goes to the page cache first, so that it is not the speed of its disk which is waited for.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as reading,
            closing(sqlite3.connect(to)) as writing,
        ):
            writing.execute("PRAGMA journal_mode=OFF")
            writing.execute("PRAGMA synchronous=OFF")
            reading.backup(writing, progress=_patience(source))
    except sqlite3.Error as exc:
        path = to if getattr(exc, "sqlite_errorname", "") in _NOT_WRITTEN else source
        raise files.unusable(path, DatabaseError(None, None, exc)) from exc
    with to.open("rb") as file:
        os.fsync(file.fileno())


def _patience(source: Path) -> Callable[[int, int, int], None]:
    end = time.monotonic() + _PATIENCE.total_seconds()

    def wait(status: int, _left: int, _total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > end:
            raise LedgerError(
                f"{source}: another program has held the file for {_PATIENCE.total_seconds():.0f} s",
                hint="find out which one, e.g. with `fuser`, and try again",
            )

    return wait


def _set_aside(ledger: Path, suffix: str) -> Path | None:
    """Keep the ledger, and what SQLite left beside it, under another name; return that name, or None.

    A journal that stayed would be played into the restored file. It is taken away only when the old file and its
    journal both have their second name, so that a crash leaves them together.
    """
    kept, stood = _beside(ledger, suffix), ledger.exists()
    journals = [it for it in _JOURNALS if _beside(ledger, it).exists()]
    if stood:
        kept.hardlink_to(ledger)
    for it in journals:
        _beside(kept, it).hardlink_to(_beside(ledger, it))
    keys.sync_folder(ledger.parent)
    for it in journals:
        _beside(ledger, it).unlink()
    return kept if stood else None


def _create(path: Path, text: str) -> Path:
    """Write a file that only this user can read, where none is yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        keys.give_to_owner(file.fileno(), path.parent)
    return path


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
