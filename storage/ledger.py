"""The ledger: one SQLite file that is the record."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection, Table, func, insert, select, update
from sqlalchemy.exc import DatabaseError

from storage import files, schema
from storage.codec import decode_as, encode, instant, read_instant
from storage.fold import fold
from storage.merkle import Tree
from watchdog.domain.decisions import Decision, Enrolled, IncidentChanged, Weighed
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.incidents import Incident, IncidentState
from watchdog.domain.notices import Due, Notice

_D = TypeVar("_D")


class SqliteLedger:
    """The record in one SQLite file, held by one writer. Satisfies `ports.Ledger`."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger at `path`.

        Raises LedgerError when another writer holds it, or the file cannot be used.
        """
        self.path = path
        self._lock = files.lock(path)
        try:
            self._engine = files.open_for_writing(path)
        except BaseException:
            os.close(self._lock)
            raise

    @contextmanager
    def transaction(self) -> Iterator["SqliteTransaction"]:
        """Begin; commits at the end of the block, or leaves no trace when the block raises."""
        try:
            with self._engine.begin() as connection:
                transaction = SqliteTransaction(connection)
                yield transaction
                transaction.write_head()
        except DatabaseError as exc:
            raise files.unusable(self.path, exc) from exc

    def baseline(self, rule: str, subject: str) -> Baseline | None:
        """Return the newest enrolment of a stream."""
        found = self._newest(Enrolled, schema.baseline, rule, subject)
        return None if found is None else found.baseline

    def stream(self, rule: str, subject: str) -> Stream:
        """Return the evidence of a stream as last weighed."""
        found = self._newest(Weighed, schema.stream, rule, subject)
        return Stream(rule=rule, subject=subject) if found is None else found.stream

    def due(self, now: datetime, limit: int) -> list[Due]:
        """Return notices whose time has come, oldest first."""
        box, step, leaf = schema.outbox, schema.incident_event, schema.leaf
        query = (
            select(box.c.notice_id, box.c.notifier, box.c.attempts, box.c.queued_at, leaf.c.idx, leaf.c.body)
            .join(step, step.c.id == box.c.event_id)
            .join(leaf, leaf.c.idx == step.c.leaf)
            .where(box.c.state == "waiting", box.c.next_at <= instant(now))
            .order_by(box.c.next_at, leaf.c.idx)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        waiting = []
        for row in rows:
            changed = decode_as(IncidentChanged, row.body, index=row.idx)
            notice = Notice(id=row.notice_id, notifier=row.notifier, event=changed.event)
            waiting.append(Due(notice=notice, attempts=row.attempts, queued_at=read_instant(row.queued_at)))
        return waiting

    def next_due(self) -> datetime | None:
        """Return when the next waiting notice is due."""
        query = select(func.min(schema.outbox.c.next_at)).where(schema.outbox.c.state == "waiting")
        with self._engine.connect() as connection:
            at = connection.scalar(query)
        return None if at is None else read_instant(at)

    def close(self) -> None:
        """Let go of the file and the writer's lock."""
        self._engine.dispose()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _newest(self, kind: type[_D], table: Table, rule: str, subject: str) -> _D | None:
        query = (
            select(schema.leaf.c.idx, schema.leaf.c.body)
            .join(table, table.c.leaf == schema.leaf.c.idx)
            .where(table.c.rule == rule, table.c.subject == subject)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else decode_as(kind, row.body, index=row.idx)


class SqliteTransaction:
    """An open write transaction. Satisfies `ports.LedgerTransaction`."""

    def __init__(self, connection: Connection) -> None:
        """Continue the tree where the ledger's head says it stands."""
        self._connection = connection
        head = connection.execute(select(schema.tree.c.size, schema.tree.c.peaks)).one()
        peaks = tuple(head.peaks[at : at + 32] for at in range(0, len(head.peaks), 32))
        self._tree = Tree(head.size, peaks)

    def append(self, decision: Decision) -> int:
        """Add one leaf and fold it into the rows."""
        index, body = self._tree.size, encode(decision)
        self._connection.execute(insert(schema.leaf).values(idx=index, body=body))
        fold(self._connection, index, decision)
        self._tree = self._tree.grow(body)
        return index

    def open_incident(self, fingerprint: str) -> Incident | None:
        """Return the open incident of a fingerprint."""
        query = (
            select(schema.leaf.c.idx, schema.leaf.c.body)
            .join(schema.incident, schema.incident.c.leaf == schema.leaf.c.idx)
            .where(schema.incident.c.fingerprint == fingerprint, schema.incident.c.state == IncidentState.OPEN)
        )
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return decode_as(IncidentChanged, row.body, index=row.idx).event.incident

    def write_head(self) -> None:
        """Store the tree's new head; the last write of every transaction."""
        values = {"size": self._tree.size, "peaks": b"".join(self._tree.peaks), "root": self._tree.root}
        self._connection.execute(update(schema.tree).values(values))
