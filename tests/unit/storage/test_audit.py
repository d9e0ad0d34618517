"""What the audit tells apart, beyond the tampering that tests/faults does at random."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from storage.audit import audit
from storage.keys import load
from storage.receipts import leaves_of, newest_checkpoint, newest_key, prove
from storage.signing import key_beside, open_signed
from storage.standalone import verify_ledger
from storage.trust import read_kept
from tests.alarms import alarm
from tests.builders import NOW, at, compared, finding
from watchdog import alarm_words
from watchdog.desk import Desk
from watchdog.domain.decisions import Alarmed, Alive, Started, Stopped
from watchdog.errors import LedgerError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A signed ledger: a start, an incident with its evidence, a stop."""
    path = tmp_path / "ledger.sqlite"
    with open_signed(path, now=lambda: NOW) as ledger:
        desk = Desk(ledger, ("oncall",))
        desk.report([Started(at=at(0), version="0", config_digest="0")])
        desk.report([compared("c1"), compared("c2")], [finding(evidence=("c1",))])
        (due,) = ledger.due(at(1), 10)
        assert due.notice.checkpoint == ledger.checkpoint()
        desk.report([Stopped(at=at(5), why="the end")])
    return path


def _sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def _keep(path: Path, file: Path) -> None:
    file.write_text(newest_checkpoint(path), encoding="utf-8")


def _go_on(path: Path, seconds: float) -> None:
    with open_signed(path, now=lambda: NOW) as ledger:
        Desk(ledger, ()).report([Alive(at=at(seconds), rounds=0, failed=0, missed=0)])


def test_a_gap_between_two_kept_checkpoints_says_where_history_was_rewritten(path: Path, tmp_path: Path) -> None:
    sizes = []
    for name in ("1", "2", "3"):
        _keep(path, tmp_path / f"{name}.checkpoint")
        sizes.append(audit(path).leaves)
        _go_on(path, 10)
        _go_on(path, 20)
    _sql(path, f"UPDATE leaf SET body = (SELECT body FROM leaf WHERE idx = {sizes[1]}), hash = "
         f"(SELECT hash FROM leaf WHERE idx = {sizes[1]}) WHERE idx = {sizes[1] + 1}")  # fmt: skip
    forked = [it for it in audit(path, kept=read_kept([tmp_path])).faults if it.startswith("FORKED")]
    assert len(forked) == 1
    assert f"from leaf {sizes[1]} to leaf {sizes[2] - 1} was rewritten" in forked[0]


def test_an_altered_leaf_is_named_once_and_the_kept_checkpoint_does_not_repeat_it(path: Path, tmp_path: Path) -> None:
    _keep(path, tmp_path / "k.checkpoint")
    _sql(path, "UPDATE leaf SET body = CAST(replace(body, 'the end', 'no end!') AS BLOB)")
    faults = audit(path, kept=read_kept([tmp_path])).faults
    assert sum("is not what it was when it was written" in it for it in faults) == 1
    assert not any(it.startswith("FORKED") for it in faults)


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("DELETE FROM leaf", "TRUNCATED"),
        ("INSERT INTO leaf SELECT -1, body, hash FROM leaf WHERE idx = 0", "ALTERED: leaf -1 stands where leaf 0"),
        ("UPDATE tree SET checkpoint = NULL", "ALTERED: the head is not signed"),
        ("UPDATE tree SET checkpoint = 'nothing'", "FORKED: the ledger's own checkpoint"),
        ("UPDATE leaf SET body = x'7b7d' WHERE idx = 2", "ALTERED: leaf 2 is not a decision"),
        ("UPDATE leaf SET body = x'ff00' WHERE idx = 2", "ALTERED: leaf 2 is not a decision"),
        ("UPDATE signing_key SET key = 'mine'", "ALTERED: row 0 of table signing_key differs"),
        ("DROP TABLE incident", "ALTERED: incident is not the table it was"),
    ],
)
def test_every_other_harm_has_its_word(path: Path, tmp_path: Path, statement: str, word: str) -> None:
    _keep(path, tmp_path / "k.checkpoint")
    _sql(path, statement)
    assert any(it.startswith(word) for it in audit(path, kept=read_kept([tmp_path])).faults)


