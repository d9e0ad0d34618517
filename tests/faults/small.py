"""A disk that can be filled and freed without being root: SQLite itself refuses to let the file grow."""

from sqlalchemy import Connection, event

from storage.ledger import SqliteLedger

_UNBOUNDED = 1_073_741_823


class Disk:
    """What a ledger believes its disk to be."""

    def __init__(self, file: SqliteLedger) -> None:
        self._pages = _UNBOUNDED
        event.listen(file._engine, "begin", self._bound)

    def fill(self) -> None:
        """Let the file grow no more. What fits into the pages that it has is still taken."""
        self._pages = 1

    def free(self) -> None:
        self._pages = _UNBOUNDED

    def _bound(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={self._pages}")
