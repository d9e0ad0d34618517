"""Find an incident by the beginning of its id, as people type it."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from storage import schema
from storage.codec import decode_as
from watchdog.domain.decisions import IncidentChanged
from watchdog.domain.incidents import Incident
from watchdog.errors import LedgerError

_MOST_NAMED = 5


def incident_by_prefix(connection: Connection, id_prefix: str) -> Incident:
    """Return the one incident whose id begins like this.

    Raises LedgerError when there is none, or more than one.
    """
    return the_one(incidents_by_prefix(connection, id_prefix), id_prefix)


def incidents_by_prefix(connection: Connection, id_prefix: str) -> list[Incident]:
    """Return the first few of the incidents whose ids begin like this."""
    ids = schema.incident.c.id
    query = (
        select(schema.leaf.c.idx, schema.leaf.c.body)
        .join(schema.incident, schema.incident.c.leaf == schema.leaf.c.idx)
        .where(func.substr(ids, 1, len(id_prefix)) == id_prefix)
        .order_by(ids)
        .limit(_MOST_NAMED + 1)
    )
    # Ids are ASCII. Of anything else SQLite may not even be asked: a lone surrogate has no bytes.
    rows = connection.execute(query).all() if id_prefix and id_prefix.isascii() else []
    return [decode_as(IncidentChanged, row.body, index=row.idx).event.incident for row in rows]


def the_one(found: Sequence[Incident], id_prefix: str) -> Incident:
    """Return the only incident that was found for the beginning of an id.

    Raises LedgerError when there is none, or more than one.
    """
    match found:
        case [only]:
            return only
        case []:
            raise LedgerError(
                f"no incident has an id that begins with {id_prefix!r}",
                hint="`corrigibility-watchdog incidents list` shows the ids",
            )
        case several:
            count = str(len(several)) if len(several) <= _MOST_NAMED else f"more than {_MOST_NAMED}"
            raise LedgerError(
                f"{count} incidents have an id that begins with {id_prefix!r}",
                hint="give more of the id: " + ", ".join(it.id for it in several[:_MOST_NAMED]),
            )
