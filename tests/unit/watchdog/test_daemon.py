"""The whole daemon, with APScheduler and threads: it begins, takes up a configuration or refuses it, and ends."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import Lines, scripted, until
from watchdog.app import App
from watchdog.daemon import Daemon, Order
from watchdog.logs import Logs, make_log
from watchdog.status import Snapshot, read_snapshot, status_path
from watchdog.supervision import Supervisor
from watchdog.wiring import build


class Running:
    """A daemon on a thread of the test."""

    def __init__(self, app: App, config: Path, **changes: object) -> None:
        self.lines = Lines()
        logs = Logs(make_log("json", self.lines), self.lines)
        self.daemon = Daemon(app, [config], logs=logs, supervisor=Supervisor(), **changes)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.daemon.run, daemon=True)
        self.thread.start()
        assert self.saw("daemon.ready")

    def saw(self, event: str, times: int = 1) -> bool:
        return until(lambda: self.lines.events().count(event) >= times, 10)

    def stop(self) -> float:
        begun = time.monotonic()
        self.daemon.tell(Order.STOP, "signal SIGTERM")
        self.thread.join(10)
        assert not self.thread.is_alive()
        return time.monotonic() - begun


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Running, Path]]:
    loaded = scripted(tmp_path, 2)
    with build(loaded) as app:
        it = Running(app, tmp_path / "config.yaml")
        yield it, tmp_path
        if it.thread.is_alive():
            it.stop()


def _leaves(folder: Path, kind: str) -> list[dict[str, object]]:
    import sqlite3

    connection = sqlite3.connect(folder / "ledger.sqlite")
    rows = [json.loads(body) for (body,) in connection.execute("SELECT body FROM leaf ORDER BY idx")]
    connection.close()
    return [it for it in rows if it["kind"] == kind]


def _snapshot(folder: Path) -> Snapshot:
    snapshot = read_snapshot(status_path(folder / "ledger.sqlite"))
    assert snapshot is not None
    return snapshot


def test_a_daemon_commits_to_its_day_before_it_says_that_it_is_ready(running: tuple[Running, Path]) -> None:
    _, folder = running
    (committed,) = _leaves(folder, "schedule_committed")[:1]
    assert [it["target"] for it in committed["plan"]] == ["t0", "t1"]  # type: ignore[attr-defined]
    assert (folder / "ledger.sqlite.seeds").stat().st_mode & 0o077 == 0
    assert status_path(folder / "ledger.sqlite").stat().st_mode & 0o077 == 0


def test_it_stops_at_once_and_says_why(running: tuple[Running, Path]) -> None:
    it, folder = running
    assert it.stop() < 10
    assert it.daemon.why == "signal SIGTERM"
    assert _snapshot(folder).stopping


def test_a_good_configuration_is_taken_up_as_a_whole(running: tuple[Running, Path]) -> None:
    it, folder = running
    scripted(folder, 5)
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")

    assert it.saw("config.reloaded")
    assert len(_snapshot(folder).targets) == 5
    assert len(_leaves(folder, "reloaded")) == 1
    assert until(lambda: len(_leaves(folder, "schedule_committed")[-1]["plan"]) == 5)  # type: ignore[arg-type]


def test_a_bad_configuration_changes_nothing_and_is_an_incident_until_a_good_one_comes(
    running: tuple[Running, Path],
) -> None:
    it, folder = running
    good = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(good + "tarrgets: 7\n")
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")
    assert it.saw("config.refused")
    assert until(lambda: "tarrgets" in _snapshot(folder).reload_problem)
    assert len(_snapshot(folder).targets) == 2
    (opened,) = _leaves(folder, "incident_changed")
    assert opened["event"]["incident"]["rule"] == "config.reload"  # type: ignore[index]
    assert opened["event"]["incident"]["severity"] == "warning"  # type: ignore[index]

    (folder / "config.yaml").write_text(good)
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")
    assert it.saw("config.reloaded")
    assert [it["event"]["kind"] for it in _leaves(folder, "incident_changed")] == ["opened", "recovered"]  # type: ignore[index]
    assert _snapshot(folder).reload_problem == ""


def test_another_ledger_is_refused_while_running(running: tuple[Running, Path]) -> None:
    it, folder = running
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("ledger.sqlite", "other.sqlite"))
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")
    assert it.saw("config.refused")
    assert not (folder / "other.sqlite").exists()
