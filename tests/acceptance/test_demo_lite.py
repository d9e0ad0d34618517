"""The whole job as a user runs it: YAML in, page out, on real sockets, without torch."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from watchdog.cli.app import app

COMMAND = [sys.executable, "-c", "from watchdog.cli import main; main()"]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo was played once, and that is left as a user would find it."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [*COMMAND, "demo", "--lite", "--state", str(folder), "--json", str(folder / "result.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    (folder / "stdout").write_text(done.stdout)
    return folder


def _run(*arguments: str, config: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--config", str(config)])
    return result.exit_code, result.stdout


def test_the_demo_measures_what_it_promises(played: Path) -> None:
    result = json.loads((played / "result.json").read_text())
    assert result["clean_rounds"] >= 8
    assert result["clean_replies_byte_different"] > 0
    assert result["clean_flagged"] == 0
    assert result["incidents_while_clean"] == 0
    assert result["recovered"] is True
    assert result["ledger_ok"] is True
    assert result["words_found"] >= 0.9 * result["words_edited"] > 0


def test_the_demo_shows_the_page_and_three_commands_that_work(played: Path) -> None:
    shown = (played / "stdout").read_text()
    assert "The page, as on-call got it" in shown
    assert "evidence" in shown
    commands = [line.split("corrigibility-watchdog ")[1] for line in shown.splitlines() if line.startswith("corrig")]
    assert len(commands) == 3
    for command in commands:
        arguments = command.split(" --config ")[0].split()
        code, _ = _run(*arguments, config=played / "config.yaml")
        assert code == 0


def test_the_incident_is_there_for_programs_with_its_edited_words(played: Path) -> None:
    _, listed = _run("incidents", "list", "--json", config=played / "config.yaml")
    (incident,) = [it for it in json.loads(listed) if it["rule"] == "divergence.gap"]
    assert incident["state"] == "recovered"
    _, shown = _run("incidents", "show", incident["id"], "--json", config=played / "config.yaml")
    details = json.loads(shown)
    assert [it["kind"] for it in details["events"] if it["kind"] != "repeated"] == ["opened", "recovered"]
    words = [span for reply in details["evidence"] for span in reply["edited"]]
    assert words
    for reply in details["evidence"]:
        for span in reply["edited"]:
            assert reply["delivered_reply"][span["start"] : span["end"]] == span["delivered"]


def test_an_unknown_incident_is_an_error_with_a_hint(played: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "incidents", "show", "ffffffff", "--config", str(played / "config.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.startswith("Error: no incident")
    assert "Try:" in done.stderr


def test_a_round_against_a_gateway_that_is_gone_is_unreachable_and_not_a_finding(played: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "once", "--config", str(played / "config.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "unreachable" in done.stdout


def test_a_second_demo_in_the_same_folder_keeps_the_first_record(played: Path) -> None:
    before = (played / "ledger.sqlite").read_bytes()
    result = CliRunner().invoke(app, ["demo", "--lite", "--state", str(played)])
    assert result.exit_code == 0, result.output
    assert (played / "ledger-2.sqlite").exists()
    assert (played / "ledger.sqlite").read_bytes() == before


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_ends_at_once_and_leaves_no_process(tmp_path: Path, sent: signal.Signals) -> None:
    process = subprocess.Popen(
        [*COMMAND, "demo", "--lite", "--state", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout or ():
        if "clean round 1" in line:
            break
    process.send_signal(sent)
    started = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < 10
    assert process.returncode == 130
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
