"""Exhibits in a ledger: bodies beside the leaves that name them, each once, and what an audit finds wrong with them."""

import zlib
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Row, Table, except_, select
from sqlalchemy.dialects.sqlite import Insert, insert

from storage import schema
from watchdog.domain.decisions import Compared, Decision, Judged
from watchdog.domain.exhibits import Exhibit
from watchdog.domain.text import printable
from watchdog.errors import LedgerError

_LEVEL = 9
_AT_ONCE = 500
"""Bodies asked for in one query; SQLite takes no more than 999 values in the oldest builds."""
_MOST_FAULTS = 1000
"""How many of one kind are told; who altered more has been found out."""


def exhibit_of(decision: Decision) -> Exhibit | None:
    """Return the exhibit that a decision names, if it names one."""
    return decision.exhibit if isinstance(decision, Compared | Judged) else None


def keep(connection: Connection, index: int, decision: Decision) -> None:
    """Store the body of a decision's exhibit, unless the ledger has it.

    Raises LedgerError when the decision came without it: a leaf must not name what nobody has.
    """
    exhibit = exhibit_of(decision)
    if exhibit is None:
        return
    if exhibit.body is not None:
        connection.execute(_once(), _row(index, exhibit, zlib.compress(exhibit.body, _LEVEL)))
    elif body_of(connection, exhibit) is None:
        raise LedgerError(
            f"a decision names the exhibit {exhibit.digest}, and came without it",
            hint="this is a fault of the program, not of your data: please report it with the message above",
        )


def note(connection: Connection, decisions: Iterable[tuple[int, Decision]]) -> None:
    """Write which exhibits the leaves name into a scratch ledger, without bodies."""
    rows = [_row(index, it, b"") for index, decision in decisions if (it := exhibit_of(decision)) is not None]
    if rows:
        connection.execute(_once(), rows)


def body_of(connection: Connection, exhibit: Exhibit, table: Table = schema.exhibit) -> bytes | None:
    """Return the body of an exhibit, whatever it may have become; None when the ledger does not have it."""
    stored = connection.scalar(select(table.c.body).where(table.c.digest == exhibit.digest))
    return None if stored is None else _inflated(stored, exhibit.size)


def body_faults(connection: Connection, table: Table, decisions: Sequence[tuple[int, Decision]]) -> list[str]:
    """Hold the bodies of the exhibits that these leaves name against their digests; missing ones are told elsewhere."""
    named = {it.digest: (index, it) for index, decision in decisions if (it := exhibit_of(decision)) is not None}
    faults, digests = [], list(named)
    for start in range(0, len(digests), _AT_ONCE):
        query = select(table.c.digest, table.c.body).where(table.c.digest.in_(digests[start : start + _AT_ONCE]))
        for digest, stored in connection.execute(query):
            index, exhibit = named[digest]
            if not exhibit.names(_inflated(stored, exhibit.size)):
                faults.append(f"ALTERED: exhibit {digest} of leaf {index} is not what the leaf names")
    return faults


def naming_faults(connection: Connection, audited: Table) -> list[str]:
    """Hold the list of exhibits against what the leaves name: none may be missing, and none may be there beside."""
    named, found = _only_in(connection, schema.exhibit, audited), _only_in(connection, audited, schema.exhibit)
    faults = []
    for digest in sorted(named.keys() | found.keys()):
        if digest not in found:
            faults.append(f"MISSING: exhibit {digest} of leaf {named[digest].leaf}")
        elif digest not in named:
            faults.append(f"ALTERED: exhibit {printable(digest)} is named by no leaf")
        else:
            faults.append(f"ALTERED: exhibit {digest} has another size or leaf than it had")
    return faults


def _only_in(connection: Connection, one: Table, other: Table) -> dict[str, "Row[tuple[str, int, int]]"]:
    """Return what one table lists and the other does not; bodies are left out, because they are looked at before."""
    mine, others = (select(it.c.digest, it.c.size, it.c.leaf) for it in (one, other))
    query = except_(mine, others).order_by("digest").limit(_MOST_FAULTS)
    return {str(row.digest): row for row in connection.execute(query)}


def _once() -> Insert:
    return insert(schema.exhibit).on_conflict_do_nothing()


def _row(index: int, exhibit: Exhibit, body: bytes) -> dict[str, object]:
    return {"digest": exhibit.digest, "size": exhibit.size, "leaf": index, "body": body}


def _inflated(stored: bytes, size: int) -> bytes:
    """Undo the compression, but no further than one byte beyond the size: a file may come from an enemy."""
    try:
        return zlib.decompressobj().decompress(stored, max(size, 0) + 1)
    except zlib.error:
        return b""
