"""Copying a ledger whole, and putting a copy back: nothing is overwritten, and nobody can take it for the original."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from storage import keys
from storage.audit import audit
from storage.backups import Restored, backup, restore
from storage.checkpoint import claimed
from storage.forking import Declaration, fork
from storage.note import VerifierKey
from storage.receipts import newest_checkpoint, newest_key
from storage.signing import key_beside, open_signed, rotate
from storage.standalone import verify_ledger
from storage.trust import read_kept
from tests.builders import at
from tests.tampering import play
from watchdog.domain.actors import Actor
from watchdog.domain.decisions import Started
from watchdog.errors import ConfigError, LedgerError

SAID = Declaration(reason="the disk failed", by=Actor(name="Ada", uid=0))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger, a backup of it, its verifier key, and a checkpoint of what came after the backup."""
    folder = tmp_path_factory.mktemp("made")
    play(folder / "ledger.sqlite", random.Random(7), 2)
    (folder / "watchdog.vkey").write_text(newest_key(folder / "ledger.sqlite"))
    backup(folder / "ledger.sqlite", folder / "backup.sqlite")
    (folder / "later.checkpoint").write_text(play(folder / "ledger.sqlite", random.Random(8), 1, begin=2))
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    shutil.copytree(made, folder)
    return folder


def _restore(home: Path, said: Declaration = SAID) -> Restored:
    return restore(home / "backup.sqlite", home / "ledger.sqlite", said, now=lambda: at(50_000))


def _sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def _names(folder: Path) -> set[str]:
    return {it.name for it in folder.iterdir()}


def test_a_backup_is_the_ledger_as_of_one_moment_with_its_checkpoint_beside_it(home: Path) -> None:
    done = backup(home / "ledger.sqlite", home / "new.sqlite")
    assert done.found.faults == ()
    assert done.path == home / "new.sqlite"
    assert done.checkpoint == home / "new.sqlite.checkpoint"
    assert done.checkpoint.read_text() == newest_checkpoint(home / "ledger.sqlite") == newest_checkpoint(done.path)
    assert {it.stat().st_mode & 0o777 for it in (done.path, done.checkpoint)} == {0o600}
    assert done.size == done.path.stat().st_size
    assert not [it for it in _names(home) if "partial" in it]


@pytest.mark.parametrize("name", ["new.sqlite", "new.sqlite.checkpoint", "new.sqlite.faulty"])
def test_a_backup_overwrites_nothing(home: Path, name: str) -> None:
    (home / name).write_text("somebody's")
    with pytest.raises(ConfigError, match="there already"):
        backup(home / "ledger.sqlite", home / "new.sqlite")
    assert (home / name).read_text() == "somebody's"


def test_the_ledger_is_no_place_for_its_own_backup(home: Path) -> None:
    (home / "link.sqlite").symlink_to(home / "ledger.sqlite")
    for place in ("ledger.sqlite", "link.sqlite"):
        with pytest.raises(ConfigError, match="the ledger itself"):
            backup(home / "ledger.sqlite", home / place)


def test_a_folder_that_is_not_there_and_a_ledger_that_is_not_there_are_named(home: Path) -> None:
    with pytest.raises(LedgerError, match=r"nowhere/.*cannot be written: No such file"):
        backup(home / "ledger.sqlite", home / "nowhere" / "new.sqlite")
    with pytest.raises(LedgerError, match="no ledger here"):
        backup(home / "nothing.sqlite", home / "new.sqlite")
    assert not (home / "new.sqlite").exists()


def test_a_copy_with_faults_gets_no_name_that_passes_for_a_backup(home: Path) -> None:
    _sql(home / "ledger.sqlite", "UPDATE leaf SET body = CAST(replace(body, 'risky', 'fine!') AS BLOB)")
    done = backup(home / "ledger.sqlite", home / "new.sqlite")
    assert any(it.startswith("ALTERED: leaf") for it in done.found.faults)
    assert done.path == home / "new.sqlite.faulty"
    assert done.path.exists()
    assert done.checkpoint is None
    assert not (home / "new.sqlite").exists()


