"""Scores from a serving engine, over real connections: what is asked of it, what is not, and what is believed."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi.responses import JSONResponse, Response

from probes.catalog import CHANNELS
from tests import small_tokenizers
from tests.builders import NOW
from tests.contract.engines import MODEL, Engine
from watchdog.domain.exchanges import ChannelRole, Message, Reason, Speaker
from watchdog.errors import ConfigError, ScoringError
from watchdog.rehearsal.serving import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from watchdog.ports import Scorer

pytestmark = pytest.mark.model

ASK = (Message(speaker=Speaker.USER, text="a"),)
DIALECTS = pytest.mark.parametrize("dialect", ["vllm", "echo"])


def _rows(size: int) -> Callable[[Sequence[int]], NDArray[np.float64]]:
    """Return a model that looks at the last two tokens only; some tokens are likely, most are not."""

    def rows(ids: Sequence[int]) -> NDArray[np.float64]:
        logits = np.array(
            [np.random.default_rng([*ids[max(0, n - 1) : n + 1]]).normal(0, 4, size) for n in range(len(ids))]
        )
        found: NDArray[np.float64] = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return found

    return rows


class Bench:
    """A served engine and the scorers of it."""

    def __init__(self, folder: Path, stack: ExitStack, inner: Any) -> None:
        self._stack = stack
        self.folder = folder
        tokenizer = small_tokenizers.wrapped(inner)
        tokenizer.save_pretrained(folder)
        self.ends = tokenizer.convert_tokens_to_ids(["</s>", "<|end|>"])
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": self.ends}))
        self.engine = Engine(
            rows=_rows(len(tokenizer)),
            encode=lambda text: tokenizer.encode(text, add_special_tokens=False),
            name=lambda token: tokenizer.decode([token], clean_up_tokenization_spaces=False),
        )
        self.url = stack.enter_context(serve(self.engine.create_app())).base_url

    def open(self, dialect: str, **keys: object) -> Scorer:
        base = {"base-url": f"{self.url}/v1", "model": MODEL, "tokenizer": self.folder, "score": dialect}
        config = CHANNELS["openai"].settings.model_validate({"kind": "openai", **base, **keys})
        opened = CHANNELS["openai"].open(config, ChannelRole.DIRECT, lambda: NOW)
        self._stack.callback(opened.close)
        assert opened.scorer is not None
        return opened.scorer


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def bench(tmp_path: Path, stack: ExitStack) -> Bench:
    return Bench(tmp_path / "tokenizer", stack, small_tokenizers.byte_level())


def _fails(scorer: Scorer, reply: tuple[int, ...] = (65, 66)) -> ScoringError:
    with pytest.raises(ScoringError) as failure:
        scorer.score(ASK, [reply])
    return failure.value


# What is asked


@DIALECTS
def test_scores_are_those_of_the_model_behind_the_engine(bench: Bench, dialect: str) -> None:
    scorer = bench.open(dialect)
    ids = scorer.encode("see the")
    (scores,) = scorer.score(ASK, [ids])
    prompt = bench.engine.encode("[user]a")
    rows = bench.engine.rows([*prompt, *ids])[len(prompt) - 1 :]

    assert scores.logprob == pytest.approx([row[it] for row, it in zip(rows, ids, strict=False)])
    if dialect == "vllm":
        assert scores.top_logprob[:, 0] == pytest.approx(rows.max(axis=1))
    else:  # parts of characters share a text, and an engine that names tokens by text lists one of them
        assert (scores.top_logprob[:, 0] <= rows.max(axis=1) + 1e-9).all()


def test_an_echo_by_ids_lists_what_prompt_logprobs_list(bench: Bench) -> None:
    by_id = {"extra-body": {"return_tokens_as_token_ids": True}, "score-top": 7}
    (echoed,) = bench.open("echo", **by_id).score(ASK, [(65, 200, 66)])
    (listed,) = bench.open("vllm", **{"score-top": 7}).score(ASK, [(65, 200, 66)])

    assert (echoed.top_ids == listed.top_ids).all()
    assert (echoed.top_logprob == listed.top_logprob).all()
    assert (echoed.logprob == listed.logprob).all()
    assert (echoed.end_logprob == listed.end_logprob).all()


@DIALECTS
def test_the_end_of_a_turn_is_never_less_likely_than_it_is(bench: Bench, dialect: str) -> None:
    scorer = bench.open(dialect)
    ids = scorer.encode("see the")
    (scores,) = scorer.score(ASK, [ids])
    prompt = bench.engine.encode("[user]a")
    rows = bench.engine.rows([*prompt, *ids])[len(prompt) - 1 :]

    assert (scores.end_logprob >= np.logaddexp.reduce(rows[:, bench.ends], axis=1) - 1e-9).all()
    assert scores.end_logprob.max() <= 0
    # The end of the turn was sent after the last token, so that a reply that was cut short shows.
    assert scores.end_logprob[-1] <= max(rows[-1, bench.ends[0]], scores.top_logprob[-1, -1]) + np.log(2)


@DIALECTS
def test_tokens_are_sent_and_the_tokenizer_is_checked_once(bench: Bench, dialect: str) -> None:
    scorer = bench.open(dialect)
    scorer.score(ASK, [(65,), (66,)])
    scorer.score(ASK, [(67,)])

    assert [isinstance(it["prompt"], str) for it in bench.engine.asked] == [True, False, False, False]


def test_opening_sends_nothing(bench: Bench) -> None:
    bench.open("vllm")

    assert bench.engine.asked == []


@DIALECTS
def test_an_engine_may_list_up_to_twenty_tokens_by_their_ids_and_five_by_their_text(bench: Bench, dialect: str) -> None:
    (scores,) = bench.open(dialect).score(ASK, [(65,)])

    assert scores.top_ids.shape == (2, {"vllm": 20, "echo": 5}[dialect])


def test_a_request_over_the_cap_is_never_sent(bench: Bench) -> None:
    failure = _fails(bench.open("vllm", **{"score-token-cap": 64}), (65,) * 60)

    assert failure.reason is Reason.TOO_LONG
    assert "score-token-cap" in failure.problem
    assert bench.engine.asked == []


def test_one_request_is_in_flight_however_many_score(bench: Bench) -> None:
    inside, most = [0], [0]
    lock = threading.Lock()
    rows = bench.engine.rows

    def slowly(ids: Sequence[int]) -> NDArray[np.float64]:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with lock:
            inside[0] -= 1
        return rows(ids)

    bench.engine.rows = slowly
    scorers = [bench.open("vllm") for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda it: it.score(ASK, [(65,), (66,)]), scorers * 2))

    assert most == [1]


# After a failure


@pytest.mark.parametrize("status", [500, 502, 503])
@DIALECTS
def test_after_the_first_failure_of_the_engine_nothing_is_sent_until_a_reload(
    bench: Bench, dialect: str, status: int
) -> None:
    scorer, other = bench.open(dialect), bench.open(dialect)
    scorer.score(ASK, [(65,)])
    bench.engine.spoil = lambda _: JSONResponse({"error": {"message": "EngineDeadError"}}, status)
    first = _fails(scorer)
    bench.engine.spoil = lambda answer: answer
    asked = len(bench.engine.asked)

    assert first.reason is Reason.SERVER_ERROR
    for failure in (_fails(scorer), _fails(other)):
        assert failure.reason is Reason.SCORING_OFF
        assert "off" in failure.problem
        assert f"HTTP status {status}" in failure.problem
        assert "reload" in failure.hint
    assert len(bench.engine.asked) == asked
    bench.open(dialect).score(ASK, [(65,)])


def test_a_client_error_does_not_end_scoring(bench: Bench) -> None:
    scorer = bench.open("vllm")
    bench.engine.spoil = lambda _: JSONResponse(
        {"error": {"message": "Requested prompt logprobs of 20", "param": "prompt_logprobs"}}, 400
    )
    failure = _fails(scorer)
    bench.engine.spoil = lambda answer: answer

    assert failure.reason is Reason.REJECTED
    assert "score-top" in failure.hint
    scorer.score(ASK, [(65,)])


def test_an_engine_that_asks_for_a_pause_gets_it(bench: Bench) -> None:
    scorer = bench.open("vllm")
    bench.engine.spoil = lambda _: JSONResponse({"error": "slow"}, 429, {"Retry-After": "30"})
    first = _fails(scorer)
    asked = len(bench.engine.asked)
    second = _fails(scorer)

    assert (first.reason, second.reason) == (Reason.RATE_LIMITED, Reason.RATE_LIMITED)
    assert "nothing was sent" in second.problem
    assert len(bench.engine.asked) == asked


def test_an_engine_that_is_not_there_is_unreachable_and_asked_again(bench: Bench, stack: ExitStack) -> None:
    scorer = bench.open("vllm")
    gone = bench.open("vllm", **{"base-url": "http://127.0.0.1:9/v1"})

    assert _fails(gone).reason is Reason.UNREACHABLE
    assert _fails(gone).reason is Reason.UNREACHABLE
    assert scorer.score(ASK, [(65,)])


# What is not believed


def test_an_engine_with_another_tokenizer_is_refused_by_name(tmp_path: Path, bench: Bench, stack: ExitStack) -> None:
    other = Bench(tmp_path / "other", stack, small_tokenizers.pieces())
    for dialect in ("vllm", "echo"):
        failure = _fails(bench.open(dialect, **{"base-url": f"{other.url}/v1"}))

        assert failure.reason is Reason.MALFORMED
        assert "cuts text into other tokens" in failure.problem
        assert "`tokenizer`" in failure.hint


def test_texts_that_do_not_say_which_token_it_is_are_refused(tmp_path: Path, stack: ExitStack) -> None:
    pieces = Bench(tmp_path / "pieces", stack, small_tokenizers.pieces())

    assert "do not say which token" in _fails(pieces.open("echo"), (260,)).problem
    assert pieces.open("vllm").score(ASK, [(260, 261)])
    by_id = {"extra-body": {"return_tokens_as_token_ids": True}}
    assert pieces.open("echo", **by_id).score(ASK, [(260, 261)])


@DIALECTS
def test_an_engine_that_finds_everything_likely_is_not_believed(bench: Bench, dialect: str) -> None:
    size = len(bench.open(dialect).vocabulary) - 1

    def flattering(ids: Sequence[int]) -> NDArray[np.float64]:
        rows = np.full((len(ids), size), -20.0)
        rows[np.arange(len(ids) - 1), ids[1:]] = -1e-6
        rows[-1, 0] = -1e-6
        return rows

    bench.engine.rows = flattering
    failure = _fails(bench.open(dialect))

    assert failure.reason is Reason.MALFORMED
    assert "made up" in failure.problem


@DIALECTS
def test_an_engine_that_lies_about_a_score_is_named(bench: Bench, dialect: str) -> None:
    def lie(answer: dict[str, Any]) -> dict[str, Any]:
        choice = answer["choices"][0]
        if dialect == "vllm" and choice.get("prompt_logprobs"):
            choice["prompt_logprobs"].pop()
        elif dialect == "echo" and len(choice["logprobs"]["tokens"]) < 15:
            choice["logprobs"]["token_logprobs"][-2] = 0.7
        return answer

    scorer = bench.open(dialect)
    scorer.score(ASK, [(65,)])
    bench.engine.spoil = lie
    failure = _fails(scorer)

    assert failure.reason is Reason.MALFORMED
    assert "scoring at 127.0.0.1" in failure.problem


def test_an_engine_that_begins_to_call_itself_by_another_name_is_not_believed(bench: Bench) -> None:
    scorer = bench.open("vllm")
    scorer.score(ASK, [(65,)])
    bench.engine.spoil = lambda answer: answer | {"model": "another-1"}

    assert "another model's name" in _fails(scorer).problem


def test_a_token_that_the_engine_did_not_name_is_never_sent(bench: Bench) -> None:
    scorer = bench.open("echo")

    assert _fails(scorer, (len(scorer.vocabulary) - 1,)).reason is Reason.UNSCORABLE
    assert bench.engine.asked == []


def test_a_conversation_that_the_template_forbids_is_unscorable(bench: Bench) -> None:
    with pytest.raises(ScoringError) as failure:
        bench.open("vllm").score([Message(speaker=Speaker.SYSTEM, text="a")], [(65,)])

    assert failure.value.reason is Reason.UNSCORABLE


def test_an_error_never_holds_what_the_engine_wrote(bench: Bench) -> None:
    scorer = bench.open("vllm")
    bench.engine.spoil = lambda _: Response("the key is hunter2", 418)

    assert "hunter2" not in str(_fails(scorer))


# What names a scorer


def test_the_digest_depends_on_the_model_and_the_tokenizer_and_not_on_where_they_are(bench: Bench) -> None:
    digests = {bench.open("vllm").digest, bench.open("echo", **{"base-url": "http://elsewhere/v1"}).digest}
    assert len(digests) == 1

    digests.add(bench.open("vllm", model="served-2").digest)
    (bench.folder / "tokenizer_config.json").write_text((bench.folder / "tokenizer_config.json").read_text() + "\n")
    digests.add(bench.open("vllm").digest)
    assert len(digests) == 3


@pytest.mark.parametrize("files", [None, {}, {"tokenizer.json": "{"}, {"tokenizer.json": "[]", "config.json": "[]"}])
def test_a_folder_without_a_tokenizer_is_a_configuration_error(
    bench: Bench, tmp_path: Path, files: dict[str, str] | None
) -> None:
    folder = tmp_path / "none"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)

    with pytest.raises(ConfigError, match="tokenizer"):
        bench.open("vllm", tokenizer=folder)


def test_a_tokenizer_that_holds_no_conversation_is_a_configuration_error(bench: Bench, tmp_path: Path) -> None:
    small_tokenizers.wrapped(small_tokenizers.byte_level(), template=None).save_pretrained(tmp_path / "base")

    with pytest.raises(ConfigError, match="no chat template"):
        bench.open("vllm", tokenizer=tmp_path / "base")