def test_a_table_that_was_replaced_by_a_view_is_not_read(path: Path) -> None:
    _sql(path, "CREATE TABLE old AS SELECT * FROM leaf", "DROP TABLE leaf", "CREATE VIEW leaf AS SELECT * FROM old")
    assert "ALTERED: leaf is not the table it was" in audit(path).faults


def test_a_silence_counts_only_while_a_watchdog_runs(path: Path) -> None:
    _go_on(path, 100_000)
    assert audit(path, max_gap=timedelta(minutes=15)).faults == ()
    with open_signed(path, now=lambda: NOW) as ledger:
        Desk(ledger, ()).report([Started(at=at(100_000), version="0", config_digest="0")])
    _go_on(path, 100_600)
    assert audit(path, max_gap=timedelta(minutes=15)).faults == ()
    _go_on(path, 102_000)
    (fault,) = audit(path, max_gap=timedelta(minutes=15)).faults
    assert fault.startswith("BLIND WINDOW: nothing was recorded from 2026-03-02 15:56:40 to 2026-03-02 16:20:00 UTC")
    assert audit(path, max_gap=timedelta(hours=1)).faults == ()
    assert verify_ledger.main([str(path), "--key", newest_key(path)]) == 1


def test_a_daemon_that_goes_on_writing_is_audited_as_of_one_moment(path: Path) -> None:
    with open_signed(path, now=lambda: NOW) as ledger:
        desk = Desk(ledger, ())
        for number in range(5):
            desk.report([], [finding(subject=f"s{number}")])
            assert audit(path).faults == ()


def test_an_incident_is_proved_by_its_events_and_its_evidence(path: Path) -> None:
    connection = sqlite3.connect(path)
    (incident,) = connection.execute("SELECT id FROM incident").fetchone()
    wanted = connection.execute(
        "SELECT leaf FROM incident_event UNION SELECT leaf FROM comparison WHERE id = 'c1' ORDER BY 1"
    ).fetchall()
    connection.close()
    indices = leaves_of(path, incident[:6])
    assert [(index,) for index in indices] == wanted
    assert [it.index for it in prove(path, indices)] == indices
    with pytest.raises(LedgerError, match="no leaf 99"):
        prove(path, [99])


def test_an_incident_about_a_client_is_proved_by_its_events_and_its_alarms(path: Path) -> None:
    about = alarm_words.finding(alarm(), ("a1",))
    with open_signed(path, now=lambda: NOW) as ledger:
        Desk(ledger, ()).report([Alarmed(id="a1", at=at(9), alarm=alarm(text=""))], [about])
    connection = sqlite3.connect(path)
    ((raised,),) = connection.execute("SELECT leaf FROM alarm").fetchall()
    ((incident, opened),) = connection.execute(
        "SELECT incident_id, leaf FROM incident_event WHERE incident_id IN (SELECT id FROM incident WHERE rule = ?)",
        (about.rule,),
    ).fetchall()
    connection.close()
    assert leaves_of(path, incident) == [raised, opened]


def test_a_checkpoint_that_is_not_about_the_leaves_proves_nothing(path: Path) -> None:
    _sql(path, "DELETE FROM leaf WHERE idx = 1")
    with pytest.raises(LedgerError, match="not about these leaves"):
        prove(path, [0])


def test_an_unsigned_ledger_has_nothing_to_take_home(path: Path) -> None:
    assert newest_key(path) == str(load(key_beside(path)).verifier)
    _sql(path, "UPDATE tree SET checkpoint = NULL", "DELETE FROM signing_key")
    for take in (newest_checkpoint, newest_key):
        with pytest.raises(LedgerError, match="not signed"):
            take(path)


def test_kept_checkpoints_that_cannot_be_read_are_an_error_and_never_passed_over(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no checkpoint here"):
        read_kept([tmp_path])
    with pytest.raises(LedgerError, match="cannot be read"):
        read_kept([tmp_path / "nothing"])
    (tmp_path / "a.checkpoint").write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerError, match="not text"):
        read_kept([tmp_path])
