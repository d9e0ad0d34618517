"""The whole job as a user runs it: YAML in, page out, on real sockets, without torch."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.acceptance.pages import DOCS
from tests.running import run
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


def test_the_flood_is_found_in_the_query_log_and_told_and_explained(played: Path) -> None:
    result = json.loads((played / "result.json").read_text())
    assert result["flood_paged"] is True
    assert 0 < result["refused_until_noticed"] <= 20
    assert result["wrongly_accused"] == 0
    assert result["own_probes_in_log"] > 0
    _, listed = _run("incidents", "list", "--json", config=played / "config.yaml")
    (flood,) = [it for it in json.loads(listed) if it["rule"] == "boundary_flood"]
    assert (flood["suspect"], flood["subject"]) == ("client", "gateway/night-owl-77")
    code, shown = _run("incidents", "show", flood["id"], config=played / "config.yaml")
    assert code == 0
    for told in ("Who", "night-owl-77", "Since", "Evidence", "by chance", "What now", "opens the lock"):
        assert told in shown
    _, details = _run("incidents", "show", flood["id"], "--json", config=played / "config.yaml")
    (*_, alarm) = json.loads(details)["alarms"]
    assert [it["why"] for it in alarm["examples"]] == ["refused"] * 5
    assert "boundary_flood" in (played / "stdout").read_text()


def test_the_demo_shows_the_page_and_four_commands_that_work(played: Path) -> None:
    shown = (played / "stdout").read_text()
    assert "The page, as on-call got it" in shown
    assert "evidence" in shown
    commands = [line.split("corrigibility-watchdog ")[1] for line in shown.splitlines() if line.startswith("corrig")]
    assert len(commands) == 4
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


def test_every_finding_and_what_it_rests_on_is_recomputed_from_the_ledger_alone(played: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    shutil.copy(played / "ledger.sqlite", ledger)  # no configuration, no key, and the gateway is gone
    with closing(sqlite3.connect(ledger)) as raw:
        (incident,) = raw.execute("SELECT id FROM incident WHERE rule = 'divergence.gap'").fetchone()
        (verdict,) = raw.execute("SELECT id FROM verdict WHERE grade = 'complied' LIMIT 1").fetchone()
    ran = run("audit", "recompute", incident[:8], "--ledger", ledger, "--json")
    again = json.loads(ran.out)
    findings = [it for it in again["parts"] if it["kind"] == "finding"]
    replies = [it for it in again["parts"] if it["kind"] == "comparison"]
    assert (ran.code, again["outcome"]) == (0, "same")
    assert findings
    assert replies
    assert all(check["same"] for part in again["parts"] for check in part["checks"])
    assert run("audit", "recompute", verdict, "--ledger", ledger).code == 0
    assert f"{incident}: same" in run("audit", "recompute", incident, "--ledger", ledger).out

    (shown,) = re.findall(r"```python\n(.*?)```", (DOCS / "auditing.md").read_text(encoding="utf-8"), re.DOTALL)
    script = [sys.executable, "-c", shown, replies[0]["id"]]
    printed = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    gaps = [float(line.split()[0]) for line in printed.splitlines()]
    assert max(gaps) == round(next(it["recorded"] for it in replies[0]["checks"] if it["what"] == "gap"), 2)
    assert "instead of" in printed

    with closing(sqlite3.connect(ledger)) as raw, raw:
        raw.execute("UPDATE exhibit SET body = x'00' WHERE leaf = ?", (replies[0]["leaf"],))
        raw.execute("DELETE FROM exhibit WHERE leaf = ?", (replies[1]["leaf"],))
    bent = run("audit", "recompute", replies[0]["id"], "--ledger", ledger)
    assert (bent.code, "differs  exhibit" in bent.out) == (1, True)
    gone = run("audit", "recompute", replies[1]["id"], "--ledger", ledger)
    assert (gone.code, "is missing" in gone.out) == (3, True)
    assert run("audit", "recompute", "ffffffff", "--ledger", ledger).code == 4


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
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
