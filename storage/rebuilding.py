"""Make everything that is derived again: rows, tables, indexes and views, from the leaves and this version's schema."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from storage import files, revisions, schema
from storage.audit import Audit, audit_beside
from storage.refold import beside, replace_rows
from storage.shape import Piece, misfits, pieces, wanted
from watchdog.errors import LedgerError

_DROPPED_FIRST = ("trigger", "view", "index", "table")
"""A trigger must not see what follows, and an index goes with its table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What making the rows again came to."""

    leaves: int
    rows: int
    differed: tuple[str, ...]
    """What was not as the leaves say, and is now; empty when the rows are the same as before."""
    left: tuple[str, ...]
    """What is wrong and was left: tables of somebody else, and exhibits, which no leaf can replace."""


def rebuild(path: Path, *, progress: Callable[[int], None] = lambda _: None) -> Rebuilt:
    """Fold every leaf again, and put the result in the place of all that is derived, in one transaction.

    The ledger's own word is taken for its keys: who has to know them is an auditor.
    Raises LedgerError when the leaves are not those that the head was signed over, when a watchdog holds the ledger, or
    when it cannot be written; then nothing has changed.
    """
    files.standing(path)
    held = files.lock(path)
    try:
        with beside(path, writing=True) as connection:
            found = audit_beside(connection, keys=None, progress=progress)
            _require_record(path, found)
            rows = _remake(connection)
            left = misfits(connection, "audited").rest
            connection.commit()
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        os.close(held)
    return Rebuilt(leaves=found.leaves, rows=rows, differed=found.derived, left=(*left, *found.exhibits))


def upgrade(path: Path) -> tuple[str, str]:
    """Bring a ledger to this version's schema; return the revision it had, and the one it has.

    Raises LedgerError when there is no ledger, it comes from a newer version, or cannot be written.
    """
    before = files.standing(path)
    held = files.lock(path)
    try:
        files.open_for_writing(path).dispose()
    finally:
        os.close(held)
    return before, revisions.head()


def _require_record(path: Path, found: Audit) -> None:
    """Refuse to make rows from leaves that are not the ones that were signed: they would be believed."""
    faults = [it for it in found.faults if it not in found.derived and it not in found.exhibits]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise LedgerError(
            f"{path}: the leaves are not what was recorded, so nothing was made from them: {faults[0]}{more}",
            hint="run `corrigibility-watchdog audit verify`, keep the file as evidence, and restore a backup",
        )


def _remake(connection: Connection) -> int:
    """Drop and make again all that is derived, and what does not belong but tables; return how many rows there are."""
    remade = [it for it in wanted() if it.folded]
    ours = {it.name for it in remade}
    for kind in _DROPPED_FIRST:
        for piece in pieces(connection, "audited"):
            if piece.kind == kind and (kind != "table" or piece.name in ours):
                connection.exec_driver_sql(piece.drop("audited"))
    _create(connection, [it for it in remade if it.kind == "table"])
    rows = sum(replace_rows(connection, table) for table in schema.DERIVED)
    _create(connection, [it for it in remade if it.kind != "table"])
    return rows


def _create(connection: Connection, these: Sequence[Piece]) -> None:
    for piece in these:
        connection.exec_driver_sql(piece.create("audited"))
