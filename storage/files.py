"""Opening a ledger file: one writer, durable settings, the schema of this version."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from storage import revisions
from watchdog.errors import LedgerBrokenError, LedgerError, LedgerFullError, LedgerHeldError, LedgerStalledError

# DELETE with EXTRA is durable on every SQLite, also on those with the WAL-reset fault, and keeps the record one file
# that can be copied whole. docs/decisions/0005 has what it costs.
_DURABLE = {"journal_mode": "delete", "synchronous": "3", "foreign_keys": "1", "trusted_schema": "0"}
# What was erased on somebody's word must not be left in free pages of the file.
_ERASING = "PRAGMA secure_delete=ON"
# A reader, such as a long audit, holds up a commit while it reads; a daemon rather waits than loses a round.
_PATIENT = "PRAGMA busy_timeout=30000"
_CAREFUL = ("PRAGMA busy_timeout=5000", "PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF")

_RESTORE = "move the file away and restore a backup; do not delete it: it may be evidence"
_ALLOW = "give this user the right to write the file and its folder"
_FIND_HOLDER = "find out which program holds the file, e.g. with `fuser`"
_FAULTS: Mapping[int, tuple[type[LedgerError], str]] = {
    sqlite3.SQLITE_FULL: (LedgerFullError, "free space on its disk; the watchdog goes on by itself"),
    sqlite3.SQLITE_IOERR: (
        LedgerBrokenError,
        "look at the disk and the kernel's log; then run `corrigibility-watchdog audit verify`",
    ),
    sqlite3.SQLITE_CORRUPT: (LedgerBrokenError, _RESTORE),
    sqlite3.SQLITE_NOTADB: (LedgerBrokenError, _RESTORE),
    sqlite3.SQLITE_READONLY_ROLLBACK: (
        LedgerStalledError,
        "its last writer was stopped in a commit: start the watchdog, or read a copy made with its `-journal` file",
    ),
    sqlite3.SQLITE_READONLY: (LedgerStalledError, _ALLOW),
    sqlite3.SQLITE_CANTOPEN: (LedgerStalledError, _ALLOW),
    sqlite3.SQLITE_BUSY: (LedgerStalledError, _FIND_HOLDER),
    sqlite3.SQLITE_LOCKED: (LedgerStalledError, _FIND_HOLDER),
}
_OTHER_FAULT = LedgerError, "run `corrigibility-watchdog audit verify` and look at the disk"


def wal_reset_fault(version: tuple[int, int, int]) -> bool:
    """Say whether this SQLite can corrupt a file in WAL mode that two connections write (sqlite.org/wal.html)."""
    major, minor, patch = version
    if (major, minor) in {(3, 44), (3, 50)}:
        return patch < {44: 6, 50: 7}[minor]
    return (3, 7, 0) <= version < (3, 51, 3)


def engine_name() -> str:
    """Say which SQLite writes the ledger, and how."""
    fault = ", WAL-reset fault avoided" if wal_reset_fault(sqlite3.sqlite_version_info) else ""
    return f"SQLite {sqlite3.sqlite_version}, journal DELETE, synchronous EXTRA{fault}"


def lock(path: Path) -> int:
    """Take the writer's lock of a ledger and return its file descriptor; closing it gives the lock back.

    Raises LedgerHeldError when another process holds it, LedgerError when the folder cannot be written.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise LedgerError(
            f"{path}: the ledger cannot be written: {exc.strerror}",
            hint=f"make {path.parent} a folder that this user can write to, or name another `ledger:`",
        ) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise LedgerHeldError(
            f"{path}: another watchdog is writing this ledger",
            hint=(
                "if it is the daemon, it runs rounds by itself (`corrigibility-watchdog status`) and must be stopped "
                "for this; reading (`incidents list`) goes on beside it"
            ),
        ) from exc
    return descriptor


def open_for_writing(path: Path) -> Engine:
    """Open or create the ledger, brought to this version's schema.

    Raises LedgerError when it is not a ledger, comes from a newer version, or cannot be written.
    """
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    engine = _engine(f"sqlite:///{path}", (*_CAREFUL, _PATIENT, _ERASING))
    event.listen(engine, "connect", lambda raw, _record: _make_durable(raw, path))
    try:
        with engine.begin() as connection:
            revisions.migrate(connection, path)
    except DatabaseError as exc:
        engine.dispose()
        raise unusable(path, exc) from exc
    except LedgerError:
        engine.dispose()
        raise
    return engine


