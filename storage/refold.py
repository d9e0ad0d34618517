"""A second fold of a ledger's leaves, beside the ledger, and what its rows differ in."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Delete, MetaData, Table, Update, create_engine, event, except_, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from storage import files, schema
from storage.fold import fold
from watchdog.domain.decisions import Decision
from watchdog.domain.text import printable

_AUDITED = MetaData()
AUDITED = {table.name: table.to_metadata(_AUDITED, schema="audited") for table in schema.metadata.sorted_tables}
"""The tables of the ledger that is audited; the tables of `schema` are the ones folded again."""

_MOST_ROWS = 1000
"""How many differences of one table are told; who altered more has been found out."""


@contextmanager
def beside(path: Path, *, writing: bool = False) -> Iterator[Connection]:
    """Open an empty scratch ledger, in memory and then on disk as it grows, with the one at `path` beside it.

    The latter can be changed only when `writing`; then the caller holds its writer's lock.
    Raises LedgerError when there is no ledger at `path`, or it has another version's schema.
    """
    files.open_for_reading(path).dispose()

    def connect() -> sqlite3.Connection:
        raw = sqlite3.connect("", uri=True, isolation_level=None, check_same_thread=False)
        for pragma in ("trusted_schema=OFF", "foreign_keys=ON", "cache_size=-65536"):
            raw.execute(f"PRAGMA {pragma}")
        files.attach(raw, path, "audited", writing=writing)
        return raw

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        schema.metadata.create_all(engine)
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def refold(connection: Connection, decisions: Sequence[tuple[int, Decision]]) -> list[str]:
    """Fold decisions into the scratch ledger; say which one does not fit what came before it, if one does not."""
    together = _Together()
    try:
        with connection.begin_nested():
            for index, decision in decisions:
                fold(together, index, decision)
            together.run(connection)
    except DatabaseError:
        return _misfit(connection, decisions)
    return []


def differences(connection: Connection, *, without: Collection[str] = ()) -> list[str]:
    """Compare every derived row with the one folded again, and name the rows and columns that differ.

    Tables `without` comparison are those that are not what they have to be.
    """
    tables = [table for table in schema.DERIVED if table.name not in without]
    return [fault for table in tables for fault in (*_differences(connection, table), *_lies(connection, table))]


def replace_rows(connection: Connection, table: Table) -> int:
    """Put the rows that were folded again into an empty table of the ledger beside; return how many there are."""
    again = select(table).order_by(*table.primary_key)
    put = insert(AUDITED[table.name]).from_select([column.name for column in table.columns], again)
    return connection.execute(put).rowcount


@dataclass(slots=True)
class _Together:
    """Holds statements back and runs those of a table together, in their order. Satisfies `fold.Writer`.

    No derived table depends on another, so that only the order within each of them matters.
    """

    waiting: dict[Table, list[tuple[Insert | Update | Delete, list[dict[str, object]]]]] = field(default_factory=dict)

    def execute(self, statement: Insert | Update | Delete, parameters: dict[str, object] | None = None, /) -> None:
        runs = self.waiting.setdefault(cast("Table", statement.table), [])
        if parameters is None or not runs or runs[-1][0] is not statement:
            runs.append((statement, []))
        if parameters is not None:
            runs[-1][1].append(parameters)

    def run(self, connection: Connection) -> None:
        for runs in self.waiting.values():
            for statement, rows in runs:
                connection.execute(statement, rows or None)


def _misfit(connection: Connection, decisions: Sequence[tuple[int, Decision]]) -> list[str]:
    for index, decision in decisions:
        try:
            fold(connection, index, decision)
        except DatabaseError as exc:
            return [f"ALTERED: leaf {index} cannot follow the ones before it ({exc.orig}); rows not compared"]
    return ["ALTERED: the leaves do not fold into rows; rows not compared"]


def _differences(connection: Connection, table: Table) -> list[str]:
    wanted = _only_in(connection, table, AUDITED[table.name])
    found = _only_in(connection, AUDITED[table.name], table)
    faults = []
    for key in sorted(found.keys() | wanted.keys(), key=repr):
        where = f"row {printable(' '.join(str(part) for part in key))} of table {table.name}"
        if key not in found:
            faults.append(f"ALTERED: {where} is missing")
        elif key not in wanted:
            faults.append(f"ALTERED: {where} has no leaf")
        else:
            columns = [name for name, value in wanted[key].items() if found[key][name] != value]
            faults.append(f"ALTERED: {where} differs from its leaf in {', '.join(columns)}")
    return faults


def _lies(connection: Connection, table: Table) -> list[str]:
    """Say where an index of a table leaves out rows that are there, or the table itself is not whole."""
    said = connection.exec_driver_sql(f"PRAGMA audited.integrity_check('{table.name}')").scalars().all()
    return [f"ALTERED: table {table.name}: {printable(str(it))}" for it in said if it != "ok"]


def _only_in(connection: Connection, one: Table, other: Table) -> dict[tuple[object, ...], dict[str, object]]:
    keys = [column.name for column in one.primary_key]
    rows = connection.exec_driver_sql(_only_in_one(one, other)).mappings()
    return {tuple(row[key] for key in keys): dict(row) for row in rows}


@cache
def _only_in_one(one: Table, other: Table) -> str:
    """Return the query for rows that only one table has; kept, because making it takes longer than running it."""
    query = except_(select(one), select(other)).order_by(*(column.name for column in one.primary_key))
    return str(query.limit(_MOST_ROWS).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
