"""Every derived row is made from the leaves, and from nothing else: it can be made again, and comes out the same."""

import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import files, schema
from storage.audit import audit
from storage.forking import Declaration, fork
from storage.ledger import SqliteLedger
from storage.rebuilding import rebuild, upgrade
from storage.shape import wanted
from storage.signing import open_signed
from tests.any_decision import FREE, any_of
from tests.builders import NOW, at, compared, finding
from tests.tampering import play
from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.decisions import Alive, Decision, IncidentChanged
from watchdog.domain.incidents import EventKind
from watchdog.errors import LedgerError

TABLES = [table.name for table in schema.DERIVED]


def _sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.executescript(statement)
        connection.commit()


def _dump(path: Path) -> list[str]:
    """Return everything that is in the file, in an order that does not depend on when it was written."""
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        rows = [
            (name, *row)
            for kind, name, *_ in made
            if kind == "table"
            for row in connection.execute(f'SELECT * FROM "{name}"')
        ]
    return sorted(map(repr, [*made, *rows]))


def _fill(ledger: SqliteLedger, decisions: list[Decision]) -> int:
    """Record what the tables can hold; an incident that is open already cannot be opened again."""
    written = 0
    for decision in decisions:
        try:
            with ledger.transaction() as transaction:
                transaction.append(decision)
        except LedgerError:
            continue
        written += 1
    return written


def _closing(dice: random.Random) -> Decision:
    """Draw the closing of an incident, which one in a few hundred steps is."""
    while True:
        drawn = any_of(IncidentChanged, dice)
        assert isinstance(drawn, IncidentChanged)
        if drawn.event.kind is EventKind.CLOSED and drawn.event.incident.conclusion is not None:
            return drawn


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger without a leaf, made once, because making the tables takes longest."""
    path = tmp_path_factory.mktemp("empty") / "ledger.sqlite"
    SqliteLedger(path).close()
    return path


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed ledger with decisions of every kind, several of each."""
    path = tmp_path_factory.mktemp("full") / "ledger.sqlite"
    play(path, random.Random(3), 1)
    dice = random.Random(4)
    with open_signed(path, now=lambda: NOW) as ledger:
        _fill(ledger, [any_of(kind, dice) for kind in FREE for _ in range(3)] + [_closing(dice)])
    fork(path, Declaration(reason="the disk failed", by=Actor(name="Ada", uid=1000)), now=lambda: NOW)
    return path


