"""The scoring server and its client, over real connections: exact numbers, closed doors, and named refusals."""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.types import ASGIApp

from probes.catalog import CHANNELS, Opened
from probes.channels.scores import ScoresConfig
from probes.channels.scripted import CannedChannel, ScriptedModelChannel
from probes.scorers import wire
from probes.scorers.remote import open_remote
from probes.scorers.scripted import ScriptedScorer
from probes.scorers.server import Lent, create_app
from probes.scripted_model import ScriptedModel
from tests.builders import NOW
from watchdog.config.secrets import read_secret
from watchdog.domain.exchanges import ChannelRole, FinishReason, Message, Reason, Request, Speaker
from watchdog.errors import ChannelError, ConfigError, ScoringError
from watchdog.ports import Channel, Scorer, TokenScores
from watchdog.rehearsal.serving import serve

MODEL = ScriptedModel(1)
CHANNEL = ScriptedModelChannel(MODEL, ChannelRole.DIRECT, lambda: NOW, model_id="tiny@1")
LENT = Lent(name="tiny", channel=CHANNEL, scorer=ScriptedScorer(MODEL), top=20)
ASK = (Message(speaker=Speaker.USER, text="Should I lend money to my brother?"),)
TOKEN = "a-long-token"
Serve = Callable[[ASGIApp], str]


@pytest.fixture
def served() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serve(app)).base_url


def _open(url: str, **keys: object) -> Opened:
    values = {"kind": "scores", "base-url": url, "digest": MODEL.digest, **keys}
    return CHANNELS["scores"].open(ScoresConfig.model_validate(values), ChannelRole.DIRECT, lambda: NOW)


def _scorer(url: str, **keys: object) -> Scorer:
    scorer = _open(url, **keys).scorer
    assert scorer is not None
    return scorer


def _reason(scorer: Scorer, replies: Sequence[tuple[int, ...]] = ((1, 2),)) -> Reason:
    with pytest.raises(ScoringError) as failure:
        scorer.score(ASK, replies)
    return failure.value.reason


def _same(a: TokenScores, b: TokenScores) -> bool:
    names = ("logprob", "top_ids", "top_logprob", "end_logprob")
    return a.windowed_from == b.windowed_from and all(
        getattr(a, it).tobytes() == getattr(b, it).tobytes() and getattr(a, it).dtype == getattr(b, it).dtype
        for it in names
    )


# What is lent


def test_scores_arrive_bit_for_bit(served: Serve) -> None:
    remote, local = _scorer(served(create_app(LENT, token=None))), LENT.scorer
    replies = [local.encode(it) for it in ("It depends on how well you know him.", "", "No.")]

    assert remote.vocabulary == local.vocabulary
    assert remote.digest == local.digest
    for there, here in zip(remote.score(ASK, replies), local.score(ASK, replies), strict=True):
        assert _same(there, here)


def test_where_windows_began_arrives_too(served: Serve) -> None:
    class Windowed(ScriptedScorer):
        def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
            return [replace(it, windowed_from=1) for it in super().score(messages, replies)]

    remote = _scorer(served(create_app(replace(LENT, scorer=Windowed(MODEL)), token=None)))

    assert remote.score(ASK, [(1, 2)])[0].windowed_from == 1


@settings(deadline=None)
@given(st.lists(st.binary(max_size=6), max_size=40))
def test_a_vocabulary_arrives_as_it_was(tokens: list[bytes]) -> None:
    body = wire.Vocabulary.of(tokens).model_dump_json()

    assert wire.Vocabulary.model_validate_json(body).tokens() == tuple(tokens)


def test_the_model_is_asked_for_a_reply_too(served: Serve) -> None:
    channel = _open(served(create_app(LENT, token=None))).channel
    request = Request(messages=ASK, max_tokens=4)
    there, here = channel.ask(request), CHANNEL.ask(request)

    assert (there.reply, there.finish, there.model) == (here.reply, FinishReason.LENGTH, "tiny@1")


def test_many_tokens_are_divided_over_requests_and_come_back_in_order(served: Serve) -> None:
    remote = _scorer(served(create_app(LENT, token=None)))
    replies = [(n,) * 3000 for n in (1, 2, 3)]

    for there, reply in zip(remote.score(ASK, replies), replies, strict=True):
        assert there.logprob.shape == (3000,)
        assert there.logprob[0] == LENT.scorer.score(ASK, [reply[:1]])[0].logprob[0]


