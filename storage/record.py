"""What recomputing a decision reads of a ledger: the leaves themselves, in order, and their exhibits."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import rfc8785
from sqlalchemy import ColumnElement, Engine, func, literal, or_, select, union_all
from sqlalchemy.exc import DatabaseError

from storage import exhibits, files, schema
from storage.codec import decode
from watchdog.domain.decisions import Compared, Decision, IncidentChanged, Judged
from watchdog.domain.exhibits import Exhibit
from watchdog.domain.text import printable
from watchdog.errors import LedgerError

_BATCH = 5000
"""Leaves read at once; between two batches a daemon can write."""
_MOST_NAMED = 5


class SqliteRecord:
    """Reads leaves and exhibits without being able to change them. Satisfies `ports.Record`."""

    def __init__(self, engine: Engine) -> None:
        """Read through an engine that `open_record` made."""
        self._engine = engine

    def found(self, id_prefix: str) -> tuple[int, Compared | Judged | IncidentChanged]:
        """Return the comparison, the verdict, or the newest step of the incident of this id, and its leaf."""
        index = self._leaf_of(id_prefix)
        with self._engine.connect() as connection:
            body = connection.scalar(select(schema.leaf.c.body).where(schema.leaf.c.idx == index))
        decision = None if body is None else decode(body, index=index)
        if not isinstance(decision, Compared | Judged | IncidentChanged):
            raise LedgerError(
                f"leaf {index} is not what a row says it is",
                hint="a row was altered: run `corrigibility-watchdog audit verify`",
            )
        return index, decision

    def exhibit(self, exhibit: Exhibit) -> bytes | None:
        """Return the body of an exhibit as it is stored, unchecked."""
        with self._engine.connect() as connection:
            return exhibits.body_of(connection, exhibit)

    def history(self, kinds: Collection[str], *, naming: Collection[str], until: int) -> Iterator[tuple[int, Decision]]:
        """Yield decisions of these kinds before a leaf in which one of the names stands, oldest first."""
        leaf, after = schema.leaf, -1
        # In canonical JSON a value has one spelling, so that most leaves need not be decoded to be passed over.
        kind = or_(*(_holds(b'"kind":' + rfc8785.dumps(it)) for it in kinds))
        name = or_(*(_holds(b":" + rfc8785.dumps(it)) for it in naming))
        while True:
            query = (
                select(leaf.c.idx, leaf.c.body)
                .where(leaf.c.idx > after, leaf.c.idx < until, kind, name)
                .order_by(leaf.c.idx)
                .limit(_BATCH)
            )
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            for index, body in rows:
                decision = decode(body, index=index)
                if decision.kind in kinds:
                    yield index, decision
            if len(rows) < _BATCH:
                return
            after = rows[-1].idx

    def _leaf_of(self, id_prefix: str) -> int:
        tables = (schema.comparison, schema.verdict, schema.incident)
        query = union_all(
            *(select(it.c.id, it.c.leaf).where(func.substr(it.c.id, 1, len(id_prefix)) == id_prefix) for it in tables)
        )
        # Ids are ASCII. Of anything else SQLite may not even be asked: a lone surrogate has no bytes.
        with self._engine.connect() as connection:
            askable = id_prefix and id_prefix.isascii()
            rows = connection.execute(query.limit(_MOST_NAMED + 1)).all() if askable else []
        if len(rows) == 1:
            return int(rows[0].leaf)
        if not rows:
            raise LedgerError(
                f"no comparison, verdict or incident has an id that begins with {id_prefix!r}",
                hint="`corrigibility-watchdog incidents list` and `incidents show ID --json` show the ids",
            )
        raise LedgerError(
            f"several things have an id that begins with {id_prefix!r}",
            hint="give more of the id: " + ", ".join(printable(str(it.id)) for it in rows[:_MOST_NAMED]),
        )


@contextmanager
def open_record(path: Path) -> Iterator[SqliteRecord]:
    """Open a ledger to recompute what is in it; a daemon may go on writing it meanwhile.

    Raises LedgerError when there is no ledger, or it has another version's schema, and when a read in the block fails.
    """
    engine = files.open_for_reading(path)
    try:
        yield SqliteRecord(engine)
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        engine.dispose()


def _holds(part: bytes) -> ColumnElement[bool]:
    return func.instr(schema.leaf.c.body, literal(part)) > 0
