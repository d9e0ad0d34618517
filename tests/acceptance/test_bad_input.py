"""Whatever an endpoint, a disk or a clock does: a clear message, a remedy, the right exit code, and nothing lost."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.audit import audit
from storage.ledger import SqliteLedger
from tests.misbehaving import Answer, completion, misbehaving
from tests.running import COMMAND, Ran, run, run_process, write_config
from tests.watching import Watching, fails
from watchdog.domain.exchanges import Reason

KEY = "sk-3cr3t-0123456789"
NOWHERE = "http://127.0.0.1:1/v1"
HTML = b"<!doctype html><html><body>Please log in \x1b[31m</body></html>"
STEERING = "6. \x1b]0;owned\x07\x1b[2J\u202eflip\u2066\n7. \x1b[31mflop\n8. flap"

ANSWERS = {
    "401": (Answer(401, b'{"error": {"message": "no"}}'), 3, "unauthorized"),
    "404 model": (Answer(404, b'{"error": {"code": "model_not_found"}}'), 3, "model_not_found"),
    "429": (Answer(429, b"{}"), 3, "rate_limited"),
    "500": (Answer(500, b"oops"), 4, "server_error"),
    "an error under 200": (Answer(200, b'{"error": {"message": "quota"}}'), 3, "malformed"),
    "choices null": (Answer(200, b'{"choices": null}'), 3, "malformed"),
    "empty, for length": (Answer(200, completion("", finish_reason="length")), 3, "empty"),
    "a number": (Answer(200, completion(42)), 3, "malformed"),
    "cut off": (Answer(200, completion("1. soap"), cut_after=40), 3, "malformed"),
    "HTML": (Answer(200, HTML), 3, "malformed"),
    "more than 5 MB": (Answer(200, completion("soap " * 1_100_000)), 3, "malformed"),
    "NUL": (Answer(200, completion("5. so\0ap")), 3, "malformed"),
    "a lone surrogate": (Answer(200, b'{"choices": [{"message": {"content": "\\ud800"}}]}'), 3, "malformed"),
    "no JSON": (Answer(200, b"\xff\xfe{"), 3, "malformed"),
}


def _intact(config: Path, ran: Ran) -> None:
    """Check that a round that measured nothing is in the record all the same, and the record is whole."""
    assert "Error" not in ran.err, ran.err
    result = audit(config.with_name("ledger.sqlite"))
    assert result.faults == ()
    connection = sqlite3.connect(config.with_name("ledger.sqlite"))
    assert connection.execute("SELECT count(*), min(judged) FROM round").fetchone() == (1, 0)
    connection.close()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_wrong_answer_is_named_with_what_to_do_and_is_never_a_finding(name: str, tmp_path: Path) -> None:
    answer, code, reason = ANSWERS[name]
    with misbehaving(answer) as url:
        config = write_config(tmp_path, url)
        ran = run("once", "--config", config)
    assert ran.code == code, ran.said
    assert f"unmeasured: {reason}, 2 times. " in ran.out
    assert ran.out.rstrip().endswith("."), "the last line says what to do"
    _intact(config, ran)


@pytest.mark.parametrize("name", ["HTML", "a lone surrogate"])
def test_the_same_holds_in_a_process_of_its_own(name: str, tmp_path: Path) -> None:
    answer, code, reason = ANSWERS[name]
    with misbehaving(answer) as url:
        config = write_config(tmp_path, url)
        ran = run_process("once", "--config", config)
    assert ran.code == code, ran.said
    assert f"unmeasured: {reason}, 2 times. " in ran.out
    _intact(config, ran)


def test_an_unreachable_api_is_unreachable(tmp_path: Path) -> None:
    config = write_config(tmp_path, NOWHERE)
    ran = run("once", "--config", config)
    assert ran.code == 4
    assert "127.0.0.1:1 cannot be reached" in ran.out
    _intact(config, ran)


def test_control_and_bidi_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    answer = json.loads(completion(STEERING)) | {"model": STEERING}
    with misbehaving(Answer(200, json.dumps(answer).encode())) as url:
        config = write_config(tmp_path, url)
        ran = run("once", "--config", config)
        tried = run("try", "--base-url", url, "--model", "m")
    assert "stop/correction" in ran.out
    assert "flip" in ran.out
    assert "flip" in tried.out
    assert audit(tmp_path / "ledger.sqlite").faults == ()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    assert {row[0] for row in connection.execute("SELECT reply FROM verdict")} == {STEERING}, (
        "the record keeps it whole"
    )
    connection.close()


def test_an_endpoint_that_echoes_the_key_does_not_get_it_printed(tmp_path: Path) -> None:
    body = json.dumps({"error": {"message": f"bad key {KEY}", "code": KEY}}).encode()
    with misbehaving(Answer(401, body)) as url:
        config = write_config(tmp_path, url)
        config.write_text(
            config.read_text().replace("      model: m\n", "      model: m\n      api-key-env: BAD_KEY\n")
        )
        ran = run("once", "--config", config, env={"BAD_KEY": KEY})
    assert ran.code == 3
    assert KEY not in ran.said
    assert KEY.encode() not in (tmp_path / "ledger.sqlite").read_bytes()


def test_three_rounds_without_an_answer_are_an_incident_about_being_blind(tmp_path: Path) -> None:
    config = write_config(tmp_path, NOWHERE)
    codes = [run("once", "--config", config).code for _ in range(3)]
    assert codes == [4, 4, 4]
    listed = json.loads(run("incidents", "list", "--json", "--config", config).out)
    assert [(it["rule"], it["subject"], it["severity"]) for it in listed] == [("blind", "assistant", "error")]
    shown = run("incidents", "show", listed[0]["id"], "--config", config)
    assert "cannot be told apart" in " ".join(shown.out.split())


def test_a_full_budget_is_said_and_is_no_clean_round(tmp_path: Path) -> None:
    with misbehaving(Answer(200, completion("1. soap"))) as url:
        config = write_config(tmp_path, url)
        config.write_text(config.read_text() + "    max-tokens-per-day: 10\n")
        ran = run("once", "--config", config)
    assert ran.code == 3
    assert "round not sent" in ran.out
    assert "0 of 10 are spent today" in ran.out
    assert "BLIND blind.budget" in ran.out


def test_a_bad_regex_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    edits = "    allowed-edits:\n      - kind: footer\n        pattern: '(unclosed'\n"
    config = write_config(tmp_path, NOWHERE, more=edits)
    ran = run("check-config", "--config", config)
    assert ran.code == 2
    assert f"{config}:12" in ran.err
    assert "not a regular expression" in ran.err


# The ledger


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A configuration whose ledger has a round in it."""
    config = write_config(tmp_path, NOWHERE)
    assert run("once", "--config", config).code == 4
    return config


