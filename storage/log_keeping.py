"""How far query logs were read, what goes with it, and customers' texts: beside the leaves, in their commit."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, and_, bindparam, delete, func, select

from storage import schema
from storage.codec import instant, read_instant
from storage.decided import decided, newest
from storage.upsert import upsert
from watchdog.domain.decisions import Alarmed, ClientExpected
from watchdog.domain.queries import Alarm, LogPosition
from watchdog.domain.streamed import CustomerText, Kept, StreamState, packed, text_digest
from watchdog.domain.text import printable
from watchdog.errors import LedgerError

VERSION = 1
"""Of the format of a position."""

_POSITIONS: TypeAdapter[LogPosition] = TypeAdapter(LogPosition)
_MOST_FAULTS = 1000


def keep(connection: Connection, it: StreamState) -> None:
    """Write what changed about the reading of one log."""
    at = instant(it.at)
    place = {"log": it.log, "serial": it.serial, "version": VERSION, "position": packed(it.position), "at": at}
    connection.execute(upsert(schema.log_position), place)
    rows = [{"log": it.log, "key": key, "body": body} for key, body in it.changed.items() if body is not None]
    if rows:
        connection.execute(upsert(schema.log_state), rows)
    dropped = [{"a_log": it.log, "a_key": key} for key, body in it.changed.items() if body is None]
    if dropped:
        state = schema.log_state.c
        wanted = and_(state.log == bindparam("a_log"), state.key == bindparam("a_key"))
        connection.execute(delete(schema.log_state).where(wanted), dropped)
    if it.texts:
        connection.execute(upsert(schema.customer_text), [_text(text) for text in it.texts])


@dataclass(frozen=True, slots=True)
class SqliteLogs:
    """Reads it back. Satisfies `ports.LogRecord`."""

    reading: Callable[[], AbstractContextManager[Connection]]

    def kept(self, log: str) -> Kept | None:
        """Return how far a log was read."""
        with self.reading() as connection:
            row = connection.execute(select(schema.log_position).where(schema.log_position.c.log == log)).one_or_none()
        if row is None:
            return None
        hint = "use the version of the program that wrote it, or restore a backup"
        if row.version != VERSION:
            raise LedgerError(f"the position in the log {log} is of version {row.version}", hint=hint)
        try:
            position = _POSITIONS.validate_python(json.loads(row.position))
        except ValueError as exc:
            raise LedgerError(f"the position in the log {log} cannot be read", hint=hint) from exc
        return Kept(serial=row.serial, position=position, at=read_instant(row.at))

    def state(self, log: str) -> dict[str, bytes]:
        """Return the state that was kept with that."""
        query = select(schema.log_state.c.key, schema.log_state.c.body).where(schema.log_state.c.log == log)
        with self.reading() as connection:
            return {row.key: row.body for row in connection.execute(query)}

    def expected(self, log: str) -> tuple[ClientExpected, ...]:
        """Return the newest word of people on each client and rule of a log."""
        table = schema.client_expected
        with self.reading() as connection:
            return tuple(decided(connection, ClientExpected, table, table.c.log == log))

    def alarm(self, rule: str, log: str, client: str) -> Alarmed | None:
        """Return the newest alarm about a client."""
        with self.reading() as connection:
            return newest(connection, Alarmed, schema.alarm, rule=rule, log=log, client=client)

    def texts(self, *, log: str | None, client: str | None, before: datetime | None) -> int:
        """Count the texts of customers that are kept."""
        table = schema.customer_text
        query = select(func.count()).select_from(table)
        query = query if log is None else query.where(table.c.log == log)
        query = query if client is None else query.where(table.c.client == client)
        query = query if before is None else query.where(table.c.at < instant(before))
        with self.reading() as connection:
            return int(connection.scalar(query) or 0)


def alarms(connection: Connection, ids: Sequence[str]) -> list[Alarm]:
    """Return the alarms with these ids, in the order given, with what the clients wrote as far as it is kept.

    A text that does not give its digest is left out as one that was erased is: somebody altered it.
    """
    found = {it.id: it.alarm for it in decided(connection, Alarmed, schema.alarm, schema.alarm.c.id.in_(ids))}
    texts = _texts(connection, {example.digest for alarm in found.values() for example in alarm.examples})
    return [_with_texts(found[id_], texts) for id_ in ids if id_ in found]


def text_faults(connection: Connection, table: Table) -> list[str]:
    """Say which texts of customers are not what the leaves name."""
    rows = connection.execute(select(table.c.digest, table.c.salt, table.c.text))
    altered = (str(row.digest) for row in rows if text_digest(row.salt, row.text) != row.digest)
    named = islice(altered, _MOST_FAULTS)
    return [f"ALTERED: a customer's text is not what it was: {printable(it, 64)}" for it in named]


def _texts(connection: Connection, digests: set[str]) -> dict[str, str]:
    table = schema.customer_text
    rows = connection.execute(select(table).where(table.c.digest.in_(digests)))
    return {row.digest: row.text for row in rows if text_digest(row.salt, row.text) == row.digest}


def _with_texts(alarm: Alarm, texts: Mapping[str, str]) -> Alarm:
    examples = tuple(replace(it, text=texts.get(it.digest, "")) for it in alarm.examples)
    return replace(alarm, examples=examples)


def _text(it: CustomerText) -> dict[str, object]:
    return {
        "digest": it.digest,
        "salt": it.salt,
        "text": it.text,
        "log": it.log,
        "client": it.client,
        "at": instant(it.at),
    }
