"""The ledger: one SQLite file that is the record."""

import os
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection, Table, func, insert, select, update
from sqlalchemy.exc import DatabaseError

from storage import change_rows, exhibits, files, log_keeping, outbox, schema
from storage.checkpoint import Checkpoint, sign_checkpoint
from storage.codec import decode, decode_as, encode, instant
from storage.decided import newest
from storage.fold import fold
from storage.lookup import incidents_by_prefix, the_one
from storage.merkle import Tree, leaf_hash
from storage.note import SigningKey, VerifierKey
from storage.soundness import require_sound
from watchdog.domain.abilities import Abilities
from watchdog.domain.decisions import (
    AbilitiesSeen,
    Decision,
    Enrolled,
    ForkDeclared,
    Handover,
    IncidentChanged,
    KeyAdopted,
    RolloutSeen,
    SharesAllotted,
    SightChanged,
    Weighed,
    WeightsChecked,
)
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.incidents import Incident, IncidentState
from watchdog.domain.notices import Due
from watchdog.domain.rollouts import Rollout, RolloutCount
from watchdog.domain.sight import Sight
from watchdog.domain.streamed import StreamState

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

    @contextmanager
    def looking(self) -> Iterator["SqliteTransaction"]:
        """Begin a transaction that only asks; nothing is written at its end."""
        with self.reading() as connection:
            yield SqliteTransaction(connection, None)

    def sign_with(self, key: SigningKey) -> None:
        """Sign the head of every commit from now on. `storage.signing` decides with which key."""
        self._signer = key

    def require_sound(self, key: VerifierKey | None) -> None:
        """Look at the end of a ledger that was not given back in an orderly way, before anything is added to it.

        Raises LedgerBrokenError that names what is wrong.
        """
        with self.reading() as connection:
            require_sound(connection, self.path, key)

    def adopted_key(self) -> Handover | None:
        """Return the leaf that says which key signs now; None when the ledger was never signed."""
        query = (
            select(schema.leaf.c.idx, schema.leaf.c.body)
            .join(schema.signing_key, schema.signing_key.c.leaf == schema.leaf.c.idx)
            .order_by(schema.leaf.c.idx.desc())
            .limit(1)
        )
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        decision = decode(row.body, index=row.idx)
        return decision if isinstance(decision, ForkDeclared) else decode_as(KeyAdopted, row.body, index=row.idx)

    def checkpoint(self) -> str | None:
        """Return the newest signed checkpoint; None when the last commit was not signed."""
        with self.reading() as connection:
            return connection.scalar(select(schema.tree.c.checkpoint))

    @property
    def logs(self) -> log_keeping.SqliteLogs:
        """What the record has about query logs."""
        return log_keeping.SqliteLogs(self.reading)

    def baseline(self, rule: str, subject: str) -> Baseline | None:
        """Return the newest enrolment of a stream."""
        found = self._newest(Enrolled, schema.baseline, rule=rule, subject=subject)
        return None if found is None else found.baseline

    def stream(self, rule: str, subject: str) -> Stream:
        """Return the evidence of a stream as last weighed."""
        found = self._newest(Weighed, schema.stream, rule=rule, subject=subject)
        return Stream(rule=rule, subject=subject) if found is None else found.stream

    def shares(self) -> SharesAllotted | None:
        """Return the newest allotment of shares."""
        return self._newest(SharesAllotted, schema.share)

    def sight(self, rule: str, subject: str) -> Sight:
        """Return how well a subject can be looked at."""
        found = self._newest(SightChanged, schema.sight, rule=rule, subject=subject)
        return Sight(rule=rule, subject=subject) if found is None else found.sight

    def weights(self, subject: str) -> WeightsChecked | None:
        """Return the newest check of the files of a channel's model."""
        return self._newest(WeightsChecked, schema.weights, subject=subject)

    def abilities(self, subject: str) -> Abilities | None:
        """Return what a delivered channel was seen to do."""
        found = self._newest(AbilitiesSeen, schema.ability, subject=subject)
        return None if found is None else found.abilities

    def rollouts(self, target: str | None = None) -> tuple[Rollout, ...]:
        """Return what was declared and not withdrawn: for one target, or for all."""
        with self.reading() as connection:
            return change_rows.rollouts(connection, target)

    def rollout_count(self, rollout: str, subject: str) -> RolloutCount:
        """Return what was counted of a declaration on one delivered channel."""
        found = self._newest(RolloutSeen, schema.rollout_count, rollout=rollout, subject=subject)
        return RolloutCount(rollout=rollout, subject=subject) if found is None else found.count

    def offline(self, besides: Container[tuple[str, str]] = ()) -> frozenset[str]:
        """Return the subjects that no endpoint could be reached for in their last round, but for some sights."""
        query = select(schema.sight.c.rule, schema.sight.c.subject).where(schema.sight.c.offline == 1)
        with self.reading() as connection:
            return frozenset(row.subject for row in connection.execute(query) if tuple(row) not in besides)

    def tokens_spent(self, target: str, day: date) -> int:
        """Return what the rounds on a target that began on a UTC day cost."""
        began = datetime.combine(day, time(), UTC)
        query = select(func.coalesce(func.sum(schema.round_.c.tokens), 0)).where(
            schema.round_.c.target == target,
            schema.round_.c.started_at >= instant(began),
            schema.round_.c.started_at < instant(began + timedelta(days=1)),
        )
        with self.reading() as connection:
            return int(connection.scalar(query) or 0)

    def due(self, now: datetime, limit: int) -> list[Due]:
        """Return notices whose time has come, oldest first."""
        with self.reading() as connection:
            return [due for _, due in outbox.due(connection, (), now, limit)]

    def next_due(self) -> datetime | None:
        """Return when the next waiting notice is due."""
        with self.reading() as connection:
            return outbox.next_due(connection, ())

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
    def reading(self) -> Iterator[Connection]:
        """Ask in SQL, for the other modules of this package. Raises LedgerError when the file does not answer."""
        try:
            with self._turn, self._engine.connect() as connection:
                yield connection
        except DatabaseError as exc:
            raise files.unusable(self.path, exc) from exc

    def _newest(self, kind: type[_D], table: Table, **key: str) -> _D | None:
        with self.reading() as connection:
            return newest(connection, kind, table, **key)


