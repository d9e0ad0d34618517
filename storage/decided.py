"""The decisions behind rows: each row that is folded names the leaf that it was folded from last."""

from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, select

from storage import schema
from storage.codec import decode_as

_D = TypeVar("_D")


def decided(connection: Connection, kind: type[_D], table: Table, *where: ColumnElement[bool]) -> list[_D]:
    """Return the decisions behind the rows of a table that are wanted, oldest first; all of them are of one kind."""
    rows = connection.execute(_behind(table, *where).order_by(schema.leaf.c.idx))
    return [decode_as(kind, row.body, index=row.idx) for row in rows]


def newest(connection: Connection, kind: type[_D], table: Table, **key: str) -> _D | None:
    """Return the newest decision behind the rows of a table that have this key; None when there is none."""
    query = _behind(table, *(table.c[column] == value for column, value in key.items()))
    row = connection.execute(query.order_by(schema.leaf.c.idx.desc()).limit(1)).one_or_none()
    return None if row is None else decode_as(kind, row.body, index=row.idx)


def _behind(table: Table, *where: ColumnElement[bool]) -> Select[tuple[int, bytes]]:
    leaf = schema.leaf.c
    return select(leaf.idx, leaf.body).join(table, table.c.leaf == leaf.idx).where(*where)
