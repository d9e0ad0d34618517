"""The ledger as a file: what an auditor, a second daemon, or a broken disk may do to it."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from storage import files, schema
from storage.audit import audit
from storage.ledger import SqliteLedger
from storage.reader import open_reader
from tests.builders import NOW, baseline, compared, finding, judged, recovery
from watchdog.desk import Desk
from watchdog.domain.decisions import Enrolled
from watchdog.errors import LedgerError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with a little of everything in it."""
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path) as ledger:
        desk = Desk(ledger, ("oncall",))
        desk.report([compared("c1"), judged("v1"), Enrolled(at=NOW, baseline=baseline())], [finding(evidence=("c1",))])
        desk.report([compared("c2", gap=0.1)], [], [recovery()])
    return path


def _sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_an_untouched_ledger_is_intact_however_often_it_is_opened(path: Path) -> None:
    for _ in range(3):
        with SqliteLedger(path) as ledger:
            Desk(ledger, ()).report([], [finding(subject="another")])
        result = audit(path)
        assert result.faults == ()
    assert result.leaves > 8


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE leaf SET body = CAST(replace(body, 'risky', 'fine') AS BLOB) WHERE idx = 0", "ALTERED"),
        ("DELETE FROM leaf WHERE idx = 2", "leaf 2 is missing"),
        ("DELETE FROM leaf WHERE idx = (SELECT max(idx) FROM leaf)", "TRUNCATED"),
        ("INSERT INTO leaf SELECT max(idx) + 1, body, hash FROM leaf", "behind the head"),
        ("UPDATE incident SET state = 'recovered', severity = 'info'", "severity"),
        ("DELETE FROM incident", "table incident is missing"),
        ("UPDATE comparison SET gap = 0.0 WHERE id = 'c1'", "row c1 of table comparison differs from its leaf in gap"),
        ("INSERT INTO run (leaf, kind, at, detail) VALUES (99, 'stopped', '', '')", "has no leaf"),
        ("UPDATE outbox SET state = 'accepted'", "table outbox"),
        ("DELETE FROM tree", "head of the tree is missing"),
    ],
)
def test_whatever_is_changed_behind_its_back_is_named(path: Path, statement: str, said: str) -> None:
    _sql(path, statement)

    result = audit(path)
    assert not result.intact
    assert said in "\n".join(result.faults)


def test_a_second_writer_is_refused_and_told_why(path: Path) -> None:
    with SqliteLedger(path), pytest.raises(LedgerError, match="another watchdog is writing this ledger"):
        SqliteLedger(path)


def test_reading_goes_on_while_the_writer_holds_the_ledger(path: Path) -> None:
    with SqliteLedger(path), open_reader(path) as reader:
        assert len(reader.incidents()) == 1


def test_a_reader_cannot_write(path: Path) -> None:
    engine = files.open_for_reading(path)
    with engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM leaf")
    engine.dispose()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("these are somebody's notes, and they are longer than a header of a database file " * 20)
    before = path.read_bytes()

    with pytest.raises(LedgerError, match="not a database"):
        SqliteLedger(path)
    with pytest.raises(LedgerError, match="not a database"), open_reader(path):
        pass
    assert path.read_bytes() == before


def test_a_database_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    _sql(path, "CREATE TABLE notes (text TEXT)")

    with pytest.raises(LedgerError, match="not a ledger"), open_reader(path):
        pass


def test_a_newer_ledger_is_refused_with_the_remedy(path: Path) -> None:
    _sql(path, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(LedgerError, match="newer version") as caught:
        SqliteLedger(path)
    assert "upgrade" in caught.value.hint
    with pytest.raises(LedgerError, match="newer version"), open_reader(path):
        pass


def test_a_missing_ledger_is_not_created_by_reading(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(LedgerError, match="no ledger here"), open_reader(path):
        pass
    assert not path.exists()


def test_only_its_user_can_read_a_new_ledger(path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0


def test_migrations_give_exactly_the_schema(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, schema.metadata)
    engine.dispose()
    assert differences == []


def test_every_table_and_column_says_what_it_is() -> None:
    nameless = [
        f"{table.name}.{column.name}"
        for table in schema.metadata.sorted_tables
        for column in table.columns
        if not column.comment or not table.comment
    ]
    assert nameless == []
