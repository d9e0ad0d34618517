"""The statement that writes a row in the place of the one that has its key."""

from functools import cache

from sqlalchemy import Table
from sqlalchemy.dialects.sqlite import Insert, insert


@cache
def upsert(table: Table) -> Insert:
    """Return the statement that writes a row of a table; kept, because making it takes longer than running it."""
    statement = insert(table)
    new = {column.name: statement.excluded[column.name] for column in table.columns}
    return statement.on_conflict_do_update(index_elements=[it.name for it in table.primary_key], set_=new)
