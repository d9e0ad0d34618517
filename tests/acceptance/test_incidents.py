"""An incident from the page to the closing, as on-call people type it: through a running daemon, and on the file."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from probes.channels.scripted import ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from storage.audit import audit
from storage.signing import open_signed
from tests.builders import finding
from tests.daemons import until
from tests.running import COMMAND, Ran, run, write_config
from watchdog.desk import Desk
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import Severity
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.receiver import Receiver
from watchdog.rehearsal.serving import serve
from watchdog.wiring import now

ROOT = Path(__file__).parents[2]
CONCLUSION = ("--root-cause", "the gateway got a word list", "--corrective-action", "taken out", "--by", "Ada")
TIMES = ("--from", "2026-01-01T10:00Z", "--to", "2026-01-01T11:30+00:00", "--known-at", "2026-01-01T10:20Z")


@contextmanager
def _daemon(config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (config.parent / "log").open("wb") as log:
        daemon = subprocess.Popen([*COMMAND, "run", "-c", str(config), "--log-format", "json"], stderr=log, cwd=ROOT)
    try:
        assert until(lambda: b"daemon.ready" in (config.parent / "log").read_bytes())
        yield daemon
    finally:
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)


def _seed(folder: Path) -> tuple[str, str]:
    """Put a critical incident and an error into a ledger; return the beginnings of their ids."""
    with open_signed(folder / "ledger.sqlite", now=now) as ledger:
        report = Desk(ledger, ()).report
        report([], [finding(severity=Severity.CRITICAL), finding(subject="u")])
    listed = json.loads(run("incidents", "list", "-c", folder / "watchdog.yaml", "--json").out)
    ids = {it["severity"]: it["id"][:8] for it in listed}
    return ids["critical"], ids["error"]


def test_people_act_through_the_running_daemon_and_on_the_file_when_it_is_stopped(tmp_path: Path) -> None:
    receiver = Receiver()
    channel = ScriptedModelChannel(ScriptedModel(seed=1), ChannelRole.DELIVERED, now)
    with serve(create_app(channel, "m")) as model, serve(receiver.app) as pager:
        alerts = f"alerts: [{{name: oncall, kind: webhook, url: '{pager.base_url}/'}}]\n"
        config = write_config(tmp_path, f"{model.base_url}/v1", more=alerts)
        critical, error = _seed(tmp_path)

        def incidents(*arguments: str) -> Ran:
            return run("incidents", *arguments, "-c", config)

        with _daemon(config) as daemon:
            said = incidents("ack", critical, "--by", "Ada", "--note", "on it")
            assert (said.code, "acknowledged by Ada (user id" in said.out) == (0, True), said
            assert "Ada looks into it" in incidents("list").out

            closed = incidents("close", error, "--disposition", "drill", "--root-cause", "rehearsed", "--json")
            assert json.loads(closed.out)["state"] == "closed"
            assert receiver.wait_for(lambda it: it.body["data"]["event"] == "closed", 20)

            proposed = incidents("close", critical, "--disposition", "true", *CONCLUSION, *TIMES)
            assert (proposed.code, f"incidents show {critical}" in proposed.out) == (0, True), proposed
            assert "awaits a second person" in incidents("list").out
            refused = incidents("approve", critical, "--by", "ada", "--proposal", _proposal(critical, config))
            assert (refused.code, "second person" in refused.err) == (2, True)
            assert (incidents("ack", "ffffffff").code, incidents("ack", error).code) == (4, 2)
            assert daemon.poll() is None
        assert not (tmp_path / "ledger.sqlite.sock").exists()

        shown = incidents("show", critical)
        assert "Closing proposed" in shown.out
        assert "Somebody else has to approve exactly this" in shown.out
        read = _proposal(critical, config)
        assert f"incidents approve {critical} --proposal {read[:12]}\n" in shown.out
        assert "the gateway got a word list" in shown.out
        same = incidents("approve", critical, "--by", "Bob", "--proposal", read)
        assert (same.code, "acted from one account" in same.err) == (2, True)
        again = incidents("ack", critical, "--by", "Cyd")
        assert (again.code, "acknowledged by Cyd" in again.out) == (0, True)
    assert audit(tmp_path / "ledger.sqlite").faults == ()


def _proposal(incident: str, config: Path) -> str:
    digest: str = json.loads(run("incidents", "show", incident, "-c", config, "--json").out)["proposal"]["digest"]
    return digest


def _can_log_in() -> bool:
    """Whether this test may say who logged in, as a login does: root where nobody has."""
    told = subprocess.run(["sh", "-c", "echo 1001 > /proc/self/loginuid"], capture_output=True, check=False)
    return told.returncode == 0


def _logged_in(uid: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as root, as somebody who logged in under another account and used sudo."""
    script = 'echo "$0" > /proc/self/loginuid && exec "$@"'
    command = ["sh", "-c", script, str(uid), *COMMAND, "incidents", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.skipif(not _can_log_in(), reason="needs root, and a kernel that keeps who logged in")
def test_two_people_with_sudo_close_a_critical_incident_and_one_cannot(tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9/v1")
    critical, _ = _seed(tmp_path)
    with _daemon(config):
        told = ("close", critical, "--disposition", "true", *CONCLUSION, *TIMES, "-c", str(config))
        assert _logged_in(1001, *told).returncode == 0
        which = ("--proposal", _proposal(critical, config)[:12])
        alone = _logged_in(1001, "approve", critical, "--by", "Bob", *which, "-c", str(config))
        assert (alone.returncode, "one account" in alone.stderr) == (2, True), alone.stderr
        unread = _logged_in(1002, "approve", critical, "--by", "Bob", "--proposal", "0" * 12, "-c", str(config))
        assert (unread.returncode, "is not the closing" in unread.stderr) == (2, True), unread.stderr
        approved = _logged_in(1002, "approve", critical, "--by", "Bob", *which, "-c", str(config))
        assert approved.returncode == 0, approved.stderr
        assert "approved by Bob (logged in as user id 1002, acting as 0)" in approved.stdout

    shown = run("incidents", "show", critical, "-c", config)
    assert "CLOSED  critical" in shown.out
    for fact in ("Conclusion", "2026-01-01 11:30:00 UTC", "Approved by", "closing proposed by Ada (logged in as"):
        assert fact in shown.out, shown.out
    row = json.loads(run("incidents", "show", critical, "-c", config, "--json").out)
    assert row["conclusion"]["approved_by"].startswith("Bob")
    assert [it["kind"] for it in row["events"]] == ["opened", "close_proposed", "closed"]
    assert audit(tmp_path / "ledger.sqlite").faults == ()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--disposition", "wontfix", "--root-cause", "x"), "known are true, false-alarm"),
        (("--disposition", "drill", "--root-cause", "x", "--from", "2026-01-01T10:00"), "time zone"),
        (("--disposition", "drill", "--root-cause", "x", "--from", "yesterday"), "time zone"),
        (("--disposition", "drill", "--root-cause", " "), "root cause"),
        (("--disposition", "drill", "--root-cause", "x", "--by", " "), "a name is needed"),
        (("--disposition", "drill", "--root-cause", "x\udcff"), "U+DCFF"),
        (("--disposition", "true", "--root-cause", "x"), "also needs"),
    ],
)
def test_wrong_use_is_told_and_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9/v1")
    _, error = _seed(tmp_path)
    said = run("incidents", "close", error, *arguments, "-c", config)
    assert (said.code, why in said.err) == (2, True), said
    assert "open" in run("incidents", "list", "-c", config).out
