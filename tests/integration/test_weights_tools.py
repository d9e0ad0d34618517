"""Tools and the weights in this process: what the model is told, what it says, and what it scores then."""

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from detectors.divergence.calls import CallTest
from probes.channels.config import WeightsConfig
from tests import small_models
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole, Message, Request, Speaker
from watchdog.domain.tools import Tool
from watchdog.ports import OffersTools

pytestmark = pytest.mark.model

TOOL = Tool(name="a", description="b", parameters="{}")
TEMPLATE = "{% if tools %}{{ tools[0].function.name }}!{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
ASKED = (Message(speaker=Speaker.USER, text="the hat"),)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from probes.channels.weights import open_weights

    folder: Path = small_models.write(tmp_path_factory.mktemp("model"), template=TEMPLATE)
    return open_weights(WeightsConfig(path=folder))


def test_the_channel_and_the_scorer_are_told_the_same_tools(weights: Any) -> None:
    from probes.channels.weights import WeightsChannel
    from probes.scorers.weights import WeightsScorer

    scorer = WeightsScorer(weights)
    assert isinstance(scorer, OffersTools)
    said = WeightsChannel(weights, ChannelRole.DIRECT, lambda: NOW).ask(
        Request(messages=ASKED, max_tokens=6, tools=(TOOL,), logprobs=True)
    )
    assert isinstance(said.tokens_said, tuple)
    spelled = list(takewhile(lambda it: it.text, said.tokens_said))  # some ids of so small a model mean nothing
    ids = [scorer.vocabulary.index(it.text) for it in spelled]
    (offered,) = scorer.offering((TOOL,)).score(ASKED, [tuple(ids)])
    (plain,) = scorer.score(ASKED, [tuple(ids)])
    told = [it.logprob for it in spelled]
    assert offered.logprob == pytest.approx(told, abs=1e-3)
    assert plain.logprob != pytest.approx(told, abs=1e-3)
    assert scorer.offering((TOOL,)).digest == CallTest(scorer=scorer).digest == scorer.digest
