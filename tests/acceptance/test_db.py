"""`db` and `incidents export` as a user types them."""

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.ledger import SqliteLedger
from tests.running import run
from tests.tampering import play


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "watchdog.sqlite"
    play(path, random.Random(7), 2)
    return path


def _sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_a_rebuild_says_what_differed_and_ends_with_one_and_then_with_none(ledger: Path) -> None:
    assert run("db", "rebuild", "--ledger", ledger).code == 0
    _sql(ledger, "UPDATE incident SET summary = 'all \x1b[31m is well'")
    _sql(ledger, "DROP VIEW notice_log")

    done = run("db", "rebuild", "--ledger", ledger)
    assert done.code == 1
    assert "ALTERED: notice_log is not the view it was" in done.out
    assert "of table incident differs from its leaf in summary" in done.out
    assert "differences mended" in done.out

    again = run("db", "rebuild", "--ledger", ledger, "--json")
    assert again.code == 0
    shown = json.loads(again.out)
    assert (shown["differed"], shown["left"]) == ([], [])
    assert shown["leaves"] > 0
    assert run("audit", "verify", "--ledger", ledger).code == 0


def test_a_rebuild_refuses_leaves_that_were_altered(ledger: Path) -> None:
    _sql(ledger, "UPDATE leaf SET body = CAST(replace(body, 'risky', 'fine!') AS BLOB)")
    refused = run("db", "rebuild", "--ledger", ledger)
    assert (refused.code, refused.out) == (4, "")
    assert "nothing was made from them" in refused.err
    assert "audit verify" in refused.err


def test_a_rebuild_waits_for_no_daemon(ledger: Path) -> None:
    with SqliteLedger(ledger):
        refused = run("db", "rebuild", "--ledger", ledger)
    assert refused.code == 4
    assert "must be stopped" in refused.err


def test_an_upgrade_of_this_versions_ledger_says_so(ledger: Path) -> None:
    done = run("db", "upgrade", "--ledger", ledger)
    assert done.code == 0
    assert "which is this version's" in done.out
    assert run("db", "upgrade", "--ledger", ledger.with_name("none.sqlite")).code == 4


def test_the_tables_are_described_without_a_configuration_and_for_datasette_under_the_files_name(ledger: Path) -> None:
    text = run("db", "describe")
    assert text.code == 0
    assert "## View `incident_timeline`" in text.out
    shown = json.loads(run("db", "describe", "--datasette", "--ledger", ledger).out)
    assert "incident_timeline" in shown["databases"]["watchdog"]["tables"]
    assert run("db", "describe", "--datasette", env={"WATCHDOG_CONFIG": "/nowhere.yaml"}).code == 2


@pytest.mark.parametrize(
    ("form", "files"),
    [
        (None, {"incident_events.jsonl"}),
        ("csv", {"incident.csv", "incident_event.csv", "finding.csv", "conclusion.csv"}),
        ("parquet", {"incident.parquet", "incident_event.parquet", "finding.parquet", "conclusion.parquet"}),
    ],
)
def test_incidents_are_exported_with_their_proofs(
    ledger: Path, tmp_path: Path, form: str | None, files: set[str]
) -> None:
    to = tmp_path / "out"
    format_ = [] if form is None else ["--format", form]
    done = run("incidents", "export", "--ledger", ledger, "--to", to, *format_, "--from", "2026-03-01")
    assert done.code == 0, done.said
    assert {it.name for it in to.iterdir()} == files | {"README.txt", "ledger.checkpoint", "proofs"}
    assert list((to / "proofs").iterdir())

    again = run("incidents", "export", "--ledger", ledger, "--to", to, *format_)
    assert again.code == 2
    assert "there is something already" in again.err


def test_what_an_export_cannot_do_is_said_before_anything_is_written(ledger: Path, tmp_path: Path) -> None:
    for wrong in (["--format", "xml"], ["--from", "yesterday"], ["--state", "lost"]):
        assert run("incidents", "export", "--ledger", ledger, "--to", tmp_path / "out", *wrong).code == 2
    assert not (tmp_path / "out").exists()
