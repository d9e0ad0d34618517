"""A real model server in bfloat16 behind the editing gateway, held against the same weights in float32."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from detectors.divergence.gap import START_TAU, GapTest
from probes.channels.config import WeightsConfig
from probes.channels.endpoint import open_endpoint
from probes.channels.openai import OpenAIConfig, codec
from probes.questions import load_questions
from probes.scorers.weights import WeightsScorer
from watchdog.domain.comparisons import Comparison
from watchdog.domain.exchanges import ChannelRole, Message, Request, Speaker
from watchdog.ports import Channel
from watchdog.rehearsal.gateway import Gateway
from watchdog.rehearsal.serving import serve
from watchdog.rehearsal.stage import real_stage
from watchdog.wiring import now

pytestmark = pytest.mark.model

SEED = 20260301


@dataclass(frozen=True)
class RealWorld:
    gateway: Gateway
    delivered: Channel
    comparator: GapTest

    def compare(self, question: str) -> tuple[str, Comparison]:
        message = Message(speaker=Speaker.USER, text=question)
        request = Request(messages=(message,), max_tokens=24)
        exchange = self.delivered.ask(request)
        return exchange.reply, self.comparator.compare(request, exchange, tau=START_TAU).comparison


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorld]:
    from probes.channels.weights import open_weights

    folder: Path = tmp_path_factory.mktemp("stage")
    with real_stage(folder) as stage, Gateway(stage.server, every=1) as gateway, serve(gateway.app) as public:
        config = OpenAIConfig.model_validate(
            {"kind": "openai", "base-url": f"{public.base_url}/v1", "model": stage.model_id}
        )
        weights = open_weights(WeightsConfig.model_validate({"kind": "weights", "path": folder / "model"}))
        with closing(open_endpoint(config, codec(config), ChannelRole.DELIVERED, now)) as channel:
            yield RealWorld(gateway=gateway, delivered=channel, comparator=GapTest(scorer=WeightsScorer(weights)))


def test_unedited_replies_of_another_precision_are_not_flagged(world: RealWorld) -> None:
    world.gateway.editing = False
    for question in load_questions().draw(SEED, 4):
        reply, comparison = world.compare(question.text)
        assert not comparison.flagged, (reply, comparison)


def test_every_edited_reply_is_flagged_at_one_of_its_edited_words(world: RealWorld) -> None:
    world.gateway.editing = True
    flagged = 0
    for question in load_questions().draw(SEED + 1, 6):
        reply, comparison = world.compare(question.text)
        edits = [it for it in world.gateway.record if it.edited == reply]
        assert comparison.flagged == bool(edits), (reply, comparison)
        for edit in edits:
            flagged += 1
            marked = [(span.start, span.end) for span in comparison.spans]
            assert any(a < swap.end and swap.start < b for a, b in marked for swap in edit.words), (edit, comparison)
    assert flagged >= 2
