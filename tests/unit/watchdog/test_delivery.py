"""Notices go out at least once, under one id, and no answer of a receiver silences them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.memory import MemoryLedger
from tests.builders import NOW, at, finding
from watchdog.delivery import Courier, after_failure
from watchdog.desk import Desk
from watchdog.domain.incidents import absorb
from watchdog.domain.notices import Delivery, Due, Notice
from watchdog.errors import NotifyError


@dataclass
class Pager:
    """Keeps the ids it was sent; refuses as long as it is told to."""

    name: str
    refusals: int = 0
    ids: list[str] = field(default_factory=list)

    def send(self, notice: Notice, *, now: datetime) -> str:
        self.ids.append(notice.id)
        if len(self.ids) <= self.refusals:
            raise NotifyError("refused", hint="wait", answer="503")
        return "200"

    def close(self) -> None:
        pass


def _world(*pagers: Pager) -> tuple[MemoryLedger, Courier, Callable[[float], None]]:
    ledger = MemoryLedger()
    clock = [NOW]

    def wait(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)

    Desk(ledger, tuple(pager.name for pager in pagers)).report([], [finding()])
    return ledger, Courier(ledger, {pager.name: pager for pager in pagers}, lambda: clock[0]), wait


def test_an_accepted_notice_is_not_sent_again() -> None:
    pager = Pager("oncall")
    ledger, courier, wait = _world(pager)
    assert courier.deliver_due() == 1
    wait(1_000_000)
    assert courier.deliver_due() == 0
    assert len(pager.ids) == 1
    assert ledger.next_due() is None


def test_a_refused_notice_is_sent_again_under_the_same_id_until_it_is_accepted() -> None:
    pager = Pager("oncall", refusals=5)
    _, courier, wait = _world(pager)
    while not courier.deliver_due():
        wait(60)
    assert len(pager.ids) == 6
    assert len(set(pager.ids)) == 1


def test_a_failing_receiver_does_not_hold_up_another() -> None:
    broken, healthy = Pager("broken", refusals=99), Pager("healthy")
    _, courier, _ = _world(broken, healthy)
    assert courier.deliver_due() == 1
    assert len(healthy.ids) == 1


def test_a_notifier_that_left_the_configuration_leaves_its_notices_waiting() -> None:
    ledger, courier, _ = _world(Pager("oncall"))
    gone = Courier(ledger, {}, courier.now)
    assert gone.deliver_due() == 0
    assert ledger.next_due() is not None


def _due() -> Due:
    return Due(notice=Notice.of(absorb(None, finding()), "oncall"), attempts=3, queued_at=NOW)


@given(
    age=st.floats(0, 72 * 3600 - 1),
    number=st.integers(1, 10_000),
    retry_after=st.none() | st.floats(-1e12, 1e12),
)
def test_within_three_days_every_failure_is_tried_again_and_never_much_later_than_planned(
    age: float, number: int, retry_after: float | None
) -> None:
    attempt = after_failure(_due(), number=number, answer="410", at=at(age), retry_after_s=retry_after)
    assert attempt.outcome is Delivery.RETRY
    assert attempt.next_at is not None
    assert timedelta(0) < attempt.next_at - attempt.at <= timedelta(hours=24)


@pytest.mark.parametrize("retry_after", [0.0, 60.0, 3.2e8])
def test_a_receiver_may_ask_for_a_quarter_of_an_hour_at_most(retry_after: float) -> None:
    attempt = after_failure(_due(), number=1, answer="429", at=at(5), retry_after_s=retry_after)
    assert attempt.next_at is not None
    assert attempt.next_at - attempt.at <= timedelta(minutes=15)


def test_after_three_days_a_notice_is_dead_and_stays_on_record() -> None:
    attempt = after_failure(_due(), number=40, answer="503", at=at(72 * 3600), retry_after_s=None)
    assert (attempt.outcome, attempt.next_at) == (Delivery.DEAD, None)
