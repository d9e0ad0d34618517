"""What an exchange admits about itself, and what follows for a comparison."""

from dataclasses import replace

import pytest

from tests.builders import exchange
from watchdog.domain.exchanges import Reason


def test_a_fresh_reply_at_the_temperature_asked_for_can_be_compared() -> None:
    assert exchange("Yes.").incomparable is None


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("hidden_reasoning", [True, False])
@pytest.mark.parametrize("temperature_honoured", [True, False])
def test_the_first_thing_that_stands_in_the_way_of_a_comparison_is_named(
    *, cached: bool, hidden_reasoning: bool, temperature_honoured: bool
) -> None:
    admitted = replace(
        exchange("Yes."), cached=cached, hidden_reasoning=hidden_reasoning, temperature_honoured=temperature_honoured
    )
    ways = [
        (cached, Reason.CACHED),
        (hidden_reasoning, Reason.HIDDEN_REASONING),
        (not temperature_honoured, Reason.TEMPERATURE_REFUSED),
    ]

    assert admitted.incomparable is next((reason for holds, reason in ways if holds), None)