def test_a_lost_key_and_a_declared_fork_are_no_faults_to_their_owner(home: Path) -> None:
    _restore(home)
    key_beside(home / "ledger.sqlite").unlink()
    rotate(home / "ledger.sqlite", now=lambda: at(60_000), lost=True)
    assert backup(home / "ledger.sqlite", home / "new.sqlite").found.faults == ()


def test_what_a_full_disk_left_of_a_copy_is_taken_away(home: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from storage.backups import backup\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "backup(Path('ledger.sqlite'), Path('new.sqlite'))"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    before = _names(home)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert "LedgerBrokenError: new.sqlite.partial: disk I/O error" in done.stderr, done.stderr
    assert _names(home) == before


def test_a_restored_ledger_has_a_new_name_linked_to_the_old_head(home: Path) -> None:
    old = keys.load(key_beside(home / "ledger.sqlite")).verifier
    later = (home / "ledger.sqlite").read_bytes()
    done = _restore(home)
    assert done.fork is not None
    assert done.kept is not None
    assert done.kept.name == "ledger.sqlite.before-restore-20260302T015320Z"
    assert done.kept.read_bytes() == later
    assert done.fork.parent_origin == old.name
    assert done.fork.parent_size == audit(home / "backup.sqlite").leaves
    assert done.fork.parent_checkpoint == newest_checkpoint(home / "backup.sqlite")
    new = keys.load(key_beside(home / "ledger.sqlite")).verifier
    assert str(new) == done.fork.key == newest_key(home / "ledger.sqlite")
    assert claimed(newest_checkpoint(home / "ledger.sqlite")).origin == done.fork.origin == new.name
    assert not [it for it in _names(home) if "restoring" in it or it.endswith(".next")]

    play(home / "ledger.sqlite", random.Random(9), 1, begin=6)
    kept = read_kept([home])
    assert len(kept) == 2
    words = [it.split(":")[0] for it in audit(home / "ledger.sqlite", kept=kept, keys=[old]).faults]
    assert words == ["FORKED", "TRUNCATED"]
    found = audit(home / "ledger.sqlite", kept=kept, keys=[old], accepted=[new])
    assert found.faults == ()
    assert [it.split(":")[0] for it in found.accepted] == ["FORKED", "TRUNCATED"]
    given = [str(home / "ledger.sqlite"), "--key", str(old), "--checkpoint", str(home)]
    assert verify_ledger.main(given) == 1
    assert verify_ledger.main([*given, "--accept-fork", str(new)]) == 0


def test_the_time_between_backup_and_fork_is_told_with_the_fork_and_not_as_a_blind_window(home: Path) -> None:
    """The backup was taken while the watchdog ran: its last leaf is no orderly stop."""
    path = home / "ledger.sqlite"
    with open_signed(path, now=lambda: at(0)) as ledger, ledger.transaction() as transaction:
        transaction.append(Started(at=at(40_000), version="0", config_digest="0"))
    backup(path, home / "while-running.sqlite")
    restore(home / "while-running.sqlite", path, SAID, now=lambda: at(90_000))
    (fault,) = audit(path, max_gap=timedelta(minutes=15)).faults
    assert "the leaf before it is of 2026-03-01 23:06:40 UTC" in fault
    assert verify_ledger.main([str(path), "--key", newest_key(path), "--accept-fork", newest_key(path)]) == 0


def test_an_altered_backup_is_refused_with_its_faults_and_nothing_is_changed(home: Path) -> None:
    _sql(home / "backup.sqlite", "UPDATE leaf SET body = CAST(replace(body, 'risky', 'fine!') AS BLOB)")
    before = {it: it.read_bytes() for it in home.iterdir()}
    done = _restore(home)
    assert done.fork is None
    assert any(it.startswith("ALTERED: leaf") for it in done.found.faults)
    assert {it: it.read_bytes() for it in home.iterdir()} == before


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda it: it.unlink(), "no backup here"),
        (lambda it: it.write_bytes(b"notes " * 2000), "not a database"),
        (lambda it: it.write_bytes(it.read_bytes()[:60_000]), "malformed"),
        (lambda it: _sql(it, "UPDATE alembic_version SET version_num = '9999'"), "newer version"),
    ],
)
def test_what_is_no_backup_is_refused_and_nothing_is_changed(
    home: Path, harm: Callable[[Path], None], said: str
) -> None:
    harm(home / "backup.sqlite")
    before = {it: it.read_bytes() for it in home.iterdir()}
    with pytest.raises(LedgerError, match=said):
        _restore(home)
    assert {it: it.read_bytes() for it in home.iterdir()} == before


