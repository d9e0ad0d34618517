"""The signing key: made once, kept private, and changed only with a trace."""

import itertools
import os
from pathlib import Path

import pytest

from storage import keys
from storage.audit import audit
from storage.checkpoint import open_checkpoint
from storage.keys import create, endorse, endorses, load
from storage.note import SigningKey, VerifierKey, sign
from storage.signing import key_beside, open_signed, rotate
from storage.standalone import verify_ledger
from storage.trust import read_kept
from tests.builders import NOW, finding
from watchdog.desk import Desk
from watchdog.errors import ConfigError

_SECONDS = itertools.count()
"""No two findings are alike: one that is already known adds no leaf."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A signed ledger with an incident in it."""
    path = tmp_path / "ledger.sqlite"
    _open(path)
    return path


def _open(path: Path, *, origin: str | None = None, key_file: Path | None = None) -> str:
    with open_signed(path, now=lambda: NOW, origin=origin, key_file=key_file) as ledger:
        Desk(ledger, ()).report([], [finding(seconds=next(_SECONDS))])
        note = ledger.checkpoint()
    assert note is not None
    return note


def test_the_first_use_makes_a_key_that_only_its_user_can_read(path: Path) -> None:
    file = key_beside(path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert audit(path).key == str(load(file).verifier)


def test_every_commit_is_signed_and_the_next_start_signs_with_the_same_key(path: Path) -> None:
    key = load(key_beside(path)).verifier
    first = open_checkpoint(_open(path), [key])
    second = open_checkpoint(_open(path), [key])
    assert second.size > first.size
    assert second.origin == first.origin == key.name


def test_an_origin_is_given_once_and_for_life(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    assert _open(path, origin="example.com/watchdog/1").startswith("example.com/watchdog/1\n")
    _open(path)
    with pytest.raises(ConfigError, match=r"called 'example.com/watchdog/1', not 'example.com/2'"):
        _open(path, origin="example.com/2")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(path: Path, mode: int) -> None:
    key_beside(path).chmod(mode)
    with pytest.raises(ConfigError, match="others can read") as caught:
        _open(path)
    assert "chmod 600" in caught.value.hint


def test_a_credential_of_the_service_manager_may_show_the_groups_right(tmp_path: Path) -> None:
    file = tmp_path / "credentials" / "key"
    file.parent.mkdir()
    create(file, "a")
    file.chmod(0o440)
    assert load(file, credentials=file.parent).name == "a"
    with pytest.raises(ConfigError, match="others can read"):
        load(file, credentials=tmp_path)
    file.chmod(0o444)
    with pytest.raises(ConfigError, match="others can read"):
        load(file, credentials=file.parent)


@pytest.mark.parametrize("text", ["", "a key\n", "\xff", "PRIVATE+KEY+a+00000000+AAAA\n"])
def test_a_file_that_holds_no_key_is_refused(path: Path, text: str) -> None:
    key_beside(path).write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match="not a signing key"):
        _open(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(ConfigError, match="not a regular file"):
        load(tmp_path / "pipe")
    os.close(descriptor)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nothing")


def test_another_key_than_the_adopted_one_is_refused_and_the_ledger_is_left_alone(path: Path) -> None:
    before = path.read_bytes()
    key_beside(path).unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        _open(path)
    create(key_beside(path), "somebody.example")
    with pytest.raises(ConfigError, match="not the key that the ledger adopted") as caught:
        _open(path)
    assert "--lost" in caught.value.hint
    assert path.read_bytes() == before


def test_a_rotation_is_in_the_record_and_old_checkpoints_hold(path: Path, tmp_path: Path) -> None:
    old = load(key_beside(path)).verifier
    (tmp_path / "old.checkpoint").write_text(_open(path), encoding="utf-8")
    new = rotate(path, now=lambda: NOW)
    assert new != old
    assert load(key_beside(path)).verifier == new
    (tmp_path / "new.checkpoint").write_text(_open(path), encoding="utf-8")

    kept = read_kept([tmp_path])
    assert len(kept) == 2
    for trusted in ([old], [new], [old, new], []):
        assert audit(path, kept=kept, keys=trusted).faults == ()
    for trusted_text in (str(old), str(new)):
        assert verify_ledger.main([str(path), "--key", trusted_text, "--checkpoint", str(tmp_path)]) == 0


def test_a_rotation_to_another_file_leaves_the_old_one(path: Path, tmp_path: Path) -> None:
    old, elsewhere = key_beside(path).read_bytes(), tmp_path / "elsewhere.key"
    new = rotate(path, now=lambda: NOW, to=elsewhere)
    assert key_beside(path).read_bytes() == old
    with pytest.raises(ConfigError, match="not the key that the ledger adopted"):
        _open(path)
    open_checkpoint(_open(path, key_file=elsewhere), [new])


def test_after_a_loss_the_auditor_is_told_until_they_vouch_for_the_new_key(path: Path) -> None:
    old = load(key_beside(path)).verifier
    key_beside(path).unlink()
    new = rotate(path, now=lambda: NOW, lost=True)
    _open(path)

    (fault,) = audit(path, keys=[old]).faults
    assert fault.startswith("FORKED: leaf")
    assert str(new) in fault
    assert audit(path, keys=[old, new]).faults == ()
    assert verify_ledger.main([str(path), "--key", str(old)]) == 1
    assert verify_ledger.main([str(path), "--key", str(old), "--key", str(new)]) == 0


def test_a_rotation_that_was_killed_before_its_leaf_can_be_done_again(path: Path) -> None:
    beside = key_beside(path)
    create(beside.with_name(beside.name + ".next"), load(beside).name)
    _open(path)
    new = rotate(path, now=lambda: NOW)
    assert open_checkpoint(_open(path), [new]).size > 0


def test_a_rotation_that_was_killed_after_its_leaf_is_finished_by_the_next_start(path: Path) -> None:
    beside = key_beside(path)
    old = beside.read_bytes()
    new = rotate(path, now=lambda: NOW)
    beside.rename(beside.with_name(beside.name + ".next"))
    beside.write_bytes(old)
    beside.chmod(0o600)

    assert open_checkpoint(_open(path), [new]).size > 0
    assert load(beside).verifier == new
    assert not beside.with_name(beside.name + ".next").exists()


def test_a_ledger_without_a_key_has_none_to_change(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no key yet"):
        rotate(tmp_path / "ledger.sqlite", now=lambda: NOW)


def test_an_endorsement_is_of_one_key_by_one_key() -> None:
    old, new, other = (SigningKey.create("a") for _ in range(3))
    note = endorse(old, new.verifier)
    assert endorses(note, old.verifier, new.verifier)
    assert not endorses(note, old.verifier, other.verifier)
    assert not endorses(note, other.verifier, new.verifier)
    assert not endorses(None, old.verifier, new.verifier)
    assert not endorses("nothing", old.verifier, new.verifier)
    assert not endorses(sign("a\n1\nx\n", [old]), old.verifier, new.verifier)


def test_a_default_origin_can_name_a_key_and_is_never_the_same_twice() -> None:
    one, other = keys.default_origin(), keys.default_origin()
    assert one != other
    assert VerifierKey.parse(str(SigningKey.create(one).verifier)).name == one
