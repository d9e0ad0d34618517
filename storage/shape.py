"""The tables, indexes, views and triggers of a ledger: as this version's migrations make them, and as a file has them.

Rows are only as true as the tables they are asked from: a view whose query was exchanged, or an index that leaves rows
out, would deceive a reader of rows that are all as they were.
"""

import re
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, create_engine

from storage import revisions, schema
from watchdog.domain.text import printable

_DERIVED = frozenset(table.name for table in schema.DERIVED)


@dataclass(frozen=True, slots=True)
class Piece:
    """A table, index, view or trigger, as SQLite lists it."""

    kind: str
    name: str
    sql: str
    """The statement that made it."""

    @property
    def folded(self) -> bool:
        """Whether it can be made again from the leaves."""
        return self.kind != "table" or self.name in _DERIVED

    def create(self, database: str) -> str:
        """Return the statement that makes it in an attached database."""
        return re.sub(r"^(CREATE (?:UNIQUE )?[A-Z]+) ", rf"\1 {database}.", self.sql, count=1)

    def drop(self, database: str) -> str:
        """Return the statement that takes it away from an attached database."""
        name = self.name.replace('"', '""')
        return f'DROP {self.kind.upper()} {database}."{name}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfits:
    """How the pieces of a file differ from those of this version."""

    altered: tuple[Piece, ...] = ()
    """What is missing, or is another; as it has to be."""
    strange: tuple[Piece, ...] = ()
    """What does not belong to a ledger."""

    @property
    def record(self) -> list[str]:
        """What is wrong with the tables that nothing can be folded without."""
        return [_altered(it) for it in self.altered if not it.folded]

    @property
    def rest(self) -> list[str]:
        """What else is wrong."""
        return [
            *(_altered(it) for it in self.altered if it.folded),
            *(f"ALTERED: {it.kind} {printable(it.name, 100)} does not belong to a ledger" for it in self.strange),
        ]


@cache
def wanted() -> tuple[Piece, ...]:
    """Return the pieces that this version's migrations make."""
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            revisions.make(connection)
            return pieces(connection, "main")
    finally:
        engine.dispose()


def pieces(connection: Connection, database: str) -> tuple[Piece, ...]:
    """Return the pieces of an attached database.

    Left out are the indexes that SQLite makes by itself, which go with their table, and the statistics of ANALYZE.
    """
    listed = f"SELECT type, name, sql FROM {database}.sqlite_master"  # noqa: S608 - a name of our own
    rows = connection.exec_driver_sql(f"{listed} WHERE sql IS NOT NULL ORDER BY rowid").all()
    return tuple(Piece(*row) for row in rows if not str(row.name).startswith("sqlite_stat"))


def misfits(connection: Connection, database: str) -> Misfits:
    """Hold the pieces of an attached database against those of this version."""
    found, right = ({(it.kind, it.name): it for it in these} for these in (pieces(connection, database), wanted()))
    return Misfits(
        altered=tuple(it for key, it in right.items() if key not in found or not _same(found[key], it)),
        strange=tuple(it for key, it in found.items() if key not in right),
    )


def _same(found: Piece, right: Piece) -> bool:
    # Alembic makes its own table, in the words of whichever version made the ledger.
    return found.sql == right.sql or right.name == "alembic_version"


def _altered(piece: Piece) -> str:
    return f"ALTERED: {piece.name} is not the {piece.kind} it was"
