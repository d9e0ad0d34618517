"""The ledger: one SQLite file that is the record."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection, Table, func, insert, select, update
from sqlalchemy.exc import DatabaseError

from storage import files, schema
from storage.checkpoint import Checkpoint, sign_checkpoint
from storage.codec import decode_as, encode, instant, read_instant
from storage.fold import fold
from storage.merkle import Tree, leaf_hash
from storage.note import SigningKey
from watchdog.domain.decisions import Decision, Enrolled, IncidentChanged, KeyAdopted, SightChanged, Weighed
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.incidents import Incident, IncidentState
from watchdog.domain.notices import Due, Notice
from watchdog.domain.sight import Sight

_D = TypeVar("_D")


class SqliteLedger:
    """The record in one SQLite file, held by one writer. Satisfies `ports.Ledger`.

    Any thread may use it. Threads take turns here rather than in SQLite, whose waiting is polling and gives up.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the ledger at `path`.

        Raises LedgerError when another writer holds it, or the file cannot be used.
        """
        self.path = path
        self._signer: SigningKey | None = None
        self._turn = threading.RLock()
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
            with self._turn, self._engine.begin() as connection:
                transaction = SqliteTransaction(connection, self._signer)
                yield transaction
                transaction.write_head()
        except DatabaseError as exc:
            raise files.unusable(self.path, exc) from exc

    def sign_with(self, key: SigningKey) -> None:
        """Sign the head of every commit from now on. `storage.signing` decides with which key."""
        self._signer = key

    def adopted_key(self) -> KeyAdopted | None:
        """Return the newest adoption of a signing key; None when the ledger was never signed."""
        query = (
            select(schema.leaf.c.idx, schema.leaf.c.body)
            .join(schema.signing_key, schema.signing_key.c.leaf == schema.leaf.c.idx)
            .order_by(schema.leaf.c.idx.desc())
            .limit(1)
        )
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else decode_as(KeyAdopted, row.body, index=row.idx)

    def checkpoint(self) -> str | None:
        """Return the newest signed checkpoint; None when the last commit was not signed."""
        with self._reading() as connection:
            return connection.scalar(select(schema.tree.c.checkpoint))

    def baseline(self, rule: str, subject: str) -> Baseline | None:
        """Return the newest enrolment of a stream."""
        found = self._newest(Enrolled, schema.baseline, rule, subject)
        return None if found is None else found.baseline

    def stream(self, rule: str, subject: str) -> Stream:
        """Return the evidence of a stream as last weighed."""
        found = self._newest(Weighed, schema.stream, rule, subject)
        return Stream(rule=rule, subject=subject) if found is None else found.stream

    def sight(self, rule: str, subject: str) -> Sight:
        """Return how well a subject can be looked at."""
        found = self._newest(SightChanged, schema.sight, rule, subject)
        return Sight(rule=rule, subject=subject) if found is None else found.sight

    def offline(self) -> frozenset[str]:
        """Return the subjects that no endpoint could be reached for in their last round."""
        query = select(schema.sight.c.subject).where(schema.sight.c.offline == 1)
        with self._reading() as connection:
            return frozenset(connection.scalars(query))

    def tokens_spent(self, target: str, day: date) -> int:
        """Return what the rounds on a target that began on a UTC day cost."""
        began = datetime.combine(day, time(), UTC)
        query = select(func.coalesce(func.sum(schema.round_.c.tokens), 0)).where(
            schema.round_.c.target == target,
            schema.round_.c.started_at >= instant(began),
            schema.round_.c.started_at < instant(began + timedelta(days=1)),
        )
        with self._reading() as connection:
            return int(connection.scalar(query) or 0)

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
        with self._reading() as connection:
            rows = connection.execute(query).all()
            checkpoint = connection.scalar(select(schema.tree.c.checkpoint))
        waiting = []
        for row in rows:
            changed = decode_as(IncidentChanged, row.body, index=row.idx)
            notice = Notice(id=row.notice_id, notifier=row.notifier, event=changed.event, checkpoint=checkpoint)
            waiting.append(Due(notice=notice, attempts=row.attempts, queued_at=read_instant(row.queued_at)))
        return waiting

    def next_due(self) -> datetime | None:
        """Return when the next waiting notice is due."""
        query = select(func.min(schema.outbox.c.next_at)).where(schema.outbox.c.state == "waiting")
        with self._reading() as connection:
            at = connection.scalar(query)
        return None if at is None else read_instant(at)

    def close(self) -> None:
        """Let go of the file and the writer's lock."""
        with self._turn:
            self._engine.dispose()
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._turn, self._engine.connect() as connection:
                yield connection
        except DatabaseError as exc:
            raise files.unusable(self.path, exc) from exc

    def _newest(self, kind: type[_D], table: Table, rule: str, subject: str) -> _D | None:
        query = (
            select(schema.leaf.c.idx, schema.leaf.c.body)
            .join(table, table.c.leaf == schema.leaf.c.idx)
            .where(table.c.rule == rule, table.c.subject == subject)
        )
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else decode_as(kind, row.body, index=row.idx)


class SqliteTransaction:
    """An open write transaction. Satisfies `ports.LedgerTransaction`."""

    def __init__(self, connection: Connection, signer: SigningKey | None) -> None:
        """Continue the tree where the ledger's head says it stands; sign the head it comes to, if there is a key."""
        self._connection = connection
        self._signer = signer
        head = connection.execute(select(schema.tree.c.size, schema.tree.c.peaks)).one()
        peaks = tuple(head.peaks[at : at + 32] for at in range(0, len(head.peaks), 32))
        self._tree = Tree(head.size, peaks)

    def append(self, decision: Decision) -> int:
        """Add one leaf and fold it into the rows."""
        index, body = self._tree.size, encode(decision)
        self._connection.execute(insert(schema.leaf).values(idx=index, body=body, hash=leaf_hash(body)))
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
        size, root, signer = self._tree.size, self._tree.root, self._signer
        # An unsigned commit has no checkpoint: an old one would pass for the newest.
        signed = None if signer is None else sign_checkpoint(Checkpoint(signer.name, size, root), signer)
        values = {"size": size, "peaks": b"".join(self._tree.peaks), "root": root, "checkpoint": signed}
        self._connection.execute(update(schema.tree).values(values))
