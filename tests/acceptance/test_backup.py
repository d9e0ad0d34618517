"""`backup`, `restore` and `audit fork-declare` at the command line: what they print, and how they end."""

import json
import random
import sqlite3
from pathlib import Path

import pytest

from storage.receipts import newest_checkpoint, newest_key
from storage.signing import open_signed
from tests.builders import NOW
from tests.running import run, write_config
from tests.tampering import play


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a ledger with some sessions in it, and a backup beside it."""
    play(tmp_path / "ledger.sqlite", random.Random(5), 1)
    config = write_config(tmp_path, "http://127.0.0.1:1/v1")
    assert run("backup", "--to", tmp_path / "backup.sqlite", "--config", config).code == 0
    return config


def _restore(config: Path, *more: str) -> tuple[str | Path, ...]:
    source = config.with_name("backup.sqlite")
    return ("restore", "--from", source, "--reason", "a test", "--by", "Ada", "--config", config, *more)


def _edit(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE leaf SET body = CAST(replace(body, 'risky', 'fine!') AS BLOB)")
    connection.close()


def test_a_backup_says_what_it_holds_and_what_it_does_not(config: Path, tmp_path: Path) -> None:
    ran = run("backup", "--to", tmp_path / "b.sqlite", "--config", config)
    assert ran.code == 0
    assert "b.sqlite: intact; " in ran.out
    assert f"not in it: the signing key, {tmp_path}/ledger.sqlite.key" in ran.out
    ran = run("backup", "--to", tmp_path / "c.sqlite", "--ledger", tmp_path / "ledger.sqlite", "--json")
    row = json.loads(ran.out)
    assert (row["intact"], row["faults"]) == (True, [])
    assert row["bytes"] == (tmp_path / "c.sqlite").stat().st_size
    assert Path(row["checkpoint"]).read_text() == newest_checkpoint(tmp_path / "c.sqlite")
    assert row["key"] == newest_key(tmp_path / "ledger.sqlite")


def test_a_backup_never_overwrites_and_needs_a_ledger(config: Path, tmp_path: Path) -> None:
    assert run("backup", "--to", tmp_path / "backup.sqlite", "--config", config).code == 2
    assert run("backup", "--to", tmp_path / "ledger.sqlite", "--config", config).code == 2
    assert run("backup", "--to", tmp_path / "n.sqlite", "--ledger", tmp_path / "none.sqlite").code == 4
    assert run("backup", "--to", tmp_path / "none" / "n.sqlite", "--config", config).code == 4


def test_a_ledger_with_faults_gives_a_copy_that_says_so(config: Path, tmp_path: Path) -> None:
    _edit(tmp_path / "ledger.sqlite")
    ran = run("backup", "--to", tmp_path / "b.sqlite", "--config", config)
    assert ran.code == 1
    assert ran.out.startswith("ALTERED: leaf")
    assert "b.sqlite.faulty: " in ran.out


def test_restoring_prints_the_new_key_alone_and_says_the_rest_beside_it(config: Path, tmp_path: Path) -> None:
    config.write_text(f"origin: {newest_key(tmp_path / 'ledger.sqlite').split('+')[0]}\n" + config.read_text())
    ran = run(*_restore(config))
    assert ran.code == 0, ran.err
    assert ran.out == newest_key(tmp_path / "ledger.sqlite") + "\n"
    assert "is kept as" in ran.err
    old, new = (newest_key(tmp_path / name).split("+")[0] for name in ("backup.sqlite", "ledger.sqlite"))
    assert f"change `origin: {old}` to `origin: {new}`" in ran.err
    verify = ("audit", "verify", "--config", config)
    assert run(*verify).code == 1
    accepted = run(*verify, "--accept-fork", ran.out.strip())
    assert accepted.code == 0
    assert accepted.out.startswith("accepted: FORKED: leaf")
    shown = json.loads(run(*verify, "--accept-fork", ran.out.strip(), "--json").out)
    assert (len(shown["accepted"]), shown["faults"]) == (1, [])
    # The old name is refused from now on, with the line to write.
    refused = run("once", "--config", config)
    assert refused.code == 2
    assert f"set `origin: {new}`" in refused.err


def test_a_backup_with_faults_is_not_restored(config: Path, tmp_path: Path) -> None:
    _edit(tmp_path / "backup.sqlite")
    before = (tmp_path / "ledger.sqlite").read_bytes()
    ran = run(*_restore(config))
    assert ran.code == 1
    assert ran.out.startswith("ALTERED: leaf")
    assert "not restored" in ran.err
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_what_cannot_be_restored_is_named_with_a_remedy(config: Path, tmp_path: Path) -> None:
    with open_signed(tmp_path / "ledger.sqlite", now=lambda: NOW):
        held = run(*_restore(config))
    assert (held.code, "another watchdog is writing this ledger" in held.err) == (4, True)
    assert run("restore", "--from", tmp_path / "none", "--reason", "r", "--config", config).code == 4
    assert run("restore", "--from", tmp_path / "ledger.sqlite", "--reason", "r", "--config", config).code == 2
    assert run(*_restore(config, "--reason", " ")).code == 2
    assert run(*_restore(config, "--lost-checkpoint", str(tmp_path / "none"))).code == 2
    assert run(*_restore(config, "--lost-checkpoint", str(tmp_path / "backup.sqlite.checkpoint"))).code == 2
    assert run(*_restore(config, "--origin", "a name")).code == 2


def test_the_new_key_can_be_written_elsewhere(config: Path, tmp_path: Path) -> None:
    ran = run(*_restore(config, "--new-key", str(tmp_path / "new.key")))
    assert ran.code == 0
    assert f"signing-key-file: {tmp_path}/new.key" in ran.err
    assert run("audit", "fork-declare", "--reason", "r", "--config", config).code == 2
    config.write_text(f"signing-key-file: {tmp_path}/new.key\n" + config.read_text())
    again = run("audit", "fork-declare", "--reason", "r", "--by", "Ada", "--config", config)
    assert (again.code, again.out) == (0, newest_key(tmp_path / "ledger.sqlite") + "\n")
