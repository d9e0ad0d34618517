"""The auditor's way, as the page of docs tells it: every command on it is run here, in its order."""

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.pages import CONFIG, Place, commands
from tests.tampering import play


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A watchdog's folder with some sessions in March 2026 in its ledger."""
    folder = tmp_path_factory.mktemp("watchdog")
    play(folder / "ledger.sqlite", random.Random(7), 3)
    (folder / "config.yaml").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return folder


def _run(home: Path, script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "WATCHDOG_CONFIG": str(home / "config.yaml")}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_following_the_page_works(march: Path, tmp_path: Path) -> None:
    assert len(commands("auditing.md")) >= 9
    place = Place.make(tmp_path, march)
    said = place.follow("auditing.md")
    assert "ledger.sqlite: intact" in said
    assert "1 kept checkpoints held against it" in said
    assert "is in the signed tree" in said
    events = [json.loads(line)["event"]["kind"] for line in said.splitlines() if line.startswith("{")]
    assert events.count("opened") == events.count("recovered") == 2
    assert len(list((place.here / "proofs").iterdir())) >= 2

    # The same month, offline: nothing but the copy, the checkpoint, the key and the one file.
    key = (place.here / "watchdog.vkey").read_text().strip()
    bare = place.verify_bare(place.here / "ledger.sqlite", "--key", key, "--checkpoint", "kept", "--from", "2026-03-01")
    assert bare.returncode == 0, bare.stdout + bare.stderr
    assert [line for line in bare.stdout.splitlines() if line.startswith("{")] == [
        line for line in said.splitlines() if line.startswith("{")
    ]


def test_the_verifier_runs_without_the_watchdog(home: Path, tmp_path: Path) -> None:
    _run(
        home, "corrigibility-watchdog audit verifier > verify_ledger.py; corrigibility-watchdog audit key > k", tmp_path
    )
    ours = ["watchdog", "probes", "detectors", "storage", "alerts", "sqlalchemy", "pydantic"]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({ours!r})); "
    code = blocked + "sys.path.insert(0, '.'); import verify_ledger; sys.exit(verify_ledger.main())"
    done = _run(home, f'python -c "{code}" {home}/ledger.sqlite --key "$(cat k)"', tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "intact" in done.stdout


def test_exit_codes_tell_intact_altered_and_unreadable_apart(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    verify = "corrigibility-watchdog audit verify"
    assert _run(tmp_path, verify, tmp_path).returncode == 0
    (tmp_path / "no.checkpoint").write_text("nothing")
    unreadable = _run(tmp_path, f"{verify} --checkpoint no.checkpoint", tmp_path)
    assert (unreadable.returncode, unreadable.stdout) == (4, "")
    assert "no.checkpoint: this is not a signed note" in unreadable.stderr
    assert _run(tmp_path, f"{verify} --ledger nowhere.sqlite", tmp_path).returncode == 4
    assert _run(tmp_path, f"{verify} --max-gap soon", tmp_path).returncode == 2

    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    (index,) = connection.execute("SELECT leaf FROM comparison").fetchone()
    with connection:
        edited = "CAST(replace(body, 'It is risky', 'It is fine!') AS BLOB)"
        connection.execute(f"UPDATE leaf SET body = {edited} WHERE idx = ?", (index,))
    connection.close()
    altered = _run(tmp_path, f"{verify} --json", tmp_path)
    assert altered.returncode == 1
    shown = json.loads(altered.stdout)
    assert shown["faults"][0] == f"ALTERED: leaf {index} is not what it was when it was written"
    assert any(re.match(r"ALTERED: row \S+ of table comparison differs from its leaf", it) for it in shown["faults"])


def test_a_silence_of_a_running_watchdog_is_a_blind_window_and_an_orderly_stop_is_not(home: Path) -> None:
    # The sessions are hours apart, and each was stopped; within one, leaves are a minute apart, and minutes to its end.
    assert _run(home, "corrigibility-watchdog audit verify", home).returncode == 0
    done = _run(home, "corrigibility-watchdog audit verify --max-gap 50s", home)
    assert done.returncode == 1
    assert done.stdout.startswith("BLIND WINDOW: nothing was recorded from 2026-03-01")
