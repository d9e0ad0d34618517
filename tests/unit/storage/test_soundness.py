"""After an end without a word the next start looks before it writes, and refuses a ledger that is not whole."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from storage.audit import audit
from storage.ledger import SqliteLedger
from storage.reader import open_reader
from storage.signing import open_signed
from tests.builders import NOW, at, compared, finding
from watchdog.desk import Desk
from watchdog.domain.decisions import Started, Stopped
from watchdog.errors import ConfigError, LedgerBrokenError, LedgerError, LedgerStalledError

STARTED = Started(at=NOW, version="0", config_digest="0")


def _made(path: Path, *, orderly: bool) -> Path:
    with open_signed(path, now=lambda: NOW) as ledger:
        desk = Desk(ledger, ("oncall",))
        desk.report([STARTED])
        for number in range(6):
            desk.report([compared(f"c{number}")], [finding(subject=f"s{number}")])
        if orderly:
            desk.report([Stopped(at=at(9), why="the end")])
    return path


def _sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def _open(path: Path) -> None:
    open_signed(path, now=lambda: NOW).close()


def test_a_ledger_that_was_left_in_the_middle_of_something_is_taken_up_when_it_is_whole(tmp_path: Path) -> None:
    _open(_made(tmp_path / "ledger.sqlite", orderly=False))


HARMS = [
    ("DELETE FROM leaf WHERE idx = (SELECT max(idx) FROM leaf)", "TRUNCATED: the head covers"),
    ("INSERT INTO leaf SELECT max(idx) + 1, body, hash FROM leaf", "ALTERED: the head covers"),
    ("UPDATE leaf SET body = CAST(replace(body, 'risky', 'fine') AS BLOB) WHERE idx = 2", "ALTERED: leaf 2 is not"),
    ("UPDATE tree SET root = zeroblob(32)", "ALTERED: the peaks of the tree do not give its root"),
    ("UPDATE tree SET peaks = substr(peaks, 33)", "cannot have these peaks"),
    ("UPDATE tree SET checkpoint = NULL", "ALTERED: the ledger's own checkpoint is not about these"),
    ("UPDATE tree SET checkpoint = replace(checkpoint, 'watchdog', 'watchcat')", "FORKED: the ledger's own checkpoint"),
    ("DELETE FROM tree", "the head of the tree is missing"),
]


@pytest.mark.parametrize(("statement", "said"), HARMS)
def test_one_that_is_not_whole_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path, statement: str, said: str
) -> None:
    path = _made(tmp_path / "ledger.sqlite", orderly=False)
    _sql(path, statement)
    before = path.read_bytes()
    with pytest.raises(LedgerBrokenError, match=said) as caught:
        _open(path)
    assert "audit verify" in caught.value.hint
    assert path.read_bytes() == before


def test_after_an_orderly_end_only_the_audit_looks(tmp_path: Path) -> None:
    path = _made(tmp_path / "ledger.sqlite", orderly=True)
    _sql(path, HARMS[2][0])
    _open(path)


def test_the_ledger_of_another_instance_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    open_signed(path, now=lambda: NOW, origin="one.example/watchdog").close()
    with pytest.raises(ConfigError, match=r"called 'one\.example/watchdog', not 'two\.example/watchdog'"):
        open_signed(path, now=lambda: NOW, origin="two.example/watchdog")


def test_a_ledger_that_another_program_switched_to_wal_is_one_file_again(tmp_path: Path) -> None:
    path = _made(tmp_path / "ledger.sqlite", orderly=True)
    _sql(path, "PRAGMA journal_mode=WAL")
    _open(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    assert sorted(it.name for it in tmp_path.iterdir()) == ["ledger.sqlite", "ledger.sqlite.key", "ledger.sqlite.lock"]


def test_one_that_another_program_keeps_in_wal_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = _made(tmp_path / "ledger.sqlite", orderly=True)
    stranger = sqlite3.connect(path)
    stranger.execute("PRAGMA journal_mode=WAL")
    stranger.execute("SELECT * FROM tree").fetchall()
    with pytest.raises(LedgerError, match="WAL mode, and another program has it open"):
        SqliteLedger(path)
    stranger.close()
    SqliteLedger(path).close()


def test_a_commit_that_was_cut_off_is_undone_by_the_next_writer_and_a_reader_says_so(tmp_path: Path) -> None:
    path = _made(tmp_path / "ledger.sqlite", orderly=False)
    copy = tmp_path / "copy"
    copy.mkdir()
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA cache_size=1")  # so that pages go to the file before the commit
    writer.execute("UPDATE leaf SET body = zeroblob(9000)")
    for name in ("ledger.sqlite", "ledger.sqlite-journal", "ledger.sqlite.key"):
        shutil.copy(tmp_path / name, copy)
    writer.rollback()
    writer.close()

    cut = copy / "ledger.sqlite"
    with pytest.raises(LedgerStalledError, match="readonly") as caught, open_reader(cut):
        pass
    assert "stopped in a commit" in caught.value.hint
    _open(cut)
    assert audit(cut).faults == ()


def test_every_connection_has_the_settings_that_the_promises_rest_on(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        both = ledger._engine.raw_connection(), ledger._engine.raw_connection()
        for connection in both:
            cursor = connection.cursor()
            names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
            found = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
            assert found == ["delete", 3, 1, 0]
        for connection in both:
            connection.close()
