"""Every table, view and column of a ledger is explained, in the words that stand beside it in the code."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.describing import datasette, markdown, relations
from storage.ledger import SqliteLedger
from storage.shape import wanted
from storage.views import VIEWS

PAGE = (Path(__file__).parents[2] / "docs" / "ledger-tables.md").read_text(encoding="utf-8")
REMEDY = "replace everything from the first `## ` on by what `corrigibility-watchdog db describe` prints"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A ledger as the migrations make it."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def test_every_table_view_and_column_of_a_ledger_is_explained(ledger: sqlite3.Connection) -> None:
    names = ledger.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    there = {name: [row[1] for row in ledger.execute(f"PRAGMA table_info({name})")] for (name,) in names}
    assert {it.name: [field.name for field in it.fields] for it in relations()} == there
    unexplained = [
        f"{it.name}.{field.name}" for it in relations() for field in it.fields if not (it.comment and field.comment)
    ]
    assert unexplained == []


def test_the_page_says_what_the_code_says() -> None:
    assert PAGE[PAGE.index("## View") :] == markdown(relations()), REMEDY


def test_types_on_the_page_are_those_of_the_ledger(ledger: sqlite3.Connection) -> None:
    for it in relations():
        if not it.is_view:
            found = [(row[1], row[2], not row[3]) for row in ledger.execute(f"PRAGMA table_info({it.name})")]
            assert [(field.name, field.kind, field.null) for field in it.fields] == found


def test_the_migrations_make_the_views_that_are_explained() -> None:
    made = {it.name: " ".join(it.sql.split()) for it in wanted() if it.kind == "view"}
    assert made == {it.name: " ".join(it.statement.split()) for it in VIEWS}


def test_datasettes_metadata_names_every_table_and_column() -> None:
    (tables,) = [it["tables"] for it in datasette(relations(), database="watchdog")["databases"].values()]
    assert {name: list(it["columns"]) for name, it in tables.items()} == {
        it.name: [field.name for field in it.fields] for it in relations()
    }
    assert all(it["sort"] in it["columns"] for it in tables.values())
