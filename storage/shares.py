"""The shares of false alarms in force: what the newest leaf about them says."""

from sqlalchemy import Connection, select

from storage import schema
from storage.codec import decode_as
from watchdog.domain.decisions import SharesAllotted


def newest_shares(connection: Connection) -> SharesAllotted | None:
    """Return the newest allotment of shares; None before the first. Every one of them names all that are in force."""
    query = (
        select(schema.leaf.c.idx, schema.leaf.c.body)
        .join(schema.share, schema.share.c.leaf == schema.leaf.c.idx)
        .order_by(schema.leaf.c.idx.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else decode_as(SharesAllotted, row.body, index=row.idx)
