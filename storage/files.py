"""Opening a ledger file: one writer, durable settings, the schema of this version."""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from watchdog.errors import LedgerError

# DELETE with EXTRA is durable on every SQLite. WAL is not used: before 3.51.3 two connections that write and
# checkpoint at once can corrupt the file (sqlite.org/wal.html#walresetbug), and the ledger writes a few times a minute.
_DURABLE = ("PRAGMA journal_mode=DELETE", "PRAGMA synchronous=EXTRA")
# A reader, such as a long audit, holds up a commit while it reads; a daemon rather waits than loses a round.
_PATIENT = "PRAGMA busy_timeout=30000"
_CAREFUL = ("PRAGMA busy_timeout=5000", "PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF")


def lock(path: Path) -> int:
    """Take the writer's lock of a ledger and return its file descriptor; closing it gives the lock back.

    Raises LedgerError when another process holds it, or the folder cannot be written.
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
        raise LedgerError(
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
    engine = _engine(f"sqlite:///{path}", (*_CAREFUL, _PATIENT, *_DURABLE))
    try:
        with engine.begin() as connection:
            _migrate(connection, path)
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
    if not path.is_file():
        raise LedgerError(
            f"{path}: there is no ledger here",
            hint="check `ledger:` in the configuration; `corrigibility-watchdog once` or `baseline` creates it",
        )
    engine = _engine(f"sqlite:///file:{path}?mode=ro&uri=true", _CAREFUL)
    try:
        with engine.connect() as connection:
            _require_current(connection, path)
    except DatabaseError as exc:
        engine.dispose()
        raise unusable(path, exc) from exc
    except LedgerError:
        engine.dispose()
        raise
    return engine


def unusable(path: Path, exc: DatabaseError) -> LedgerError:
    """Say what SQLite found wrong with the file, and what to do."""
    said = str(exc.orig)
    if "not a database" in said or "malformed" in said:
        hint = "move the file away and restore a backup; do not delete it: it may be evidence"
    elif "full" in said:
        hint = "free space on its disk; the watchdog goes on by itself"
    elif "readonly" in said:
        hint = "give this user the right to write the file and its folder"
    else:
        hint = "run `corrigibility-watchdog audit verify` and look at the disk"
    return LedgerError(f"{path}: {said}", hint=hint)


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


def _scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _migrate(connection: Connection, path: Path) -> None:
    scripts = ScriptDirectory.from_config(_scripts())
    revision = _revision(connection)
    if revision == scripts.get_current_head():
        return
    if revision is not None and revision not in {script.revision for script in scripts.walk_revisions()}:
        raise _newer(path, revision)
    config = _scripts()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _require_current(connection: Connection, path: Path) -> None:
    scripts = ScriptDirectory.from_config(_scripts())
    revision = _revision(connection)
    if revision == scripts.get_current_head():
        return
    if revision is None:
        raise LedgerError(f"{path}: this is not a ledger", hint="check `ledger:` in the configuration")
    if revision in {script.revision for script in scripts.walk_revisions()}:
        raise LedgerError(
            f"{path}: the ledger has the schema of an older version ({revision})",
            hint="open it once with a command that writes, e.g. `corrigibility-watchdog once`, to bring it up to date",
        )
    raise _newer(path, revision)


def _newer(path: Path, revision: str) -> LedgerError:
    return LedgerError(
        f"{path}: a newer version of the watchdog wrote this ledger (schema {revision})",
        hint="upgrade corrigibility-watchdog; this version does not touch what it may not understand",
    )
