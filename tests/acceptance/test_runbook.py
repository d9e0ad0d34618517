"""The runbook, as the page tells it: every command is run here on a month of incidents, after the fault it is for."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from storage.audit import audit
from storage.receipts import newest_checkpoint, newest_key
from tests.acceptance.pages import DOCS, Place, commands
from tests.month import Month

PAGE = "recovery.md"


@pytest.fixture(scope="module")
def prepared(march: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A watchdog on 2 April whose auditor keeps checkpoints, and whose last backup is of 31 March."""
    place = Place.make(tmp_path_factory.mktemp("prepared"), march)
    place.follow("auditing.md", "Before: two things to keep")
    place.follow(PAGE, "Every night: a backup")
    Month(place.ledger).live(32, 33)
    (place.here / "kept/2026-04-02.checkpoint").write_text(newest_checkpoint(place.ledger), encoding="utf-8")
    return place


@pytest.fixture
def place(prepared: Place, tmp_path: Path) -> Place:
    """The same, on a machine of its own."""
    shutil.copytree(prepared.root, tmp_path / "machine")
    moved = Place(tmp_path / "machine")
    config = moved.home / "config.yaml"
    config.write_text(config.read_text().replace(str(prepared.home), str(moved.home)), encoding="utf-8")
    return moved


def _damage(place: Place) -> None:
    """Let the disk forget a part of the file."""
    with place.ledger.open("r+b") as file:
        file.seek(8192)
        file.write(b"\0" * 200_000)


def _old_key(place: Place) -> str:
    return (place.here / "watchdog.vkey").read_text().strip()


def _fork_key(place: Place) -> str:
    return (place.here / "fork.vkey").read_text().strip()


def test_every_section_with_commands_has_its_test() -> None:
    headings = [it[3:] for it in (DOCS / PAGE).read_text().splitlines() if it.startswith("## ")]
    assert [it for it in headings if commands(PAGE, it)] == [
        "Every night: a backup",
        "The ledger is lost, or its leaves are damaged",
        "A backup was put back by hand",
        "The key is to be changed",
        "The key is lost",
        "The key may have been stolen",
    ]


def test_a_backup_lies_there_with_its_checkpoint_and_the_key_apart(prepared: Place) -> None:
    names = sorted(it.name for it in (prepared.root / "srv/backup").iterdir())
    assert len(names) == 2
    assert names[1] == names[0] + ".checkpoint"
    assert [it.name for it in (prepared.root / "srv/keys").iterdir()] == ["ledger.sqlite.key"]


def test_a_damaged_ledger_is_restored_and_its_auditor_is_told_what_is_lost(place: Place) -> None:
    _damage(place)
    (place.home / "ledger.sqlite.key").unlink()
    said = place.follow(PAGE, "The ledger is lost, or its leaves are damaged")
    assert "exit code 1" in said
    assert "TRUNCATED: leaves " in said
    assert "Ada Lovelace restored a backup" in said
    assert "copy.sqlite: intact" in said
    assert [it.name for it in place.home.iterdir() if ".before-restore-" in it.name]

    # The watchdog goes on, and finds what it found before.
    Month(place.ledger).live(34, 35)
    (place.here / "kept/2026-04-04.checkpoint").write_text(newest_checkpoint(place.ledger), encoding="utf-8")
    given = ("--key", _old_key(place), "--checkpoint", "kept")
    alone = place.verify_bare(place.ledger, *given)
    assert alone.returncode == 1, alone.stdout + alone.stderr
    assert {it.split(":")[0] for it in alone.stdout.splitlines()[:-1]} == {"FORKED", "TRUNCATED"}
    accepted = place.verify_bare(place.ledger, *given, "--accept-fork", _fork_key(place), "--from", "2026-03-01")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    events = [json.loads(it)["event"]["kind"] for it in accepted.stdout.splitlines() if it.startswith("{")]
    assert events.count("opened") == events.count("recovered") == 2


