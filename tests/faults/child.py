"""The watchdog's record and pager in a process that tests may kill: it prints a promise once something is recorded.

Started once, it has everything imported, and forks for each line on its standard input: a JSON object of `Errand`.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from alerts.webhook import WebhookSettings, open_webhook
from storage.holding import HoldingLedger
from storage.signing import open_signed
from tests.builders import compared, finding, recovery
from watchdog.delivery import Courier
from watchdog.desk import Desk
from watchdog.domain.decisions import Decision, Started, Stopped
from watchdog.domain.findings import Severity
from watchdog.domain.notices import Notice
from watchdog.errors import WatchdogError
from watchdog.hatch import Hatch
from watchdog.keeping import Keeping
from watchdog.logs import Sink, make_log
from watchdog.ports import Notifier

BROKEN = 4
"""Exit code when the file of the ledger failed."""


@dataclass(frozen=True)
class Errand:
    """What one process does."""

    ledger: str
    url: str
    name: str
    """Begins the name of everything that it reports."""
    steps: int
    """Reports to make, unless something ends it before."""
    die_at: int = 0
    """At which failpoint it kills itself; 0 at none."""
    pause_s: float = 0.0
    """How long it rests after each report."""

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


class Failpoints:
    """Counts every statement, commit and page, before and after, and dies at the wanted one."""

    def __init__(self, die_at: int) -> None:
        self._die_at, self._passed = die_at, 0

    def __call__(self, *_: Any) -> None:
        self._passed += 1
        if self._passed == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_sql(self) -> None:
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, self)


@dataclass(frozen=True)
class Watched:
    """A notifier with a failpoint before and after."""

    inner: Notifier
    point: Callable[[], None]

    @property
    def name(self) -> str:
        return self.inner.name

    def send(self, notice: Notice, *, now: datetime) -> str:
        self.point()
        answer = self.inner.send(notice, now=now)
        self.point()
        return answer

    def close(self) -> None:
        self.inner.close()


def run(errand: Errand) -> int:
    """Do an errand, and return the exit code."""
    point = Failpoints(errand.die_at)
    if errand.die_at:
        point.watch_sql()
    webhook = open_webhook(WebhookSettings(name="oncall", kind="webhook", url=errand.url))
    file = open_signed(Path(errand.ledger), now=_now)
    with HoldingLedger(file, now=_now) as ledger:
        desk = Desk(ledger, ("oncall",))
        courier = Courier(ledger, {"oncall": Watched(webhook, point)}, _now)
        life = Life(ledger, desk, courier)
        life.report(errand.name, [Started(at=_now(), version="0", config_digest="0")])
        for step in range(errand.steps):
            if life.over:
                return BROKEN
            life.report(f"{errand.name}-{step}")
            life.go_on()
            time.sleep(errand.pause_s)
        while ledger.state.held:
            life.go_on()
            time.sleep(0.05)
        desk.report([Stopped(at=_now(), why="the end")])
    return 0


class Life:
    """What a daemon does with its ledger, one thing after the other."""

    def __init__(self, ledger: HoldingLedger, desk: Desk, courier: Courier) -> None:
        self._ledger, self._desk, self._courier, self._told = ledger, desk, courier, ""
        log = make_log("json", Sink(os.open(os.devnull, os.O_WRONLY)))
        hatch = Hatch(desk, lambda: None, log)
        self._keeping = Keeping(
            ledger, hatch, log=log, now=_now, monotonic=time.monotonic, stop_rounds=lambda: _say("STOPPED", "rounds")
        )

    @property
    def over(self) -> bool:
        return self._keeping.over

    def report(self, name: str, more: Sequence[Decision] = ()) -> None:
        """Report something new, and say whether it is on disk."""
        dice, at, id_ = random.Random(name), _now(), f"c-{name}"
        subject, severity = f"t{dice.randrange(3)}", dice.choice(list(Severity))
        decisions = [*more, replace(compared(id_), at=at)]
        if dice.random() < 0.7:
            found = finding(subject=subject, severity=severity, evidence=(id_,))
            self._desk.report(decisions, [replace(found, since=at, seen_at=at)])
        else:
            self._desk.report(decisions, [], [replace(recovery(subject=subject), seen_at=at)])
        _say("HELD" if self._ledger.state.held else "ACK", name)

    def go_on(self) -> None:
        """Look after the ledger, and send what is due."""
        self._keeping.look()
        self._courier.deliver_due()
        problem = self._ledger.state.problem
        if problem != self._told:
            self._told = problem
            _say("TROUBLE" if problem else "WELL", problem)


def _say(word: str, what: str) -> None:
    os.write(1, f"{word} {what}\n".encode())


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Fork for each errand, say which process does it, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        # What SQLAlchemy and Alembic do only once, a child need not do again.
        run(Errand(ledger=f"{folder}/ledger.sqlite", url="http://127.0.0.1:9/", name="warm", steps=3))
    _say("READY", "")
    for line in sys.stdin.buffer:
        pid = os.fork()
        if not pid:
            _exit_with(Errand(**json.loads(line)))
        _say("PID", str(pid))
        _, status = os.waitpid(pid, 0)
        _say("END", str(os.waitstatus_to_exitcode(status)))


def _exit_with(errand: Errand) -> None:
    code = 99
    try:
        code = run(errand)
    except WatchdogError as exc:
        _say("FAILED", exc.problem)
    except Exception:  # noqa: BLE001 - a fork must never go on with what its parent was doing
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
