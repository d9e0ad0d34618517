"""What a view is: a question that auditors ask, kept in the ledger as a query with its columns explained."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view."""

    name: str
    kind: Literal["TEXT", "INTEGER", "REAL"]
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A question that auditors ask, as a query that the ledger keeps."""

    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    order: str
    """The column that a reader will want the rows sorted by."""
    query: str

    @property
    def statement(self) -> str:
        """The statement that makes the view."""
        return f"CREATE VIEW {self.name} AS\n{self.query.strip()}"


def text(name: str, comment: str) -> ViewColumn:
    """Return a column of text."""
    return ViewColumn(name, "TEXT", comment)


def integer(name: str, comment: str) -> ViewColumn:
    """Return a column of whole numbers."""
    return ViewColumn(name, "INTEGER", comment)


def real(name: str, comment: str) -> ViewColumn:
    """Return a column of numbers."""
    return ViewColumn(name, "REAL", comment)
