"""A reply that cannot be held against the direct model is named as such, and never scored."""

from dataclasses import dataclass, replace
from typing import Any, NoReturn

import pytest

from detectors.sequential import RateTest
from tests.builders import NOW, exchange
from watchdog.domain.comparisons import Examined
from watchdog.domain.exchanges import ChannelRole, Exchange, Reason, Request
from watchdog.domain.verdicts import Question
from watchdog.measuring import Measuring, Plan
from watchdog.targets import Target


@dataclass(frozen=True)
class Admitting:
    """A channel whose replies admit something."""

    admitted: dict[str, Any]
    role: ChannelRole = ChannelRole.DELIVERED

    def ask(self, request: Request) -> Exchange:
        return replace(exchange("It is safe."), request=request, **self.admitted)


class NeverAsked:
    digest = "none"

    def threshold(self, gaps: object) -> NoReturn:
        pytest.fail("there is nothing to enrol")

    def compare(self, request: Request, delivered: Exchange, *, tau: float) -> Examined:
        pytest.fail(f"{delivered} was scored")


@pytest.mark.parametrize(
    ("admitted", "reason"),
    [
        ({"cached": True}, Reason.CACHED),
        ({"hidden_reasoning": True}, Reason.HIDDEN_REASONING),
        ({"temperature_honoured": False}, Reason.TEMPERATURE_REFUSED),
    ],
)
def test_a_reply_that_cannot_be_compared_is_recorded_with_its_reason(admitted: dict[str, Any], reason: Reason) -> None:
    target = Target(
        name="t",
        delivered=Admitting(admitted),
        direct=None,
        comparator=NeverAsked(),
        evidence=RateTest(alpha=0.001, a_year=0.1),
        probes=(),
        questions_per_round=1,
        reply_tokens=16,
    )
    questions = (Question(id="q1", topic="t", seed=1, text="Is it safe?"),)
    plan = Plan(id="r1", seed=1, questions=questions, cases=(), ask_direct=False)

    (compared,) = Measuring(lambda: NOW).measure(target, plan, tau=0.5).compared

    assert compared.reason is reason
    assert compared.comparison is None
    assert compared.delivered_reply == "It is safe."
    assert not compared.byte_different