@pytest.fixture
def path(full: Path, tmp_path: Path) -> Path:
    shutil.copytree(full.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / full.name


@given(st.lists(st.tuples(st.sampled_from(FREE), st.randoms(use_true_random=False)), max_size=12))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_was_decided_its_rows_are_the_same_after_a_rebuild(
    empty: Path, drawn: list[tuple[type[Decision], random.Random]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(empty, folder))
        with SqliteLedger(path) as ledger:
            written = _fill(ledger, [any_of(kind, dice) for kind, dice in drawn])
        before = _dump(path)
        done = rebuild(path)
        assert (done.leaves, done.differed, done.left) == (written, (), ())
        assert _dump(path) == before


def test_a_ledger_with_every_kind_of_row_is_rebuilt_to_the_same_file_of_rows(path: Path) -> None:
    before = _dump(path)
    done = rebuild(path)
    assert done.differed == ()
    assert done.rows == sum(_count(path, table) for table in TABLES)
    assert _dump(path) == before


def _faults(path: Path) -> tuple[str, ...]:
    """Return what is wrong in the eyes of the owner, who knows of the fork."""
    return audit(path, keys=None).faults


def _count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


@pytest.mark.parametrize("harm", ["DELETE FROM {0}", "UPDATE {0} SET leaf = leaf + 1000"])
def test_harmed_rows_of_any_table_are_told_and_restored(path: Path, harm: str) -> None:
    before = _dump(path)
    tables = [it for it in TABLES if _count(path, it)]
    assert tables == TABLES
    _sql(path, *(harm.format(it) for it in tables))

    told = _faults(path)
    assert {it.partition(" of table ")[2].split()[0] for it in told} == set(tables)
    assert rebuild(path).differed == told
    assert _dump(path) == before
    assert _faults(path) == ()


@pytest.mark.parametrize("kind", ["table", "index", "view"])
@pytest.mark.parametrize("another", [False, True])
def test_a_piece_that_is_gone_or_another_is_told_and_restored(path: Path, kind: str, another: bool) -> None:
    before = _dump(path)
    names = [it.name for it in wanted() if it.kind == kind and it.folded]
    bodies = {"table": "(leaf INTEGER PRIMARY KEY)", "index": "ON leaf (body)", "view": "AS SELECT 1 AS x"}
    _sql(path, *(f"DROP {kind} {name}" for name in names))
    if another:
        _sql(path, *(f"CREATE {kind} {name} {bodies[kind]}" for name in names))

    told = _faults(path)
    assert {it for it in told if f" is not the {kind} it was" in it} == {
        f"ALTERED: {name} is not the {kind} it was" for name in names
    }
    assert rebuild(path).differed == told
    assert _dump(path) == before
    assert _faults(path) == ()


@pytest.mark.parametrize(
    ("stranger", "named"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON leaf BEGIN DELETE FROM incident; END", "trigger t"),
        ("CREATE TRIGGER t AFTER INSERT ON incident BEGIN DELETE FROM incident; END", "trigger t"),
        ("CREATE INDEX i ON leaf (body)", "index i"),
        ("CREATE VIEW incidents AS SELECT * FROM incident WHERE severity = 'info'", "view incidents"),
        ('CREATE VIEW "\x1b[31m""; x" AS SELECT 1', 'view �[31m"; x'),
    ],
)
def test_what_does_not_belong_to_a_ledger_is_named_and_taken_away(path: Path, stranger: str, named: str) -> None:
    before = _dump(path)
    _sql(path, stranger)
    assert _faults(path) == (f"ALTERED: {named} does not belong to a ledger",)
    rebuild(path)
    assert _dump(path) == before


def test_a_strangers_table_is_named_and_left_for_it_may_hold_what_exists_nowhere_else(path: Path) -> None:
    _sql(path, "CREATE TABLE mine (a)", "INSERT INTO mine VALUES (1)")
    assert rebuild(path).left == ("ALTERED: table mine does not belong to a ledger",)
    assert _count(path, "mine") == 1


def test_a_table_in_the_place_of_a_view_gives_way(path: Path) -> None:
    before = _dump(path)
    _sql(path, "DROP VIEW notice_log", "CREATE TABLE notice_log AS SELECT 'all were told' AS incident")
    rebuild(path)
    assert _dump(path) == before


def test_statistics_of_the_query_planner_are_no_fault(path: Path) -> None:
    _sql(path, "ANALYZE")
    assert _faults(path) == ()


def test_an_index_that_hides_rows_is_found_though_every_row_is_right(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT id, incident_id FROM incident_event").fetchall()
        connection.execute("UPDATE incident_event SET incident_id = 'hidden'")
        name = "incident_event_by_incident"
        row = connection.execute("SELECT * FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = ?", (name,))
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        # Without the index in the list of pieces, SQLite does not keep it up.
        connection.executemany("UPDATE incident_event SET incident_id = ?2 WHERE id = ?1", before)
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        assert (
            connection.execute("SELECT * FROM incident_event WHERE incident_id = ?", (before[0][1],)).fetchall() == []
        )

    told = _faults(path)
    assert told
    assert all(it.startswith("ALTERED: table incident_event: ") for it in told)
    rebuild(path)
    assert _faults(path) == ()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM incident_event WHERE incident_id = ?", (before[0][1],)).fetchall()


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE leaf SET body = CAST(replace(body, 'It is risky', 'It is fine!') AS BLOB)",
        "UPDATE leaf SET body = x'7b7d' WHERE idx = 2",
        "DELETE FROM leaf WHERE idx = 1",
        "DELETE FROM leaf WHERE idx = (SELECT max(idx) FROM leaf)",
        "INSERT INTO leaf SELECT max(idx) + 1, body, hash FROM leaf",
        "UPDATE tree SET root = zeroblob(32)",
        "UPDATE tree SET peaks = zeroblob(length(peaks))",
        "UPDATE tree SET checkpoint = NULL",
        "DROP TABLE tree",
        "DROP TABLE leaf; CREATE VIEW leaf AS SELECT 0 AS idx, x'' AS body, x'' AS hash",
    ],
)
def test_leaves_that_are_not_what_was_signed_are_refused_and_nothing_changes(path: Path, harm: str) -> None:
    _sql(path, harm, "DELETE FROM incident")
    before = _dump(path)
    with pytest.raises(LedgerError, match="the leaves are not what was recorded"):
        rebuild(path)
    assert _dump(path) == before


def test_a_running_watchdog_keeps_its_ledger(path: Path) -> None:
    with SqliteLedger(path), pytest.raises(LedgerError, match="another watchdog is writing"):
        rebuild(path)


def test_the_watchdog_goes_on_from_a_rebuilt_ledger(path: Path) -> None:
    _sql(path, *(f"DROP TABLE {table}" for table in TABLES))
    rebuild(path)
    with open_signed(path, now=lambda: NOW) as ledger:
        Desk(ledger, ("oncall",)).report([compared("c-new")], [finding(subject="new")])
    assert _faults(path) == ()


def test_a_lost_exhibit_bars_nothing_and_is_still_told(path: Path) -> None:
    _sql(path, "DELETE FROM exhibit", "DELETE FROM incident")
    done = rebuild(path)
    assert done.left
    assert all(it.startswith("MISSING: exhibit") for it in done.left)
    assert _faults(path) == done.left


def test_progress_is_told_by_the_leaves_that_are_done(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path) as ledger, ledger.transaction() as transaction:
        for number in range(5_000):
            transaction.append(Alive(at=at(number), rounds=0, failed=0, missed=0))
    told: list[int] = []
    assert rebuild(path, progress=told.append).leaves == 5_000
    assert told == [5000]


def test_an_upgrade_says_from_and_to_and_changes_nothing_that_is_up_to_date(path: Path) -> None:
    before = path.read_bytes()
    assert upgrade(path) == (files.standing(path), files.standing(path))
    assert path.read_bytes() == before


def test_neither_makes_a_ledger_where_there_is_none(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    _sql(other, "CREATE TABLE notes (text)")
    for work in (rebuild, upgrade):
        with pytest.raises(LedgerError, match="no ledger here"):
            work(tmp_path / "none.sqlite")
        with pytest.raises(LedgerError, match="not a ledger"):
            work(other)
    assert sorted(it.name for it in tmp_path.iterdir()) == ["other.sqlite"]
