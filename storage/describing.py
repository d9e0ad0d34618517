"""What every table, view and column of a ledger means: for people, and for Datasette."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage import schema
from storage.views import VIEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column."""

    name: str
    kind: str
    null: bool
    """Whether it may be null; a view's comment says so itself."""
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One table or view."""

    name: str
    is_view: bool
    comment: str
    fields: tuple[Field, ...]
    order: str
    """The column that a reader will want the rows sorted by."""


_ALEMBIC = Relation(
    name="alembic_version",
    is_view=False,
    comment="The version of these tables, kept by Alembic.",
    fields=(Field(name="version_num", kind="VARCHAR(32)", null=False, comment="Revision of the schema."),),
    order="version_num",
)


def relations() -> tuple[Relation, ...]:
    """Return every table and view of a ledger: views first, in the order in which an auditor asks."""
    views = tuple(
        Relation(
            name=it.name,
            is_view=True,
            comment=it.comment,
            fields=tuple(Field(name=c.name, kind=c.kind, null=False, comment=c.comment) for c in it.columns),
            order=it.order,
        )
        for it in VIEWS
    )
    tables = tuple(
        Relation(
            name=it.name,
            is_view=False,
            comment=it.comment or "",
            fields=tuple(
                Field(name=c.name, kind=str(c.type), null=bool(c.nullable), comment=c.comment or "") for c in it.columns
            ),
            order="leaf" if "leaf" in it.columns else next(iter(it.primary_key)).name,
        )
        for it in schema.metadata.tables.values()
    )
    return (*views, *tables, _ALEMBIC)


def markdown(these: Sequence[Relation]) -> str:
    """Return a description that reads as text, and is Markdown."""
    return "\n".join(_section(it) for it in these)


def datasette(these: Sequence[Relation], *, database: str) -> dict[str, object]:
    """Return metadata for Datasette, which calls a database by the name of its file without the suffix."""
    tables = {
        it.name: {
            "description": it.comment,
            "columns": {field.name: field.comment for field in it.fields},
            "sort": it.order,
        }
        for it in these
    }
    return {
        "title": "Ledger of a corrigibility watchdog",
        "description": "What the rows say; whether it is true, `corrigibility-watchdog audit verify` tells.",
        "databases": {database: {"tables": tables}},
    }


def _section(it: Relation) -> str:
    rows = (f"| `{c.name}` | {c.kind}{' or null' if c.null else ''} | {_cell(c.comment)} |" for c in it.fields)
    head = f"## {'View' if it.is_view else 'Table'} `{it.name}`"
    return "\n".join([head, "", it.comment, "", "| column | type | meaning |", "|---|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