def test_a_vocabulary_is_read_once_for_all_targets_that_share_it(served: Serve) -> None:
    app, read = create_app(LENT, token=None), []

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        read.append(scope.get("path"))
        await app(scope, receive, send)

    url = served(counted)
    first, second = _scorer(url), _scorer(url)

    assert first.vocabulary is second.vocabulary
    assert read.count("/v1/model") == 2
    assert read.count("/v1/vocabulary") <= 1


# Closed doors


def _knock(url: str, path: str = "/v1/model", **values: Any) -> httpx.Response:
    with httpx.Client(trust_env=False) as http:
        return http.get(url + path, **values)


def test_without_the_token_nothing_is_told(served: Serve, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    secret = read_secret("a test", env=None, file=tmp_path / "token")
    url = served(create_app(LENT, token=secret))

    assert _knock(url).status_code == 401
    assert _knock(url, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert _knock(url, "/v1/nothing").status_code == 401
    assert _knock(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert _reason(_scorer(url)) is Reason.UNAUTHORIZED
    assert _scorer(url, **{"api-key-file": tmp_path / "token"}).score(ASK, [(1,)])


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/"])
def test_there_are_no_pages(served: Serve, path: str) -> None:
    assert _knock(served(create_app(LENT, token=None)), path).status_code == 404


@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_that_is_too_large_is_refused(served: Serve, chunked: bool) -> None:
    url = served(create_app(LENT, token=None)) + "/v1/encode"
    text = json.dumps({"text": "a" * 2_000_001}).encode()
    with httpx.Client(trust_env=False) as http:
        body = iter([text[:1_000_000], text[1_000_000:]]) if chunked else text
        answer = http.post(url, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": [], "replies": []},
        {"messages": [{"speaker": "tool", "text": "a"}], "replies": []},
        {"messages": [{"speaker": "user", "text": "a"}], "replies": [[-1]]},
        {"messages": [{"speaker": "user", "text": "a"}], "replies": [["1"]]},
        {"messages": [{"speaker": "user", "text": 1}], "replies": [[1]]},
    ],
)
def test_what_is_not_a_request_is_refused_without_repeating_it(served: Serve, body: dict[str, object]) -> None:
    with httpx.Client(trust_env=False) as http:
        answer = http.post(served(create_app(LENT, token=None)) + "/v1/score", json=body)

    assert answer.status_code == 400
    assert answer.json() == {"error": {"message": "the request is not as documented"}}


def test_a_token_that_there_is_not_is_refused(served: Serve) -> None:
    remote = _scorer(served(create_app(LENT, token=None)))

    assert _reason(remote, [(len(LENT.scorer.vocabulary),)]) is Reason.UNSCORABLE


def test_one_computation_runs_at_a_time_and_whoever_finds_no_place_comes_again(served: Serve) -> None:
    running, most, go = [0], [0], threading.Event()

    class Slow(ScriptedScorer):
        def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
            running[0] += 1
            most[0] = max(most[0], running[0])
            go.wait(5)
            running[0] -= 1
            return super().score(messages, replies)

    url = served(create_app(replace(LENT, scorer=Slow(MODEL)), token=None, waiting=2))
    scorers = [_scorer(url) for _ in range(5)]
    assert all(it.vocabulary for it in scorers)
    with ThreadPoolExecutor(5) as pool:
        first = [pool.submit(it.score, ASK, [(1,)]) for it in scorers[:3]]
        deadline = time.monotonic() + 5
        while not running[0] and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        late = [_reason(it, [(1,)]) for it in scorers[3:]]
        go.set()
        done = [it.result() for it in first]

    assert late == [Reason.RATE_LIMITED, Reason.RATE_LIMITED]
    assert len(done) == 3
    assert most == [1]


# What cannot be scored keeps its name on the way


def test_the_servers_reason_arrives(served: Serve) -> None:
    remote = _scorer(served(create_app(LENT, token=None)))
    with pytest.raises(ScoringError, match="5000 tokens") as failure:
        remote.score(ASK, [(1,) * 5000])

    assert failure.value.reason is Reason.TOO_LONG
    assert "the scoring server at 127.0.0.1" in failure.value.problem
    assert failure.value.hint


def test_a_lone_surrogate_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ScoringError) as failure:
        _scorer("http://127.0.0.1:9").encode("a\ud800")

    assert failure.value.reason is Reason.UNSCORABLE


def test_a_server_that_is_not_there_is_unreachable_in_every_way() -> None:
    opened = _open("http://127.0.0.1:9")
    assert opened.scorer is not None

    assert _reason(opened.scorer) is Reason.UNREACHABLE
    with pytest.raises(ScoringError) as failure:
        opened.scorer.encode("a")
    assert failure.value.reason is Reason.UNREACHABLE
    with pytest.raises(ChannelError) as silence:
        opened.channel.ask(Request(messages=ASK, max_tokens=4))
    assert silence.value.reason is Reason.UNREACHABLE


def test_a_server_with_another_model_is_refused_by_name(served: Serve) -> None:
    opened = _open(served(create_app(LENT, token=None)), digest="0" * 64)
    assert opened.scorer is not None
    with pytest.raises(ScoringError, match="another model") as failure:
        opened.scorer.score(ASK, [(1,)])

    assert failure.value.reason is Reason.UNSCORABLE
    assert "`digest`" in failure.value.hint
    with pytest.raises(ChannelError, match="another model"):
        opened.channel.ask(Request(messages=ASK, max_tokens=4))


def test_weights_that_change_later_are_noticed(served: Serve) -> None:
    class Swapped(ScriptedScorer):
        swapped = False

        @property
        def digest(self) -> str:
            return "f" * 64 if self.swapped else super().digest

    lent = replace(LENT, scorer=Swapped(MODEL))
    current = [create_app(lent, token=None)]

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await current[0](scope, receive, send)

    remote = _scorer(served(behind))
    assert remote.score(ASK, [(1,)])
    Swapped.swapped = True
    current[0] = create_app(lent, token=None)
    with pytest.raises(ScoringError, match="another model"):
        remote.score(ASK, [(1,)])


@pytest.mark.parametrize(
    ("reason", "seen"), [(Reason.EMPTY, Reason.EMPTY), (Reason.REJECTED, Reason.REJECTED), (Reason.UNSCORABLE, None)]
)
def test_a_conversation_without_a_reply_keeps_its_reason(served: Serve, reason: Reason, seen: Reason | None) -> None:
    silent: Channel = CannedChannel(ChannelRole.DIRECT, lambda: NOW, [ChannelError("no", hint="", reason=reason)])
    channel = _open(served(create_app(replace(LENT, channel=silent), token=None))).channel
    with pytest.raises(ChannelError) as failure:
        channel.ask(Request(messages=ASK, max_tokens=4))

    assert failure.value.reason is (seen or Reason.SERVER_ERROR)


# What a server says is hostile until it was looked at


def _floats(*numbers: float) -> str:
    return b64encode(np.array(numbers, dtype="<f8").tobytes()).decode()


def _ids(*numbers: int) -> str:
    return b64encode(np.array(numbers, dtype="<i8").tobytes()).decode()


GOOD = {"logprob": _floats(-1), "top_ids": _ids(1, 2), "top_logprob": _floats(-1, -2), "end_logprob": _floats(-3, -4)}
BAD: dict[str, dict[str, object]] = {
    "not a number": {"logprob": _floats(float("nan"))},
    "infinity": {"end_logprob": _floats(-3, float("-inf"))},
    "missing rows": {"top_ids": _ids(1), "top_logprob": _floats(-1)},
    "a token too many": {"logprob": _floats(-1, -1)},
    "no list": {"top_ids": "", "top_logprob": ""},
    "a token that there is not": {"top_ids": _ids(1, 10**6)},
    "a token below 0": {"top_ids": _ids(1, -1)},
    "other widths": {"top_ids": _ids(1, 2, 3, 4)},
    "no base64": {"logprob": "é!"},
    "half a number": {"logprob": b64encode(b"1234").decode()},
}


def _lying(scored: dict[str, object]) -> ASGIApp:
    honest, lying = create_app(LENT, token=None), FastAPI(openapi_url=None)

    @lying.post("/v1/score")
    def score() -> JSONResponse:
        return JSONResponse({"digest": MODEL.digest, "scores": [{**GOOD, "windowed_from": None, **scored}]})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (lying if scope.get("path") == "/v1/score" else honest)(scope, receive, send)

    return app


def test_the_answer_that_is_spoilt_below_would_be_taken_as_it_is(served: Serve) -> None:
    (scores,) = _scorer(served(_lying({}))).score(ASK, [(1,)])

    assert scores.logprob.tolist() == [-1]


@pytest.mark.parametrize("name", BAD)
def test_scores_that_cannot_be_are_malformed(served: Serve, name: str) -> None:
    assert _reason(_scorer(served(_lying(BAD[name]))), [(1,)]) is Reason.MALFORMED


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([200, 204, 301, 400, 422, 500, 503]), st.binary(max_size=60) | st.sampled_from([b"{}", b"[1]"]))
def test_any_answer_is_a_named_failure(status: int, body: bytes) -> None:
    network = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    config = ScoresConfig.model_validate({"kind": "scores", "base-url": "http://s", "digest": "0" * 64})

    assert isinstance(_reason(open_remote(config, ChannelRole.DIRECT, network=network)), Reason)


