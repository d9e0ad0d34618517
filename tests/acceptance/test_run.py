"""The daemon as systemd would start it: its own process, its environment, its socket, real servers, real signals."""

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI

from probes.channels.scripted import ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from storage.audit import audit
from tests.daemons import until
from watchdog.domain.exchanges import ChannelRole
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve
from watchdog.wiring import now

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/corrigibility-watchdog.service"
PROGRAM = [sys.executable, "-c", "from watchdog.cli import main; main()"]


def _command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


class Service:
    """A daemon under a service manager of the test's own."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        threading.Thread(target=self._listen, daemon=True).start()
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "60000000"}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([*PROGRAM, *arguments], env=environment, stderr=log, cwd=ROOT)

    def said(self, text: str) -> bool:
        return until(lambda: any(text in it for it in list(self.heard)))

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]

    def logged(self, event: str) -> bool:
        return until(lambda: any(it["event"] == event for it in self.events()))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        begun = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(15), time.monotonic() - begun

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        try:
            while message := self._socket.recv(4096):
                self.heard.append(message.decode())
        except OSError:
            return


@contextmanager
def _service(folder: Path, config: Path) -> Iterator[Service]:
    """Start exactly the command line of the unit file, but for where the program and the configuration lie."""
    (line,) = re.findall(r"^ExecStart=(.+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    program, *arguments = shlex.split(line)
    assert program.endswith("/bin/corrigibility-watchdog")
    place = arguments.index("--config") + 1
    assert arguments[place] == "/etc/corrigibility-watchdog/config.yaml"
    arguments[place] = str(config)
    service = Service(folder, arguments)
    try:
        yield service
    finally:
        service.close()


def _config(folder: Path, base_url: str, targets: int = 20) -> Path:
    path = folder / "config.yaml"
    delivered = {"kind": "openai", "base-url": base_url, "model": "scripted", "timeout-s": 60}
    rows = [{"name": f"t{number}", "every": "1m", "delivered": delivered} for number in range(targets)]
    path.write_text(yaml.safe_dump({"ledger": "./ledger.sqlite", "targets": rows}), encoding="utf-8")
    return path


def _kinds(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "ledger.sqlite")
    rows = [json.loads(body) for (body,) in connection.execute("SELECT body FROM leaf ORDER BY idx")]
    connection.close()
    return [row["kind"] for row in rows]


def test_the_unit_starts_watches_reloads_and_stops(tmp_path: Path) -> None:
    channel = ScriptedModelChannel(ScriptedModel(seed=1), ChannelRole.DELIVERED, now)
    with serve(create_app(channel, "scripted")) as model:
        config = _config(tmp_path, f"{model.base_url}/v1")
        with _service(tmp_path, config) as service:
            assert service.said("READY=1\nSTATUS=20 targets")
            assert service.logged("round.finished")
            assert service.said("WATCHDOG=1")

            shown = _command("status", "-c", str(config))
            assert "daemon: running as process" in shown.stdout
            assert "targets: 20;" in shown.stdout

            refused = _command("once", "-c", str(config))
            assert refused.returncode == 4
            assert "another watchdog is writing this ledger" in refused.stderr
            assert "status" in refused.stderr

            good = config.read_text()
            config.write_text(good + "every: 5\n")
            service.process.send_signal(signal.SIGHUP)
            assert service.logged("config.refused")
            _config(tmp_path, f"{model.base_url}/v1", targets=21)
            service.process.send_signal(signal.SIGHUP)
            assert service.logged("config.reloaded")
            assert service.said("STATUS=21 targets")

            code, seconds = service.stop()
            assert (code, seconds < 10) == (0, True)
            assert service.said("STOPPING=1\nSTATUS=stopping: signal SIGTERM")

    shown = _command("status", "-c", str(config), "--json")
    assert shown.returncode == 4
    assert json.loads(shown.stdout)["daemon"].startswith("no daemon runs; the last one stopped")
    kinds = _kinds(tmp_path)
    assert "started" in kinds[:2]
    assert kinds[-1] == "stopped"
    assert {"schedule_committed", "round_done", "reloaded"} <= set(kinds)
    assert audit(tmp_path / "ledger.sqlite").faults == ()


def test_a_round_in_flight_holds_up_no_stop_and_is_not_half_recorded(tmp_path: Path) -> None:
    asked, over = threading.Event(), threading.Event()
    app = FastAPI(openapi_url=None)

    @app.post("/v1/chat/completions")
    def hang() -> None:
        asked.set()
        over.wait(30)

    with serve(app) as silent:
        config = _config(tmp_path, f"{silent.base_url}/v1")
        with _service(tmp_path, config) as service:
            assert asked.wait(40)
            code, seconds = service.stop(signal.SIGINT)
            over.set()
            assert (code, seconds < 10) == (0, True)
            stopped = service.events()[-1]
            assert stopped["event"] == "daemon.stopped"
            assert stopped["rounds_abandoned"]

    kinds = _kinds(tmp_path)
    assert kinds[-1] == "stopped"
    assert not {"judged", "compared", "round_done"} & set(kinds)
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    (why,) = connection.execute("SELECT detail FROM run WHERE kind = 'stopped'").fetchone()
    connection.close()
    assert why == "signal SIGINT"


def test_without_a_daemon_status_says_so_plainly(tmp_path: Path) -> None:
    config = _config(tmp_path, "http://127.0.0.1:9/v1")
    shown = _command("status", "-c", str(config))
    assert shown.returncode == 4
    assert "no daemon has run on this ledger" in shown.stdout


def test_a_configuration_that_cannot_be_read_is_said_before_anything_starts(tmp_path: Path) -> None:
    done = _command("run", "-c", str(tmp_path / "nothing.yaml"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/usr/bin/systemd-analyze").exists(), reason="systemd is not installed")
def test_the_units_sandbox_is_scored_as_the_docs_say() -> None:
    done = subprocess.run(
        ["/usr/bin/systemd-analyze", "security", "--offline=yes", "--threshold=12", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:]