def open_for_reading(path: Path) -> Engine:
    """Open an existing ledger so that nothing can be written through it.

    Raises LedgerError when there is none, it is not one, or it has another version's schema.
    """
    engine = _open_existing(path)
    with _looking_into(engine, path) as connection:
        revisions.require_current(connection, path)
    return engine


def standing(path: Path) -> str:
    """Return the schema's revision of an existing ledger, which may be an older one.

    Raises LedgerError when there is none, it is not one, or a newer version wrote it.
    """
    engine = _open_existing(path)
    with _looking_into(engine, path) as connection:
        revision = revisions.standing(connection, path)
    engine.dispose()
    return revision


def attach(raw: sqlite3.Connection, path: Path, name: str, *, writing: bool) -> None:
    """Attach an existing ledger to a connection, read-only, or so that what is committed to it is durable.

    Raises LedgerError when SQLite does not take the settings that durability rests on.
    """
    raw.execute(f"ATTACH ? AS {name}", (f"{path.absolute().as_uri()}?mode={'rw' if writing else 'ro'}",))
    raw.execute(_PATIENT)
    if writing:
        _make_durable(raw, path, name)


def unusable(path: Path, exc: DatabaseError) -> LedgerError:
    """Say what SQLite found wrong with the file, by the code of the fault, and what to do."""
    code: int = getattr(exc.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name, primary = getattr(exc.orig, "sqlite_errorname", ""), code & 0xFF
    if primary == sqlite3.SQLITE_CANTOPEN and not has_room(path.parent):
        primary = sqlite3.SQLITE_FULL  # there was no space for the journal
    kind, hint = _FAULTS.get(code) or _FAULTS.get(primary) or _OTHER_FAULT
    detail = f" ({name})" if primary == sqlite3.SQLITE_IOERR else ""
    return kind(f"{path}: {exc.orig}{detail}", hint=hint)


def has_room(folder: Path) -> bool:
    """Say whether another small file would fit on the disk of a folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail > 0 and (disk.f_favail > 0 or disk.f_files == 0)


def _make_durable(raw: sqlite3.Connection, path: Path, database: str = "main") -> None:
    """Set what the promises of the ledger rest on, and read it back: SQLite says nothing when it does not obey."""
    try:
        raw.execute(f"PRAGMA {database}.journal_mode=DELETE")
        raw.execute(f"PRAGMA {database}.synchronous=EXTRA")
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise LedgerError(
            f"{path}: the ledger is in WAL mode, and another program has it open",
            hint="close that program: it switched the mode; the next start brings the file back to one that is whole",
        ) from exc
    for name, wanted in _DURABLE.items():
        (found,) = raw.execute(f"PRAGMA {database}.{name}").fetchone()
        if str(found) != wanted:
            raise LedgerError(
                f"{path}: SQLite keeps {name} at {found}, where the ledger needs {wanted}",
                hint="use another build of SQLite, and a local disk; a ledger that may lose commits proves nothing",
            )


def _open_existing(path: Path) -> Engine:
    if not path.is_file():
        raise LedgerError(
            f"{path}: there is no ledger here",
            hint="check `ledger:` in the configuration; `corrigibility-watchdog once` or `baseline` creates it",
        )
    return _engine(f"sqlite:///file:{path}?mode=ro&uri=true", _CAREFUL)


@contextmanager
def _looking_into(engine: Engine, path: Path) -> Iterator[Connection]:
    """Read from a file that was just opened, and close it when it is not what it has to be."""
    try:
        with engine.connect() as connection:
            yield connection
    except DatabaseError as exc:
        engine.dispose()
        raise unusable(path, exc) from exc
    except LedgerError:
        engine.dispose()
        raise


def _engine(url: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _set_up(raw: sqlite3.Connection, _record: Any) -> None:
        # SQLite's own transactions: pysqlite's deferred BEGIN fails with SQLITE_BUSY when a read turns into a write.
        raw.isolation_level = None
        for pragma in pragmas:
            raw.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if "mode=ro" in url else "BEGIN IMMEDIATE")

    return engine