def test_a_backup_that_was_put_back_by_hand_is_declared_in_time(place: Place) -> None:
    _damage(place)
    said = place.follow(PAGE, "A backup was put back by hand")
    assert "ledger.sqlite: intact" in said
    Month(place.ledger).live(34, 34)
    place.run("corrigibility-watchdog audit verifier > verify_ledger.py")
    given = ("--key", _old_key(place), "--checkpoint", "kept", "--accept-fork", _fork_key(place))
    assert place.verify_bare(place.ledger, *given).returncode == 0


def test_a_backup_that_was_put_back_without_a_word_is_found(place: Place) -> None:
    script = commands(PAGE, "A backup was put back by hand")
    _damage(place)
    assert place.run(*[it for it in script if "audit" not in it]).returncode == 0
    Month(place.ledger).live(32, 34)
    place.run("corrigibility-watchdog audit verifier > verify_ledger.py")
    found = place.verify_bare(place.ledger, "--key", _old_key(place), "--checkpoint", "kept")
    assert found.returncode == 1
    assert found.stdout.startswith("FORKED: kept/2026-04-02.checkpoint names another root")
    # Declared afterwards, it stays found.
    assert place.run(*[it for it in script if "fork-declare" in it]).returncode == 0
    given = ("--key", _old_key(place), "--checkpoint", "kept", "--accept-fork", _fork_key(place))
    late = place.verify_bare(place.ledger, *given)
    assert (late.returncode, late.stdout.count("FORKED: kept/2026-04-02.checkpoint")) == (1, 1)


def test_a_changed_key_asks_nothing_of_the_auditor(place: Place) -> None:
    before = newest_key(place.ledger)
    assert "ledger.sqlite: intact" in place.follow(PAGE, "The key is to be changed")
    assert newest_key(place.ledger) != before
    assert (place.root / "srv/keys/ledger.sqlite.key").read_bytes() == (place.home / "ledger.sqlite.key").read_bytes()
    Month(place.ledger).live(34, 34)
    place.run("corrigibility-watchdog audit verifier > verify_ledger.py")
    done = place.verify_bare(place.ledger, "--key", _old_key(place), "--checkpoint", "kept")
    assert done.returncode == 0, done.stdout


def test_a_lost_key_is_put_back_or_vouched_for_by_the_auditor(place: Place) -> None:
    (place.home / "ledger.sqlite.key").unlink()
    said = place.follow(PAGE, "The key is lost")
    assert said.count("ledger.sqlite: intact") == 2
    assert "exit code 1" in said
    assert "FORKED: leaf" in said
    Month(place.ledger).live(34, 34)


def test_after_a_theft_what_was_kept_before_holds_and_a_forged_history_does_not(place: Place) -> None:
    stolen = place.home / "ledger.sqlite.key"
    elsewhere = place.root / "thief"
    elsewhere.mkdir()
    (elsewhere / "ledger.sqlite.key").write_bytes(stolen.read_bytes())
    (elsewhere / "ledger.sqlite.key").chmod(0o600)
    (newest,) = (place.root / "srv/backup").glob("*.sqlite")
    (elsewhere / "ledger.sqlite").write_bytes(newest.read_bytes())
    assert "ledger.sqlite: intact" in place.follow(PAGE, "The key may have been stolen")

    Month(elsewhere / "ledger.sqlite").live(32, 34)
    assert audit(elsewhere / "ledger.sqlite").faults == ()
    place.run("corrigibility-watchdog audit verifier > verify_ledger.py")
    given = ("--key", _old_key(place), "--checkpoint", "kept")
    assert place.verify_bare(elsewhere / "ledger.sqlite", *given).returncode == 1
    assert place.verify_bare(place.ledger, *given).returncode == 0


def test_the_ledger_that_was_damaged_is_told_apart_from_one_whose_rows_are(place: Place) -> None:
    connection = sqlite3.connect(place.ledger)
    with connection:
        connection.execute("UPDATE incident SET severity = 'info'")
    connection.close()
    rows = place.run("corrigibility-watchdog audit verify")
    assert rows.returncode == 1
    assert "of table incident differs" in rows.stdout
    assert "leaf" not in rows.stdout.split("ledger.sqlite:")[0].replace("its leaf", "")
    assert (
        place.run("corrigibility-watchdog db rebuild || test $? = 1", "corrigibility-watchdog audit verify").returncode
        == 0
    )
