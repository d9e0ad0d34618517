"""The whole daemon, as its own process, on a disk that fills up and on one that fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from storage.audit import audit
from tests.daemons import until
from tests.faults.harness import ROOT, filled, leaves, rule_of
from watchdog.rehearsal.receiver import Received, Receiver

PROGRAM = [sys.executable, "-c", "from watchdog.cli import main; main()"]
STRACE = shutil.which("strace")

pytestmark = pytest.mark.faults


def _config(folder: Path, url: str) -> Path:
    """Write a configuration of three scripted targets and one pager."""
    path = folder / "config.yaml"
    targets = [{"name": f"t{number}", "every": "1m", "delivered": {"kind": "scripted"}} for number in range(3)]
    alerts = [{"name": "oncall", "kind": "webhook", "url": url}]
    shape = {"ledger": "./ledger.sqlite", "targets": targets, "alerts": alerts}
    path.write_text(yaml.safe_dump(shape), encoding="utf-8")
    return path


@contextmanager
def _daemon(config: Path, log: Path, before: Sequence[str] = ()) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*before, *PROGRAM, "run", "--log-format", "json", "-c", str(config)],
            stderr=out,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # what strace watches would outlive it
        process.wait()


def _logged(log: Path, event: str) -> bool:
    return until(lambda: f'"event":"{event}"' in log.read_text(encoding="utf-8").replace(" ", ""))


def _stop(process: "subprocess.Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(20)


def _status(config: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, "status", "--json", "-c", str(config)], capture_output=True, text=True, check=False, cwd=ROOT
    )


def _about(rule: str, kind: str) -> Callable[[Received], bool]:
    return lambda it: rule_of(it) == rule and json.loads(it.content)["type"] == f"incident.{kind}"


def test_a_full_disk_is_paged_within_five_seconds_shown_and_survived(
    small_disk: Path, tmp_path: Path, url: str, receiver: Receiver
) -> None:
    config, log = _config(small_disk, url), tmp_path / "log"
    with _daemon(config, log) as process:
        assert _logged(log, "daemon.ready")
        with filled(small_disk):
            receiver.wait_for(_about("ledger.full", "opened"), 5.0)
            time.sleep(4)  # the next snapshot
            shown = _status(config)
            standing = json.loads(shown.stdout)
            assert standing["daemon"] == "running"
            assert standing["snapshot"]["ledger"]["full"] is True
        receiver.wait_for(_about("ledger.full", "recovered"), 10.0)
        assert _stop(process) == 0
    assert audit(small_disk / "ledger.sqlite").faults == ()
    assert [it["kind"] for it in leaves(small_disk / "ledger.sqlite")].count("started") == 1


@pytest.mark.skipif(STRACE is None, reason="strace is not installed, and nothing else lets a disk fail under a process")
@pytest.mark.parametrize("when", [2, 5])
def test_a_disk_that_fails_ends_the_daemon_loudly_and_the_next_start_verifies(
    tmp_path: Path, url: str, receiver: Receiver, when: int
) -> None:
    config, log, path = _config(tmp_path, url), tmp_path / "log", tmp_path / "ledger.sqlite"
    with _daemon(config, log) as process:
        assert _logged(log, "daemon.ready")
        assert _stop(process) == 0
    inject = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:when={when}+"]
    journal = path.with_name("ledger.sqlite-journal")
    strace = [str(STRACE), "-f", "--seccomp-bpf", "-o", str(tmp_path / "trace"), "-P", str(path), "-P", str(journal)]
    with _daemon(config, log, [*strace, *inject]) as process:
        assert process.wait(60) == 4
    receiver.wait_for(_about("ledger.broken", "opened"), 1.0)
    assert "NOT RECORDED" in log.read_text(encoding="utf-8")

    with _daemon(config, log) as process:
        assert _logged(log, "daemon.ready")
        assert _stop(process) == 0
    assert audit(path).faults == ()