class SqliteTransaction:
    """An open write transaction. Satisfies `ports.LedgerTransaction`."""

    def __init__(self, connection: Connection, signer: SigningKey | None) -> None:
        """Continue the tree where the ledger's head says it stands; sign the head it comes to, if there is a key."""
        self._connection = connection
        self._signer = signer
        head = connection.execute(select(schema.tree.c.size, schema.tree.c.peaks)).one()
        peaks = tuple(head.peaks[at : at + 32] for at in range(0, len(head.peaks), 32))
        self._tree = Tree(head.size, peaks)

    @property
    def head(self) -> tuple[int, bytes]:
        """Number of leaves and their root, as they stand now."""
        return self._tree.size, self._tree.root

    def append(self, decision: Decision) -> int:
        """Add one leaf, fold it into the rows, and keep its exhibit beside it."""
        index, body = self._tree.size, encode(decision)
        self._connection.execute(insert(schema.leaf).values(idx=index, body=body, hash=leaf_hash(body)))
        fold(self._connection, index, decision)
        exhibits.keep(self._connection, index, decision)
        self._tree = self._tree.grow(body)
        return index

    def keep(self, state: StreamState) -> None:
        """Keep how far a log was read, and with what state."""
        log_keeping.keep(self._connection, state)

    def open_incident(self, fingerprint: str) -> Incident | None:
        """Return the open incident of a fingerprint."""
        wanted = {"fingerprint": fingerprint, "state": IncidentState.OPEN}
        found = newest(self._connection, IncidentChanged, schema.incident, **wanted)
        return None if found is None else found.event.incident

    def incident(self, id_prefix: str) -> Incident:
        """Return one incident by its id or an unambiguous beginning of it."""
        return the_one(self.incidents_like(id_prefix), id_prefix)

    def incidents_like(self, id_prefix: str) -> list[Incident]:
        """Return some of the incidents whose ids begin like this; several when there are several."""
        return incidents_by_prefix(self._connection, id_prefix)

    def knows_finding(self, id_: str) -> bool:
        """Tell whether the finding of this id was taken in before."""
        query = select(schema.finding.c.id).where(schema.finding.c.id == id_)
        return self._connection.scalar(query) is not None

    def write_head(self) -> None:
        """Store the tree's new head; the last write of every transaction."""
        size, root, signer = self._tree.size, self._tree.root, self._signer
        # An unsigned commit has no checkpoint: an old one would pass for the newest.
        signed = None if signer is None else sign_checkpoint(Checkpoint(signer.name, size, root), signer)
        values = {"size": size, "peaks": b"".join(self._tree.peaks), "root": root, "checkpoint": signed}
        self._connection.execute(update(schema.tree).values(values))
