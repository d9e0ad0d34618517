"""The schema's revisions: which one a ledger has, and the way to this version's."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from watchdog.errors import LedgerError


@cache
def head() -> str:
    """Return the revision of this version."""
    return str(ScriptDirectory.from_config(_scripts()).get_current_head())


@cache
def known() -> tuple[str, ...]:
    """Return every revision that this version can bring up to date, oldest first."""
    scripts = ScriptDirectory.from_config(_scripts())
    return tuple(reversed([it.revision for it in scripts.walk_revisions()]))


def make(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision, without committing them."""
    config = _scripts()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def migrate(connection: Connection, path: Path) -> None:
    """Bring a new or an older ledger to this version's schema.

    Raises LedgerError when a newer version wrote it, or when it is another program's database.
    """
    revision = _revision(connection)
    if revision == head():
        return
    if revision is None and inspect(connection).get_table_names():
        raise _stranger(path)
    if revision not in {None, *known()}:
        raise _newer(path, revision)
    make(connection)


def standing(connection: Connection, path: Path) -> str:
    """Return the revision of a ledger.

    Raises LedgerError when it is not a ledger, or when a newer version wrote it.
    """
    revision = _revision(connection)
    if revision is None:
        raise _stranger(path)
    if revision not in known():
        raise _newer(path, revision)
    return revision


def require_current(connection: Connection, path: Path) -> None:
    """Raise LedgerError unless the ledger has this version's schema."""
    revision = standing(connection, path)
    if revision != head():
        raise LedgerError(
            f"{path}: the ledger has the schema of an older version ({revision})",
            hint="bring it up to date: `corrigibility-watchdog db upgrade`",
        )


def _scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _stranger(path: Path) -> LedgerError:
    return LedgerError(f"{path}: this is not a ledger", hint="check `ledger:` in the configuration")


def _newer(path: Path, revision: str | None) -> LedgerError:
    return LedgerError(
        f"{path}: a newer version of the watchdog wrote this ledger (schema {revision})",
        hint="upgrade corrigibility-watchdog; this version does not touch what it may not understand",
    )