def test_what_a_server_says_of_a_fault_is_made_harmless() -> None:
    body = {"reason": "unscorable", "problem": "a\x1b[2Jb" + "x" * 1000, "hint": "h\n"}
    network = httpx.MockTransport(lambda _: httpx.Response(422, json=body))
    config = ScoresConfig.model_validate({"kind": "scores", "base-url": "http://s", "digest": "0" * 64})
    with pytest.raises(ScoringError) as failure:
        open_remote(config, ChannelRole.DIRECT, network=network).score(ASK, [(1,)])

    assert failure.value.problem.isprintable()
    assert len(failure.value.problem) < 400


def test_another_version_of_the_protocol_is_named() -> None:
    model = wire.Model(protocol=2, name="a", digest="0" * 64, vocabulary="", top=1)
    network = httpx.MockTransport(lambda _: httpx.Response(200, content=model.model_dump_json()))
    config = ScoresConfig.model_validate({"kind": "scores", "base-url": "http://s", "digest": "0" * 64})
    with pytest.raises(ScoringError, match="version 2") as failure:
        open_remote(config, ChannelRole.DIRECT, network=network).score(ASK, [(1,)])

    assert failure.value.reason is Reason.MALFORMED


def test_a_server_that_encodes_something_else_is_malformed(served: Serve) -> None:
    class Deaf(ScriptedScorer):
        def encode(self, text: str) -> tuple[int, ...]:
            return super().encode("something else")

    remote = _scorer(served(create_app(replace(LENT, scorer=Deaf(MODEL)), token=None)))
    with pytest.raises(ScoringError, match="do not give the text back") as failure:
        remote.encode("a")

    assert failure.value.reason is Reason.MALFORMED


