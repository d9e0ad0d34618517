"""Notices leave as soon as they are queued, and a receiver that hangs or fails holds nobody up."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from storage.memory import MemoryLedger
from tests.builders import finding
from tests.daemons import Lines, Time, until
from watchdog.delivery import Courier
from watchdog.desk import Desk
from watchdog.domain.notices import Notice
from watchdog.hatch import Hatch
from watchdog.logs import make_log
from watchdog.post import Post
from watchdog.supervision import Beat


@dataclass
class Pager:
    """Accepts, hangs, or fails."""

    name: str = "oncall"
    sent: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    fault: Exception | None = None

    def send(self, notice: Notice, *, now: datetime) -> str:
        self.gate.wait(5)
        if self.fault is not None:
            raise self.fault
        self.sent.append(notice.id)
        return "204"


@pytest.fixture
def post() -> Iterator[tuple[Post, MemoryLedger, Pager, Time]]:
    ledger, pager, moment = MemoryLedger(), Pager(), Time()
    log = make_log("json", Lines())
    post = Post(Courier(ledger, {"oncall": pager}, moment.now), log=log, now=moment.now, beat=Beat("delivery", 60.0))
    yield post, ledger, pager, moment
    pager.gate.set()
    post.stop(2.0)


def test_a_notice_is_delivered_as_soon_as_it_is_queued(post: tuple[Post, MemoryLedger, Pager, Time]) -> None:
    it, ledger, pager, _ = post
    pager.gate.set()
    it.start()
    begun = time.monotonic()
    Desk(ledger, ("oncall",)).report([], [finding()])
    it.wake()

    assert until(lambda: bool(pager.sent))
    assert time.monotonic() - begun < 2


def test_a_receiver_that_hangs_holds_up_no_report(post: tuple[Post, MemoryLedger, Pager, Time]) -> None:
    it, ledger, pager, _ = post
    desk = Hatch(Desk(ledger, ("oncall",)), it.wake, make_log("json", Lines()))
    it.start()
    desk.report([], [finding()])
    begun = time.monotonic()
    for number in range(20):
        desk.report([], [finding(subject=f"s{number}")])
    assert time.monotonic() - begun < 1

    pager.gate.set()
    assert until(lambda: len(pager.sent) == 21)


def test_a_fault_in_a_notifier_does_not_end_the_loop(post: tuple[Post, MemoryLedger, Pager, Time]) -> None:
    it, ledger, pager, _ = post
    pager.fault = ZeroDivisionError("x")
    pager.gate.set()
    it.start()
    Desk(ledger, ("oncall",)).report([], [finding()])
    it.wake()
    time.sleep(0.1)
    pager.fault = None
    it.wake()
    assert until(lambda: len(pager.sent) == 1)


def test_after_the_clock_was_set_back_a_waiting_notice_does_not_wait_an_hour(
    post: tuple[Post, MemoryLedger, Pager, Time],
) -> None:
    it, ledger, pager, moment = post
    pager.gate.set()
    Desk(ledger, ("oncall",)).report([], [finding()])
    moment.is_set(-timedelta(hours=1))
    it.clock_moved(-3600.0)
    it.start()
    assert until(lambda: len(pager.sent) == 1)