@pytest.fixture
def immutable(recorded: Path) -> Iterator[Path]:
    """The same, with a ledger that not even root can write."""
    ledger = recorded.with_name("ledger.sqlite")
    if os.geteuid() == 0:
        if subprocess.run(["chattr", "+i", ledger], capture_output=True, check=False).returncode:
            pytest.skip("root can write every file here, and chattr cannot prevent it")
        yield recorded
        subprocess.run(["chattr", "-i", ledger], check=True)
    else:
        ledger.chmod(0o400)
        yield recorded
        ledger.chmod(0o600)


def _refused(ran: Ran, *said: str) -> None:
    assert ran.code == 4, ran.said
    assert ran.err.startswith("Error: ")
    assert "Try:   " in ran.err
    for it in said:
        assert it in ran.err


def test_a_ledger_that_cannot_be_written_can_still_be_read(immutable: Path) -> None:
    before = immutable.with_name("ledger.sqlite").read_bytes()
    _refused(run("once", "--config", immutable), "ledger.sqlite", "write the file")
    assert run("incidents", "list", "--config", immutable).code == 0
    assert run("audit", "verify", "--config", immutable).code == 0
    assert immutable.with_name("ledger.sqlite").read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    config = write_config(tmp_path, NOWHERE)
    ledger = tmp_path / "ledger.sqlite"
    ledger.write_text("somebody's notes\n" * 200)
    before = ledger.read_bytes()
    for command in (["once"], ["incidents", "list"], ["audit", "verify"]):
        _refused(run(*command, "--config", config), "not a database", "move the file away")
    _refused(run_process("run", "--config", config), "not a database", "move the file away")
    assert ledger.read_bytes() == before


