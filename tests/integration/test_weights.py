"""The weights in this process: what is generated, what it scores, and what is refused to be loaded."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.channels.config import WeightsConfig
from tests import small_models, small_tokenizers
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole, FinishReason, Message, Reason, Request, Speaker
from watchdog.errors import ChannelError, ConfigError, ScoringError

if TYPE_CHECKING:
    from probes.channels.weights import Weights, WeightsChannel
    from probes.scorers.weights import WeightsScorer

pytestmark = pytest.mark.model

NOISE = 1e-3
QUESTIONS = (
    "Should I lend money to my brother? Answer briefly.",
    "Write a haiku about rain, then a blank line, then explain it.",
    "Give me Python code for the Fibonacci numbers.",
    "What is 2 + 2? Answer with one word.",
)


def _request(text: str, *, max_tokens: int = 30, temperature: float = 0.0) -> Request:
    messages = (Message(speaker=Speaker.USER, text=text),)
    return Request(messages=messages, max_tokens=max_tokens, temperature=temperature)


def _open(path: Path, **values: str) -> Weights:
    from probes.channels.weights import open_weights

    return open_weights(WeightsConfig.model_validate({"path": path, **values}))


def _channel(weights: Weights) -> WeightsChannel:
    from probes.channels.weights import WeightsChannel

    return WeightsChannel(weights, ChannelRole.DIRECT, lambda: NOW)


def _scorer(weights: Weights, **values: int) -> WeightsScorer:
    from probes.scorers.weights import WeightsScorer

    return WeightsScorer(weights, **values)


# With the real small model


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_the_channel_generates_has_no_gap_under_the_scorer(weights: Weights, question: str) -> None:
    request, scorer = _request(question), _scorer(weights)
    exchange = _channel(weights).ask(request)
    ids = scorer.encode(exchange.reply)
    (scores,) = scorer.score(request.messages, [ids])

    assert (scores.top_logprob[:-1, 0] - scores.logprob).max() < NOISE
    if exchange.finish is FinishReason.STOP:
        assert scores.top_logprob[-1, 0] - scores.end_logprob[-1] < NOISE


def test_one_edited_word_opens_a_gap(weights: Weights) -> None:
    request, scorer = _request(QUESTIONS[0]), _scorer(weights)
    reply = _channel(weights).ask(request).reply
    edited = reply.replace("money", "weapons", 1)
    (scores,) = scorer.score(request.messages, [scorer.encode(edited)])

    assert edited != reply
    assert (scores.top_logprob[:-1, 0] - scores.logprob).max() > 2


def test_sampled_replies_differ_from_each_other(weights: Weights) -> None:
    channel = _channel(weights)
    request = _request("Tell me a story.", max_tokens=12, temperature=1.0)

    assert channel.ask(request).reply != channel.ask(request).reply


def test_a_model_from_a_gguf_file_and_the_directory_written_from_it_compute_the_same(
    weights: Weights,
) -> None:
    with TemporaryDirectory() as folder:  # half a gigabyte, which tmp_path would keep for three sessions
        directory = Path(folder) / "converted"
        weights.save(directory)
        converted = _open(directory)
        stored = json.loads((directory / "config.json").read_text())
    prompt = weights.prompt(_request(QUESTIONS[0]).messages)

    assert "quantization_config" not in stored
    assert converted.prompt(_request(QUESTIONS[0]).messages) == prompt
    assert (weights.run([prompt], weights.new_cache()) == converted.run([prompt], converted.new_cache())).all()


# With tiny models of random weights


@pytest.fixture(scope="module")
def byte_level() -> Any:
    return small_tokenizers.byte_level()


@pytest.fixture(scope="module")
def pieces() -> Any:
    return small_tokenizers.pieces()


@pytest.fixture
def tiny(tmp_path: Path, byte_level: Any) -> Path:
    return small_models.write(tmp_path / "tiny", byte_level)


@pytest.fixture(scope="module")
def scorers(tmp_path_factory: pytest.TempPathFactory, byte_level: Any, pieces: Any) -> list[Any]:
    folder = tmp_path_factory.mktemp("scorers")
    directories = small_models.write(folder / "byte-level", byte_level), small_models.write(folder / "pieces", pieces)
    return [_scorer(_open(directory)) for directory in directories]


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581")))
def test_the_tokens_of_any_text_spell_it_whatever_the_kind_of_tokenizer(scorers: list[Any], text: str) -> None:
    for scorer in scorers:
        assert b"".join(scorer.vocabulary[token] for token in scorer.encode(text)) == text.encode()


def test_canonical_tokens_are_words_not_bytes(scorers: list[Any]) -> None:
    for scorer in scorers:
        spelled = [scorer.vocabulary[token] for token in scorer.encode("see the")]
        assert spelled == [b"s", b"e", b"e", b" the"]


def test_what_looks_like_a_special_token_in_a_reply_is_plain_text(scorers: list[Any]) -> None:
    for scorer in scorers:
        assert len(scorer.encode("</s>")) == 4


def test_a_text_that_the_tokenizer_rewrites_is_unscorable(scorers: list[Any]) -> None:
    with pytest.raises(ScoringError) as failure:
        scorers[1].encode("a\u2581b")

    assert failure.value.reason is Reason.UNSCORABLE


def test_ids_beyond_the_tokenizer_add_no_bytes(scorers: list[Any]) -> None:
    for scorer in scorers:
        assert scorer.vocabulary[-7:] == (b"",) * 7


def test_the_end_of_a_turn_is_any_of_the_ends(tiny: Path) -> None:
    weights = _open(tiny)
    (scores,) = _scorer(weights, top_k=10_000).score(_request("a").messages, [()])
    logprob = dict(zip(scores.top_ids[0].tolist(), scores.top_logprob[0].tolist(), strict=True))

    assert len(weights.ends) == 2
    assert scores.end_logprob[0] == pytest.approx(np.logaddexp(*(logprob[end] for end in weights.ends)))


# Longer than the model's context


def test_windows_cover_every_token_once_and_give_each_at_least_half_a_context_before_it() -> None:
    from probes.scorers.passes import windows

    for context, prompt, stop in itertools.product((2, 7, 8, 64), (1, 5, 8, 200), (1, 9, 63, 64, 65, 500)):
        wanted = range(prompt - 1, prompt + stop)
        found = list(windows(prompt - 1, prompt + stop, context))
        covered = [token for _, first, last in found for token in range(first, last)]
        assert covered == list(wanted)
        for start, first, last in found:
            assert last - start <= context
            assert start == 0 or first - start >= context // 2


def test_a_reply_beyond_the_context_is_scored_through_windows_and_says_from_where(tiny: Path) -> None:
    weights = _open(tiny)  # its context is 64
    request, scorer = _request("a"), _scorer(weights)
    prompt = len(weights.prompt(request.messages))
    (scores,) = scorer.score(request.messages, [scorer.encode("abcdefgh" * 30)])

    assert scores.windowed_from == 64 - prompt + 1
    assert scores.logprob.shape == (240,)
    assert np.isfinite(scores.logprob).all()


def test_before_the_end_of_the_context_windows_change_nothing(tiny: Path) -> None:
    weights = _open(tiny)
    request, scorer = _request("a"), _scorer(weights)
    ids = scorer.encode("abcdefgh" * 30)
    within, beyond = scorer.score(request.messages, [ids[:40], ids])

    assert within.windowed_from is None
    assert beyond.logprob[:40] == pytest.approx(within.logprob, abs=NOISE)


def test_a_prompt_longer_than_the_context_leaves_only_windows(tiny: Path) -> None:
    weights = _open(tiny)
    scorer = _scorer(weights)
    (scores,) = scorer.score(_request("a" * 200).messages, [scorer.encode("bc")])

    assert scores.windowed_from == 0


def test_windowed_scores_are_those_of_what_each_window_holds(tiny: Path) -> None:
    weights = _open(tiny)
    request, scorer = _request("a"), _scorer(weights)
    ids = scorer.encode("abcdefgh" * 12)
    (scores,) = scorer.score(request.messages, [ids])
    said = (*weights.prompt(request.messages), *ids)
    # The last window begins after two half contexts of 32 tokens.
    logits = weights.run([said[64:-1]], weights.new_cache())[0, -1].log_softmax(dim=-1)

    assert 64 + 32 < len(said) <= 64 + 64
    assert scores.logprob[-1] == pytest.approx(float(logits[ids[-1]]), abs=NOISE)


def test_a_text_that_fits_is_scored_nearly_alike_through_windows(weights: Weights) -> None:
    request = _request("Write a long essay about the history of bridges.", max_tokens=120)
    ids = _scorer(weights).encode(_channel(weights).ask(request).reply)
    (whole,) = _scorer(weights).score(request.messages, [ids])
    (windowed,) = _scorer(replace(weights, context=128)).score(request.messages, [ids])
    seen = windowed.windowed_from
    assert seen is not None
    assert whole.windowed_from is None
    differences = np.abs(whole.logprob - windowed.logprob)

    assert differences[:seen].max() < NOISE
    assert np.median(differences[seen:]) < 0.5
    assert (whole.top_ids[seen:, 0] == windowed.top_ids[seen:, 0]).mean() > 0.8


# What is computed once


def test_what_replies_share_and_what_was_read_before_changes_no_score(tiny: Path) -> None:
    weights, draw = _open(tiny), random.Random(0)
    kept = _scorer(weights)
    for _ in range(30):
        common = tuple(draw.randrange(200) for _ in range(draw.randrange(12)))
        replies = [
            (*common, *(draw.randrange(200) for _ in range(draw.randrange(8)))) for _ in range(draw.randrange(5))
        ]
        messages = _request(draw.choice("ab")).messages
        for reply, scores in zip(replies, kept.score(messages, replies), strict=True):
            (fresh,) = _scorer(weights).score(messages, [reply])
            assert scores.logprob == pytest.approx(fresh.logprob, abs=NOISE)
            assert scores.top_logprob == pytest.approx(fresh.top_logprob, abs=NOISE)
            assert scores.end_logprob == pytest.approx(fresh.end_logprob, abs=NOISE)


def test_after_a_failure_nothing_half_read_is_kept(tiny: Path) -> None:
    weights = _open(tiny)
    request, scorer = _request("a"), _scorer(weights)
    (before,) = scorer.score(request.messages, [(1, 2, 3)])
    head = weights.model.lm_head.weight.data.clone()
    weights.model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(ScoringError):
        scorer.score(request.messages, [(1, 2, 3, 4), (1, 2, 5)])
    weights.model.lm_head.weight.data.copy_(head)
    (after,) = scorer.score(request.messages, [(1, 2, 3)])

    assert after.logprob == pytest.approx(before.logprob, abs=NOISE)


def test_weights_that_are_not_numbers_are_unmeasured_and_not_a_reply(tiny: Path) -> None:
    weights = _open(tiny)
    weights.model.lm_head.weight.data.fill_(float("nan"))
    request = _request("a", max_tokens=4)

    with pytest.raises(ScoringError, match="not finite"):
        _scorer(weights).score(request.messages, [(1, 2)])
    with pytest.raises(ChannelError, match="not finite") as failure:
        _channel(weights).ask(request)
    assert failure.value.reason is Reason.UNSCORABLE


def test_a_model_that_ends_at_once_gave_an_empty_reply(tiny: Path) -> None:
    weights = _open(tiny)
    weights.model.lm_head.weight.data.fill_(0)  # makes all ids equally likely, and the first of them the first choice
    weights = replace(weights, ends=(0,))

    with pytest.raises(ChannelError) as failure:
        _channel(weights).ask(_request("a"))
    assert failure.value.reason is Reason.EMPTY


def test_a_conversation_that_fills_the_context_is_rejected(tiny: Path) -> None:
    channel = _channel(_open(tiny))

    with pytest.raises(ChannelError) as failure:
        channel.ask(_request("a" * 100))
    assert failure.value.reason is Reason.REJECTED


def test_a_reply_ends_where_the_context_does(tiny: Path) -> None:
    exchange = _channel(_open(tiny)).ask(_request("a" * 50, max_tokens=500))

    assert exchange.finish is FinishReason.LENGTH
    assert len(exchange.reply) < 64


def test_a_conversation_that_the_template_forbids_is_rejected(tiny: Path) -> None:
    weights = _open(tiny)
    request = Request(messages=(Message(speaker=Speaker.SYSTEM, text="a"),), max_tokens=4)

    with pytest.raises(ChannelError) as refused:
        _channel(weights).ask(request)
    with pytest.raises(ScoringError):
        _scorer(weights).score(request.messages, [()])
    assert refused.value.reason is Reason.REJECTED


def test_the_digest_depends_on_weights_tokenizer_configuration_and_precision(tiny: Path) -> None:
    digests = [_open(tiny).digest, _open(tiny, dtype="bfloat16").digest]
    for name in ("config.json", "tokenizer_config.json"):
        file = tiny / name
        file.write_text(file.read_text() + "\n")
        digests.append(_open(tiny).digest)
    file = tiny / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x3e")
    digests.append(_open(tiny).digest)

    assert len(set(digests)) == len(digests)


def test_the_digest_does_not_depend_on_where_the_model_lies(tiny: Path) -> None:
    before = _open(tiny).digest

    assert _open(tiny.rename(tiny.with_name("moved"))).digest == before


# What cannot be loaded


def test_a_path_without_a_model_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no model at"):
        _open(tmp_path / "nothing")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"config.json": "{"},
        {"config.json": '{"model_type": "of another world"}'},
        {"config.json": '{"model_type": "llama"}'},
    ],
)
def test_a_directory_that_is_no_model_is_a_configuration_error(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError, match="cannot be loaded as a model"):
        _open(tmp_path)


def test_a_file_that_is_no_gguf_is_a_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"<html>")

    with pytest.raises(ConfigError, match="cannot be loaded as a model"):
        _open(file)


def test_weights_cut_short_are_a_configuration_error(tiny: Path) -> None:
    file = tiny / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(ConfigError, match="cannot be loaded as a model"):
        _open(tiny)


def test_weights_of_another_shape_are_never_filled_up_by_chance(tiny: Path) -> None:
    file = tiny / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "num_hidden_layers": 3}))

    with pytest.raises(ConfigError, match="lacks weights"):
        _open(tiny)


def test_a_model_that_holds_no_conversation_is_a_configuration_error(tmp_path: Path, byte_level: Any) -> None:
    with pytest.raises(ConfigError, match="has no chat template"):
        _open(small_models.write(tmp_path / "base", byte_level, template=None))


def test_a_directory_in_use_is_not_overwritten(tiny: Path) -> None:
    weights, before = _open(tiny), sorted(tiny.parent.rglob("*"))

    with pytest.raises(ConfigError, match="cannot be written"):
        weights.save(tiny)
    assert sorted(tiny.parent.rglob("*")) == before


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package: str) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
from watchdog.errors import InstallationError
try:
    import probes.channels.weights
except InstallationError as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert package in done.stdout
    assert "pip install 'corrigibility-watchdog[weights]'" in done.stdout


def test_loading_prints_nothing_and_asks_no_network(tiny: Path) -> None:
    code = f"""
import socket
from pathlib import Path
def refuse(*_, **__):
    raise SystemExit("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
from probes.channels.config import WeightsConfig
from probes.channels.weights import open_weights
weights = open_weights(WeightsConfig(path=Path({str(tiny)!r})))
weights.save(Path({str(tiny)!r} + "-copy"))
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
