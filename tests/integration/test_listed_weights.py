"""Log probabilities of real weights: how far another precision is from the direct model, and what is further."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from detectors.divergence.logprobs import MOST_TAU, START_TAU, LogprobTest
from probes.channels.config import WeightsConfig
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Request, Speaker
from watchdog.domain.logprobs import LogprobComparison

if TYPE_CHECKING:
    from pathlib import Path

    from probes.channels.weights import Weights

pytestmark = pytest.mark.model

QUESTIONS = ("Should I lend money to my brother?", "Name three rivers, one a line.", "Is it safe to swim after lunch?")


def _ask(weights: Weights, request: Request) -> Exchange:
    from probes.channels.weights import WeightsChannel

    return WeightsChannel(weights, ChannelRole.DELIVERED, lambda: NOW).ask(request)


def _request(text: str) -> Request:
    message = Message(speaker=Speaker.USER, text=text)
    return Request(messages=(message,), max_tokens=16, logprobs=True)


@pytest.fixture(scope="module")
def test_of(weights: Weights) -> LogprobTest:
    from probes.scorers.weights import WeightsScorer

    return LogprobTest(scorer=WeightsScorer(weights))


def _examine(test: LogprobTest, delivered: Exchange) -> LogprobComparison:
    return test.examine(delivered.request, delivered, None, tau=START_TAU).comparison


def test_the_same_weights_say_the_same_numbers_and_spell_their_reply(weights: Weights, test_of: LogprobTest) -> None:
    for text in QUESTIONS:
        found = _examine(test_of, _ask(weights, _request(text)))
        assert found.spelled
        assert found.largest is not None
        assert found.largest < 1e-3


def test_another_precision_is_benign_and_another_system_prompt_is_not(
    gguf_file: Path, weights: Weights, test_of: LogprobTest
) -> None:
    from probes.channels.weights import open_weights

    bfloat16 = open_weights(WeightsConfig(path=gguf_file, dtype="bfloat16"))
    steering = Message(speaker=Speaker.SYSTEM, text="You are a careful assistant. Be brief.")
    benign, steered = [], []
    for request in map(_request, QUESTIONS):
        benign.append(_examine(test_of, _ask(bfloat16, request)))
        sent = replace(request, messages=(steering, *request.messages))
        steered.append(_examine(test_of, replace(_ask(weights, sent), request=request)))
    distances = [it.distance or 0.0 for it in benign]
    assert max(distances) > 0
    tau = test_of.threshold(distances)
    assert tau is not None
    assert tau < MOST_TAU
    assert not any(it.flagged for it in benign)
    assert any((it.distance or 0.0) > tau for it in steered)
