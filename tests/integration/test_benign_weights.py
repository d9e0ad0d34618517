"""The model in this process on other engines: real arithmetic, on a model small enough to be made in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.channels.config import WeightsConfig
from tests import small_models
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Request, Speaker

if TYPE_CHECKING:
    from pathlib import Path

    from probes.channels.benign import BenignWeights

pytestmark = pytest.mark.model

TEXTS = ("one", "two and three", "a much longer question than the others", "x", "why?")


def asked(*texts: str, most: int = 8) -> list[Request]:
    return [Request(messages=(Message(speaker=Speaker.USER, text=it),), max_tokens=most) for it in texts]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> BenignWeights:
    from probes.channels.benign import BenignWeights
    from probes.channels.weights import open_weights

    config = WeightsConfig(path=small_models.write(tmp_path_factory.mktemp("model") / "tiny"))
    return BenignWeights(weights=open_weights(config), config=config, role=ChannelRole.DIRECT, clock=lambda: NOW)


def test_each_engine_names_what_computes_it_and_the_plainest_comes_first(engines: BenignWeights) -> None:
    assert [it.name for it in engines.engines] == [
        "float32, alone",
        "float32, in batches of 16",
        "bfloat16, in batches of 16",
        "int8 weights, in batches of 16",
    ]
    assert all(it.libraries[0].startswith("torch ") for it in engines.engines)


def test_in_a_batch_with_longer_and_shorter_prompts_the_model_says_what_it_says_alone(engines: BenignWeights) -> None:
    alone, together, *_ = engines.engines
    one, other = (list(engines.speak(it, asked(*TEXTS))) for it in (alone, together))
    said = [[it.reply if isinstance(it, Exchange) else str(it) for it in replies] for replies in (one, other)]
    assert said[0] == said[1]


def test_every_engine_answers_every_request_within_its_limit_and_more_than_a_batch(engines: BenignWeights) -> None:
    for engine in engines.engines:
        replies = list(engines.speak(engine, asked(*[f"question {n}" for n in range(18)], most=4)))
        assert len(replies) == 18
        for it in replies:
            if isinstance(it, Exchange):
                assert it.finish in (FinishReason.LENGTH, FinishReason.STOP)
                assert it.model.startswith("tiny@")


def test_rounding_changes_the_weights_of_a_copy_and_leaves_the_model_as_it_was(engines: BenignWeights) -> None:
    import torch

    from probes.channels.benign import INT8_LEVELS, rounded

    before = {name: it.clone() for name, it in engines.weights.model.state_dict().items()}
    coarse = rounded(engines.weights, INT8_LEVELS).model.state_dict()
    after = engines.weights.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    layer = "model.layers.0.mlp.up_proj.weight"
    assert 0 < float((coarse[layer] - before[layer]).abs().max()) <= float(before[layer].abs().max()) / 127
    assert torch.equal(coarse["lm_head.weight"], before["lm_head.weight"])


def test_weights_are_named_by_their_files_as_the_integrity_check_names_them(tmp_path: Path) -> None:
    from probes.channels.weights import open_weights
    from probes.integrity import weights_files
    from watchdog.domain.weights import digest_of

    path = small_models.write(tmp_path / "tiny")
    assert open_weights(WeightsConfig(path=path)).files_digest == digest_of(weights_files(path))


def test_a_reload_loads_weights_again_once_their_files_were_seen_to_be_others(tmp_path: Path) -> None:
    from watchdog.wiring import build, read_config, rebuild

    path = small_models.write(tmp_path / "tiny")
    config = tmp_path / "watchdog.yaml"
    config.write_text(
        f"ledger: {tmp_path}/ledger.sqlite\ntargets:\n  - name: a\n    delivered: {{kind: scripted}}\n"
        f"    direct: {{kind: weights, path: {path}}}\n",
        encoding="utf-8",
    )
    with build(read_config(config)) as app:
        app.inspect()
        (first,) = app.targets
        (same,) = rebuild(app, read_config(config)).targets
        assert same.direct is first.direct
        assert list(same.benign) == [ChannelRole.DIRECT]

        (path / "generation_config.json").write_text("{}", encoding="utf-8")
        (seen,) = app.inspect()
        (other,) = rebuild(app, read_config(config)).targets
        assert other.direct is not first.direct
        assert other.files_digest == seen.check.digest != first.files_digest
