"""Questions about the outbox: which notices wait, and until when."""

from collections.abc import Container
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from storage import schema
from storage.codec import decode_as, instant, read_instant
from watchdog.domain.decisions import IncidentChanged
from watchdog.domain.notices import Due, Notice

_NOTICES = (
    select(
        schema.outbox.c.notice_id,
        schema.outbox.c.notifier,
        schema.outbox.c.attempts,
        schema.outbox.c.queued_at,
        schema.outbox.c.next_at,
        schema.leaf.c.idx,
        schema.leaf.c.body,
    )
    .join(schema.incident_event, schema.incident_event.c.id == schema.outbox.c.event_id)
    .join(schema.leaf, schema.leaf.c.idx == schema.incident_event.c.leaf)
)


def due(connection: Connection, besides: Container[str], now: datetime, limit: int) -> list[tuple[datetime, Due]]:
    """Return notices whose time has come but for some, with that time, oldest first."""
    box = schema.outbox
    query = _NOTICES.where(box.c.state == "waiting", box.c.next_at <= instant(now))
    rows = connection.execute(query.order_by(box.c.next_at, schema.leaf.c.idx))
    chosen = list(islice((row for row in rows if row.notice_id not in besides), limit))
    rows.close()
    newest = checkpoint(connection)
    return [(read_instant(row.next_at), _due(row, newest)) for row in chosen]


def notice(connection: Connection, notice_id: str) -> Due | None:
    """Return a notice that was ever queued, if it was."""
    row = connection.execute(_NOTICES.where(schema.outbox.c.notice_id == notice_id)).one_or_none()
    return None if row is None else _due(row, None)


def next_due(connection: Connection, besides: Container[str]) -> datetime | None:
    """Return when the next waiting notice is due, but for some."""
    box = schema.outbox
    query = select(box.c.notice_id, box.c.next_at).where(box.c.state == "waiting").order_by(box.c.next_at)
    rows = connection.execute(query)
    at = next((row.next_at for row in rows if row.notice_id not in besides), None)
    rows.close()
    return None if at is None else read_instant(at)


def checkpoint(connection: Connection) -> str | None:
    """Return the newest signed checkpoint, which every notice takes along; None when there is none."""
    return connection.scalar(select(schema.tree.c.checkpoint))


def _due(row: Any, newest: str | None) -> Due:
    event = decode_as(IncidentChanged, row.body, index=row.idx).event
    found = Notice(id=row.notice_id, notifier=row.notifier, event=event, checkpoint=newest)
    return Due(notice=found, attempts=row.attempts, queued_at=read_instant(row.queued_at))
