"""Read-only questions that people ask of a ledger."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, Table, select
from sqlalchemy.exc import DatabaseError

from storage import change_rows, files, log_keeping, schema
from storage.codec import decode_as
from storage.decided import decided, newest
from storage.lookup import incident_by_prefix
from watchdog.domain.abilities import Abilities
from watchdog.domain.banks import BenignBank
from watchdog.domain.decisions import AbilitiesSeen, Compared, Enrolled, IncidentChanged, Judged, SharesAllotted
from watchdog.domain.evidence import Baseline
from watchdog.domain.incidents import Incident, IncidentEvent, IncidentState
from watchdog.domain.queries import Alarm
from watchdog.domain.rollouts import Rollout, RolloutCount


class SqliteReader:
    """Answers from a ledger file without being able to change it. Satisfies `ports.IncidentReader`."""

    def __init__(self, engine: Engine) -> None:
        """Read through an engine that `open_reader` made."""
        self._engine = engine

    def incidents(self, state: IncidentState | None = None) -> list[Incident]:
        """Return incidents, newest first."""
        query = (
            select(schema.leaf.c.idx, schema.leaf.c.body)
            .join(schema.incident, schema.incident.c.leaf == schema.leaf.c.idx)
            .order_by(schema.incident.c.opened_at.desc(), schema.incident.c.id)
        )
        if state is not None:
            query = query.where(schema.incident.c.state == state)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [decode_as(IncidentChanged, row.body, index=row.idx).event.incident for row in rows]

    def incident(self, id_prefix: str) -> Incident:
        """Return one incident by its id or an unambiguous beginning of it."""
        with self._engine.connect() as connection:
            return incident_by_prefix(connection, id_prefix)

    def events(self, incident_id: str) -> list[IncidentEvent]:
        """Return an incident's events, oldest first."""
        table = schema.incident_event
        with self._engine.connect() as connection:
            found = decided(connection, IncidentChanged, table, table.c.incident_id == incident_id)
        return [it.event for it in found]

    def evidence(self, ids: Sequence[str]) -> list[Compared | Judged]:
        """Return the comparisons and verdicts with these ids, in the order given; unknown ids are left out."""
        found: dict[str, Compared | Judged] = {}
        with self._engine.connect() as connection:
            kinds: tuple[tuple[type[Compared | Judged], Table], ...] = (
                (Compared, schema.comparison),
                (Judged, schema.verdict),
            )
            for kind, table in kinds:
                found |= {it.id: it for it in decided(connection, kind, table, table.c.id.in_(ids))}
        return [found[id_] for id_ in ids if id_ in found]

    def alarms(self, ids: Sequence[str]) -> list[Alarm]:
        """Return the alarms with these ids, with what the clients wrote as far as it was not erased."""
        with self._engine.connect() as connection:
            return log_keeping.alarms(connection, ids)

    @property
    def logs(self) -> log_keeping.SqliteLogs:
        """What the record has about query logs."""
        return log_keeping.SqliteLogs(self._engine.connect)

    def baseline(self, rule: str, subject: str) -> Baseline | None:
        """Return the newest enrolment of a stream, if there is one."""
        with self._engine.connect() as connection:
            found = newest(connection, Enrolled, schema.baseline, rule=rule, subject=subject)
        return None if found is None else found.baseline

    def abilities(self, subject: str) -> Abilities | None:
        """Return what a delivered channel was seen to do; None before it was enrolled."""
        with self._engine.connect() as connection:
            found = newest(connection, AbilitiesSeen, schema.ability, subject=subject)
        return None if found is None else found.abilities

    def bank(self, subject: str) -> BenignBank | None:
        """Return what the honest engines of a target's model showed last; None when they were never measured."""
        with self._engine.connect() as connection:
            return change_rows.newest_bank(connection, subject)

    def rollouts(self, target: str | None = None) -> tuple[Rollout, ...]:
        """Return what was declared and not withdrawn, oldest first: for one target, or for all."""
        with self._engine.connect() as connection:
            return change_rows.rollouts(connection, target)

    def rollout_counts(self, rollout: str) -> tuple[RolloutCount, ...]:
        """Return what was counted of a declaration, for each channel of its target."""
        with self._engine.connect() as connection:
            return change_rows.counts(connection, rollout)

    def shares(self) -> SharesAllotted | None:
        """Return the newest allotment of shares."""
        with self._engine.connect() as connection:
            return newest(connection, SharesAllotted, schema.share)


@contextmanager
def open_reader(path: Path) -> Iterator[SqliteReader]:
    """Open a ledger for reading; a daemon may go on writing it meanwhile.

    Raises LedgerError when there is no ledger, or it has another version's schema, and when a read in the block fails.
    """
    engine = files.open_for_reading(path)
    try:
        yield SqliteReader(engine)
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        engine.dispose()