def test_while_a_daemon_holds_the_ledger_nothing_is_restored(home: Path) -> None:
    before = (home / "ledger.sqlite").read_bytes()
    with (
        open_signed(home / "ledger.sqlite", now=lambda: at(0)),
        pytest.raises(LedgerError, match="another watchdog is writing"),
    ):
        _restore(home)
    assert (home / "ledger.sqlite").read_bytes() == before


def test_a_ledger_that_is_gone_is_restored_with_its_key(home: Path) -> None:
    (home / "ledger.sqlite").unlink()
    done = _restore(home)
    assert done.kept is None
    play(home / "ledger.sqlite", random.Random(9), 1, begin=6)
    assert audit(home / "ledger.sqlite", keys=None).faults == ()


@pytest.mark.parametrize("gone", [False, True])
def test_the_journal_of_the_old_ledger_goes_with_it_and_is_never_played_into_the_new_one(
    home: Path, gone: bool
) -> None:
    hot = home / "ledger.sqlite-journal"
    writer = subprocess.Popen([sys.executable, "-c", HALF_A_COMMIT, home / "ledger.sqlite"], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert hot.stat().st_size > 0
    whole, journal = (home / "ledger.sqlite").read_bytes(), hot.read_bytes()
    if gone:
        (home / "ledger.sqlite").unlink()
    done = _restore(home)
    assert audit(home / "ledger.sqlite", keys=None).faults == ()
    (kept,) = [it for it in home.iterdir() if it.name.startswith("ledger.sqlite.before") and "journal" in it.name]
    assert kept.read_bytes() == journal
    assert not hot.exists()
    if done.kept is not None:
        assert done.kept.read_bytes() == whole
        connection = sqlite3.connect(done.kept)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


HALF_A_COMMIT = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=1")
connection.execute("PRAGMA cache_spill=1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE leaf SET body = zeroblob(20000)")
print("half", flush=True)
time.sleep(60)
"""


def test_a_restore_that_was_killed_before_the_key_took_its_place_is_finished_by_the_next_start(home: Path) -> None:
    beside = key_beside(home / "ledger.sqlite")
    old = beside.read_bytes()
    done = _restore(home)
    assert done.fork is not None
    beside.rename(beside.with_name(beside.name + ".next"))
    beside.write_bytes(old)
    beside.chmod(0o600)
    with open_signed(home / "ledger.sqlite", now=lambda: at(60_000)) as ledger:
        note = ledger.checkpoint()
    assert note is not None
    assert note.startswith(done.fork.origin)
    assert str(keys.load(beside).verifier) == done.fork.key


def test_a_restore_that_was_killed_leaves_nothing_in_the_way_of_the_next(home: Path) -> None:
    for name in ("ledger.sqlite.restoring", "ledger.sqlite.restoring.lock", "ledger.sqlite.restoring-journal"):
        (home / name).write_bytes(b"half a file")
    keys.create(home / "ledger.sqlite.key.next", "a-name-that-was-never-adopted")
    assert _restore(home).fork is not None
    assert audit(home / "ledger.sqlite", keys=None).faults == ()


def test_without_the_key_it_is_restored_only_by_somebody_who_says_that_it_is_lost(home: Path) -> None:
    key_beside(home / "ledger.sqlite").unlink()
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        _restore(home)
    assert "--key-lost" in caught.value.hint
    done = _restore(home, Declaration(reason="the machine is gone", by=SAID.by, key_lost=True))
    assert done.fork is not None
    assert done.fork.endorsement is None
    (fault,) = audit(home / "ledger.sqlite").faults
    assert "the parent's key did not sign this" in fault


def test_a_key_that_was_changed_after_the_backup_signs_the_fork_for_who_knows_it(home: Path) -> None:
    between = rotate(home / "ledger.sqlite", now=lambda: at(40_000))
    with pytest.raises(ConfigError, match="not the key that the ledger adopted"):
        _restore(home)
    (home / "lost.checkpoint").write_text(newest_checkpoint(home / "ledger.sqlite"))
    lost = (home / "lost.checkpoint").read_text()
    done = _restore(home, Declaration(reason="r", by=SAID.by, key_lost=True, lost=lost))
    assert done.fork is not None
    (fault,) = audit(home / "ledger.sqlite", keys=[between]).faults
    assert "did not sign" not in fault
    assert "are lost" in fault
    new = VerifierKey.parse(done.fork.key)
    old = VerifierKey.parse((home / "watchdog.vkey").read_text())
    assert audit(home / "ledger.sqlite", kept=read_kept([home]), keys=[old, between], accepted=[new]).faults == ()


@pytest.mark.parametrize(
    ("lost", "problem"),
    [
        ("backup.sqlite.checkpoint", "covers .* leaves, and .* are there"),
        ("stranger", "none of the known keys"),
        ("nothing", "not a signed note"),
    ],
)
def test_what_does_not_show_a_loss_is_refused_as_a_lost_checkpoint(home: Path, lost: str, problem: str) -> None:
    play(home / "other.sqlite", random.Random(3), 4)
    notes = {"stranger": newest_checkpoint(home / "other.sqlite"), "nothing": "nothing"}
    note = notes.get(lost) or (home / lost).read_text()
    before = (home / "ledger.sqlite").read_bytes()
    with pytest.raises(ConfigError, match=f"--lost-checkpoint: .*{problem}"):
        _restore(home, Declaration(reason="r", by=SAID.by, lost=note))
    assert (home / "ledger.sqlite").read_bytes() == before


def test_a_name_is_given_once(home: Path) -> None:
    old = claimed(newest_checkpoint(home / "ledger.sqlite")).origin
    with pytest.raises(ConfigError, match="was called"):
        _restore(home, Declaration(reason="r", by=SAID.by, origin=old))
    with pytest.raises(ConfigError, match="cannot name a key"):
        _restore(home, Declaration(reason="r", by=SAID.by, origin="a name"))
    done = _restore(home, Declaration(reason="r", by=SAID.by, origin="example.com/2"))
    assert done.fork is not None
    assert done.fork.origin == "example.com/2"


def test_the_name_of_a_fork_of_a_fork_does_not_grow(home: Path) -> None:
    path = home / "ledger.sqlite"
    first = fork(path, SAID, now=lambda: at(50_000))
    second = fork(path, SAID, now=lambda: at(60_000))
    assert first.origin != second.origin
    assert len(first.origin) == len(second.origin)
    assert audit(path, keys=None).faults == ()
    assert len(audit(path).faults) == 2


def test_after_a_fork_the_configuration_has_to_give_the_new_name_or_none(home: Path) -> None:
    path = home / "ledger.sqlite"
    old = claimed(newest_checkpoint(path)).origin
    declared = fork(path, SAID, now=lambda: at(50_000))
    for origin in (None, declared.origin):
        open_signed(path, now=lambda: at(60_000), origin=origin).close()
    with pytest.raises(ConfigError) as caught:
        open_signed(path, now=lambda: at(60_000), origin=old)
    assert f"origin: {declared.origin}" in caught.value.hint


def test_the_new_key_can_go_to_another_file(home: Path) -> None:
    old = key_beside(home / "ledger.sqlite").read_bytes()
    declared = fork(home / "ledger.sqlite", SAID, now=lambda: at(50_000), to=home / "new.key")
    assert key_beside(home / "ledger.sqlite").read_bytes() == old
    assert str(keys.load(home / "new.key").verifier) == declared.key


def test_a_head_that_was_not_signed_is_not_handed_on(home: Path) -> None:
    _sql(home / "ledger.sqlite", "UPDATE tree SET checkpoint = NULL")
    with pytest.raises(LedgerError, match="not the one that was signed"):
        fork(home / "ledger.sqlite", SAID, now=lambda: at(50_000))
    shutil.copy(home / "backup.sqlite", home / "ledger.sqlite")
    _sql(home / "ledger.sqlite", "UPDATE tree SET root = zeroblob(32), peaks = zeroblob(32), size = 1")
    with pytest.raises(LedgerError, match="not the one that was signed"):
        fork(home / "ledger.sqlite", SAID, now=lambda: at(50_000))


def test_a_ledger_without_a_name_has_nothing_to_fork(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="never had a name"):
        fork(tmp_path / "ledger.sqlite", SAID, now=lambda: at(0))


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 1001, "a\x1b[31mb", "a\ud800b"])
def test_a_reason_is_a_sentence_that_can_be_shown(reason: str) -> None:
    with pytest.raises(ConfigError, match="--reason"):
        Declaration(reason=reason, by=SAID.by)


def test_who_restores_by_hand_and_says_nothing_is_found_by_a_later_checkpoint(home: Path) -> None:
    """The old name and the old key go on: only what somebody kept can tell."""
    shutil.copy(home / "backup.sqlite", home / "ledger.sqlite")
    key = VerifierKey.parse((home / "watchdog.vkey").read_text())
    kept = read_kept([home / "later.checkpoint"])
    (cut,) = audit(home / "ledger.sqlite", kept=kept, keys=[key]).faults
    assert cut.startswith("TRUNCATED: later.checkpoint covers")
    for seed in range(3):
        play(home / "ledger.sqlite", random.Random(100 + seed), 1, begin=4 + seed)
    assert audit(home / "ledger.sqlite", keys=[key]).faults == ()
    (found,) = audit(home / "ledger.sqlite", kept=kept, keys=[key]).faults
    assert found.startswith("FORKED: later.checkpoint names another root")
    given = [str(home / "ledger.sqlite"), "--key", str(key), "--checkpoint", str(home / "later.checkpoint")]
    assert verify_ledger.main(given) == 1


def test_a_declaration_that_was_edited_in_the_file_is_named(home: Path) -> None:
    path = home / "ledger.sqlite"
    declared = fork(path, SAID, now=lambda: at(50_000))
    new = VerifierKey.parse(declared.key)
    _sql(path, "UPDATE leaf SET body = CAST(replace(body, 'the disk failed', 'all went well!!') AS BLOB)")
    faults = audit(path, accepted=[new]).faults
    assert f"ALTERED: leaf {declared.parent_size} is not what it was when it was written" in faults
    assert any("table fork differs from its leaf in reason" in it for it in faults)
    assert verify_ledger.main([str(path), "--key", declared.key, "--accept-fork", declared.key]) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for somebody else")
def test_what_root_restores_belongs_to_whom_the_folder_belongs_to(home: Path) -> None:
    for it in (home, *home.iterdir()):
        os.chown(it, 12345, 12345)
    (home / "ledger.sqlite.lock").unlink(missing_ok=True)
    _restore(home)
    assert {it.stat().st_uid for it in home.iterdir()} == {12345}