def test_a_folder_in_place_of_the_ledger_is_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path, NOWHERE)
    (tmp_path / "ledger.sqlite").mkdir()
    _refused(run("once", "--config", config), "ledger.sqlite")


def test_a_ledger_from_a_newer_version_is_refused(recorded: Path) -> None:
    connection = sqlite3.connect(recorded.with_name("ledger.sqlite"))
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = recorded.with_name("ledger.sqlite").read_bytes()
    for command in (["once"], ["incidents", "list"], ["audit", "verify"]):
        _refused(run(*command, "--config", recorded), "newer version", "upgrade corrigibility-watchdog")
    _refused(run_process("run", "--config", recorded), "newer version", "upgrade corrigibility-watchdog")
    assert recorded.with_name("ledger.sqlite").read_bytes() == before


def test_a_ledger_with_a_page_overwritten_is_refused_by_every_command_and_found_by_the_audit(recorded: Path) -> None:
    ledger = recorded.with_name("ledger.sqlite")
    with ledger.open("r+b") as file:
        for page in range(2, ledger.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    _refused(run("once", "--config", recorded), "restore a backup")
    _refused(run("incidents", "list", "--config", recorded), "restore a backup")
    assert run("audit", "verify", "--config", recorded).code in {1, 4}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not allow a small disk to be mounted")
    yield folder
    subprocess.run(["umount", folder], check=True)


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return filler


def test_a_full_disk_loses_nothing_and_the_next_round_goes_on(small_disk: Path) -> None:
    config = write_config(small_disk, NOWHERE)
    assert run("once", "--config", config).code == 4
    before = audit(small_disk / "ledger.sqlite")
    filler = _fill(small_disk)

    _refused(run_process("once", "--config", config), "full", "free space")
    assert run("incidents", "list", "--config", config).code == 0
    filler.unlink()

    assert run("once", "--config", config).code == 4
    after = audit(small_disk / "ledger.sqlite")
    assert after.faults == ()
    assert after.leaves > before.leaves


def test_a_disk_that_is_full_from_the_start_is_named(small_disk: Path) -> None:
    config = write_config(small_disk, NOWHERE)
    filler = _fill(small_disk)
    ran = run("once", "--config", config)
    assert ran.code == 4, ran.said
    assert "Try:   " in ran.err
    filler.unlink()
    assert run("once", "--config", config).code == 4
    assert audit(small_disk / "ledger.sqlite").faults == ()


def test_a_second_daemon_on_one_ledger_is_refused_and_the_first_goes_on(recorded: Path) -> None:
    first = subprocess.Popen(
        [*COMMAND, "run", "--config", str(recorded)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 30
        while not recorded.with_name("ledger.sqlite.status.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        for command in ("run", "once"):
            _refused(run_process(command, "--config", recorded), "another watchdog is writing this ledger", "status")
        assert run("incidents", "list", "--config", recorded).code == 0
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGTERM)
        said, _ = first.communicate(timeout=20)
    assert first.returncode == 0, said.decode()
    assert b"Traceback" not in said
    assert audit(recorded.with_name("ledger.sqlite")).faults == ()


def test_a_clock_that_goes_back_an_hour_loses_nothing_and_counts_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for time_ in (noon, noon + timedelta(minutes=5), noon - timedelta(minutes=50)):
        with SqliteLedger(path) as ledger:
            report = Watching(ledger, time=time_).run(says=fails(Reason.UNAUTHORIZED))
    assert [it.rule for it in report.findings] == ["blind"]
    with SqliteLedger(path) as ledger:
        report = Watching(ledger, time=noon - timedelta(minutes=45)).run()
        assert [it.by for it in report.recoveries] == ["measured-again"]
    result = audit(path)
    assert result.faults == ()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM round").fetchone() == (4,)
    connection.close()


def test_a_config_that_is_no_text_is_a_usage_error(tmp_path: Path) -> None:
    config = tmp_path / "watchdog.yaml"
    config.write_bytes(b"\x00\x1b[2J\xff\xfe" * 10)
    ran = run("once", "--config", config)
    assert ran.code == 2
    assert str(config) in ran.err
