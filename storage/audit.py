"""Recompute a ledger: the tree from the leaves, and every derived row from the leaves, and compare."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, create_engine, select

from storage import files, schema
from storage.codec import decode
from storage.fold import fold
from storage.merkle import Tree, tree_of
from watchdog.errors import LedgerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What recomputing a ledger showed."""

    leaves: int
    root: str
    """Merkle root of the leaves as they are now, in hex."""
    faults: tuple[str, ...]
    """Each thing that is wrong, with the leaf or the row it is wrong at; empty when the ledger is intact."""

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def audit(path: Path) -> Audit:
    """Recompute the ledger at `path` without writing to it.

    Raises LedgerError when it cannot be read at all.
    """
    engine = files.open_for_reading(path)
    try:
        with engine.connect() as connection:
            return _audit(connection)
    finally:
        engine.dispose()


def _audit(connection: Connection) -> Audit:
    rows = connection.execute(select(schema.leaf.c.idx, schema.leaf.c.body).order_by(schema.leaf.c.idx)).all()
    leaves = [row.body for row in rows]
    tree = tree_of(leaves)
    faults = [
        *_gaps([row.idx for row in rows]),
        *_head_faults(connection, tree),
        *_row_faults(connection, [(row.idx, row.body) for row in rows]),
    ]
    return Audit(leaves=len(leaves), root=tree.root.hex(), faults=tuple(faults))


def _gaps(indices: list[int]) -> list[str]:
    for expected, index in enumerate(indices):
        if index != expected:
            return [f"ALTERED: leaf {expected} is missing"]
    return []


def _head_faults(connection: Connection, tree: Tree) -> list[str]:
    head = connection.execute(select(schema.tree.c.size, schema.tree.c.root)).one_or_none()
    if head is None:
        return ["ALTERED: the head of the tree is missing"]
    if head.size > tree.size:
        return [f"TRUNCATED: the head covers {head.size} leaves, {tree.size} are left"]
    if head.size < tree.size:
        return [f"ALTERED: {tree.size - head.size} leaves were added behind the head"]
    if head.root != tree.root:
        return [f"ALTERED: the leaves do not give the root that the head names ({head.root.hex()})"]
    return []


def _row_faults(connection: Connection, leaves: list[tuple[int, bytes]]) -> list[str]:
    again = create_engine("sqlite://")
    try:
        try:
            _replay(again, leaves)
        except LedgerError as exc:
            return [f"ALTERED: {exc.problem}"]
        with again.connect() as expected:
            return [fault for table in schema.DERIVED for fault in _differences(connection, expected, table)]
    finally:
        again.dispose()


def _replay(engine: Engine, leaves: list[tuple[int, bytes]]) -> None:
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        for index, body in leaves:
            fold(connection, index, decode(body, index=index))


def _differences(actual: Connection, expected: Connection, table: Table) -> list[str]:
    found, wanted = _rows(actual, table), _rows(expected, table)
    faults = []
    for key in sorted(found.keys() | wanted.keys(), key=repr):
        where = f"row {' '.join(str(part) for part in key)} of table {table.name}"
        if key not in found:
            faults.append(f"ALTERED: {where} is missing")
        elif key not in wanted:
            faults.append(f"ALTERED: {where} has no leaf")
        elif found[key] != wanted[key]:
            columns = [name for name, value in wanted[key].items() if found[key][name] != value]
            faults.append(f"ALTERED: {where} differs from its leaf in {', '.join(columns)}")
    return faults


def _rows(connection: Connection, table: Table) -> dict[tuple[object, ...], dict[str, object]]:
    keys = [column.name for column in table.primary_key]
    rows = connection.execute(select(table)).mappings()
    return {tuple(row[key] for key in keys): dict(row) for row in rows}