# What is configured


@pytest.mark.parametrize(
    "values", [{"digest": "abc"}, {"digest": None}, {"stream": True}, {"base-url": "scores.example"}, {"path": "x"}]
)
def test_a_configuration_that_cannot_work_is_refused(values: dict[str, object]) -> None:
    base = {"kind": "scores", "base-url": "http://s", "digest": "0" * 64}
    with pytest.raises(ValidationError):
        ScoresConfig.model_validate(base | values)


@pytest.mark.parametrize(
    "values",
    [
        {"score": "vllm"},
        {"score": "tgi", "tokenizer": "t"},
        {"tokenizer": "t"},
        {"score-token-cap": 100},
        {"score": "echo", "tokenizer": "t", "score-token-cap": 10},
        {"score": "echo", "tokenizer": "t", "score-top": 1},
    ],
)
def test_settings_for_scoring_that_cannot_work_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CHANNELS["openai"].settings.model_validate({"kind": "openai", "base-url": "http://s", "model": "m", **values})


def test_an_engine_is_not_asked_for_scores_unless_it_was_configured() -> None:
    config = CHANNELS["openai"].settings.model_validate({"kind": "openai", "base-url": "http://s", "model": "m"})

    assert not config.scores
    assert CHANNELS["openai"].open(config, ChannelRole.DIRECT, lambda: NOW).scorer is None


def test_scores_beyond_this_machine_need_a_token() -> None:
    from watchdog.cli.scores import serve_scores

    with pytest.raises(ConfigError, match="token"):
        serve_scores(Path("nothing"), host="0.0.0.0")
    with pytest.raises(ConfigError, match="belong together"):
        serve_scores(Path("nothing"), tls_key=Path("key.pem"))
