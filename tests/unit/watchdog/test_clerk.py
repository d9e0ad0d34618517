"""A command acts on the file when nobody holds it, and asks whoever does."""

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.audit import audit
from storage.ledger import SqliteLedger
from storage.reader import open_reader
from storage.signing import open_signed
from tests.builders import finding, person
from tests.running import write_config
from watchdog import clerk
from watchdog.asking import counter_path
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.daemon import Daemon
from watchdog.desk import Desk
from watchdog.domain.acts import Acknowledge, Close
from watchdog.domain.conclusions import Disposition
from watchdog.domain.incidents import EventKind
from watchdog.domain.log_acts import Erase
from watchdog.errands import INCIDENT, LOG, pack, pack_log
from watchdog.errors import ConfigError, LedgerError
from watchdog.logs import Logs, Sink, make_log
from watchdog.ports import HoldingLedger, LedgerState
from watchdog.supervision import Supervisor
from watchdog.wiring import build, now, read_config

ALERTS = "alerts: [{name: oncall, kind: webhook, url: http://127.0.0.1:9/}]\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings[KindSection, NotifierSection]:
    return read_config(write_config(tmp_path, "http://127.0.0.1:9/v1", more=ALERTS)).settings


def _incident(settings: Settings[KindSection, NotifierSection]) -> str:
    with open_signed(settings.ledger, now=now) as ledger:
        Desk(ledger, ()).report([], [finding()])
    with open_reader(settings.ledger) as reader:
        return reader.incidents()[0].id


def test_without_a_daemon_the_file_itself_is_written_signed_and_the_notice_waits(
    settings: Settings[KindSection, NotifierSection],
) -> None:
    act = Close(incident=_incident(settings)[:8], disposition=Disposition.DRILL, root_cause="we rehearsed")
    event, by_daemon = clerk.act(settings, act, person())

    assert (event.kind, by_daemon) == (EventKind.CLOSED, False)
    assert audit(settings.ledger).faults == ()
    with SqliteLedger(settings.ledger) as ledger:
        (due,) = ledger.due(now(), 10)
    assert (due.notice.notifier, due.notice.event.id) == ("oncall", event.id)


def test_what_is_refused_on_the_file_is_refused_as_the_daemon_would(
    settings: Settings[KindSection, NotifierSection],
) -> None:
    act = Close(incident=_incident(settings), disposition=Disposition.TRUE, root_cause="x")
    with pytest.raises(ConfigError, match="also needs"):
        clerk.act(settings, act, person())


def test_no_ledger_is_made_for_an_incident_that_cannot_be_in_it(
    settings: Settings[KindSection, NotifierSection],
) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        clerk.act(settings, Acknowledge(incident="ab"), person())
    assert list(settings.ledger.parent.glob("ledger*")) == []


def test_a_holder_that_takes_no_requests_is_named_after_some_patience(
    settings: Settings[KindSection, NotifierSection],
) -> None:
    what = pack(Acknowledge(incident=_incident(settings)))
    with (
        SqliteLedger(settings.ledger),
        pytest.raises(LedgerError, match=r"another process holds the ledger.*\.sock") as caught,
    ):
        clerk.carry_out(settings, INCIDENT, what, person(), patience_s=0.3)
    assert "once" in caught.value.hint


def test_a_daemon_that_hangs_is_an_error_when_patience_ends(settings: Settings[KindSection, NotifierSection]) -> None:
    what = pack(Acknowledge(incident=_incident(settings)))
    begun = time.monotonic()
    with SqliteLedger(settings.ledger), socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(counter_path(settings.ledger)))
        silent.listen(1)
        with pytest.raises(LedgerError, match="did not answer within"):
            clerk.carry_out(settings, INCIDENT, what, person(), patience_s=0.5)
    assert time.monotonic() - begun < 5


def test_a_holder_that_ends_in_time_is_waited_for(settings: Settings[KindSection, NotifierSection]) -> None:
    act = Acknowledge(incident=_incident(settings))
    ledger = SqliteLedger(settings.ledger)
    _later(0.4, ledger.close)
    event, by_daemon = clerk.act(settings, act, person())
    assert (event.kind, by_daemon) == (EventKind.ACKNOWLEDGED, False)


def _later(seconds: float, do: Callable[[], None]) -> None:
    def wait() -> None:
        time.sleep(seconds)
        do()

    threading.Thread(target=wait, daemon=True).start()


class _HeldLedger:
    """A ledger whose file takes nothing just now."""

    def __init__(self, ledger: HoldingLedger) -> None:
        self._ledger = ledger

    @property
    def state(self) -> LedgerState:
        return replace(self._ledger.state, held=1, problem="database or disk is full")

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)


def test_what_only_memory_holds_is_not_called_done(tmp_path: Path) -> None:
    loaded = read_config(write_config(tmp_path, "http://127.0.0.1:9/v1"))
    incident = _incident(loaded.settings)
    sink = Sink(os.open(os.devnull, os.O_WRONLY))
    with build(loaded) as app:
        held = replace(app, ledger=_HeldLedger(app.ledger))  # type: ignore[arg-type]
        daemon = Daemon(held, [], logs=Logs(make_log("json", sink), sink), supervisor=Supervisor())
        with pytest.raises(LedgerError, match=r"disk is full\): what you did is held in memory"):
            daemon._do(INCIDENT, pack(Acknowledge(incident=incident)), person())


class _Streams:
    """Streams that only listen."""

    def __init__(self) -> None:
        self.told: list[str | None] = []

    def hear(self, log: str | None, what: object) -> None:
        self.told.append(log)


def test_streams_hear_what_people_said_also_while_only_memory_holds_it(tmp_path: Path) -> None:
    loaded = read_config(write_config(tmp_path, "http://127.0.0.1:9/v1"))
    sink = Sink(os.open(os.devnull, os.O_WRONLY))
    with build(loaded) as app:
        held = replace(app, ledger=_HeldLedger(app.ledger))  # type: ignore[arg-type]
        daemon = Daemon(held, [], logs=Logs(make_log("json", sink), sink), supervisor=Supervisor())
        streams = _Streams()
        daemon._tailing = streams  # type: ignore[assignment]
        with pytest.raises(LedgerError, match="held in memory"):
            daemon._do(LOG, pack_log(Erase(reason="they asked", log="gateway", client="alice")), person())
    assert streams.told == ["gateway"]
