"""What every channel promises, run over each implementation."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fastapi import FastAPI

from detectors.divergence.listing import parting, spoken
from probes.catalog import CHANNELS
from probes.channels.scripted import ScriptedModelChannel
from probes.scorers.scripted import ScriptedScorer
from probes.scorers.server import Lent, create_app
from probes.scripted_model import ScriptedModel
from tests.builders import NOW
from tests.contract import stand_ins
from watchdog.domain.exchanges import ChannelRole, FinishReason, Message, Request, Speaker, Unsaid
from watchdog.ports import Channel, Clock
from watchdog.rehearsal import model_server
from watchdog.rehearsal.serving import serve

Open = Callable[[ChannelRole, Clock], Channel]
Serve = Callable[[FastAPI], str]


@pytest.fixture(scope="module")
def served() -> Iterator[Serve]:
    """Serve applications on this machine, for as long as these tests run; each once."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        def url(app: FastAPI) -> str:
            if app.title not in urls:
                urls[app.title] = stack.enter_context(serve(app)).base_url
            return urls[app.title]

        yield url


def _over_http(
    kind: str,
    path: str,
    keys: dict[str, str],
    app: Callable[[], FastAPI],
    request: pytest.FixtureRequest,
    *,
    stream: bool,
) -> Open:
    serve_: Serve = request.getfixturevalue("served")
    folder: Path = request.getfixturevalue("tmp_path")
    (folder / "key").write_text(stand_ins.KEY)
    base = {"kind": kind, "base-url": serve_(app()) + path, "api-key-file": folder / "key", **keys}
    config = CHANNELS[kind].settings.model_validate({**base, "stream": stream})

    def open_(role: ChannelRole, clock: Clock) -> Channel:
        opened = CHANNELS[kind].open(config, role, clock)
        request.addfinalizer(opened.close)
        return opened.channel

    return open_


def _model_server() -> FastAPI:
    return model_server.create_app(ScriptedModelChannel(ScriptedModel(1), ChannelRole.DIRECT, lambda: NOW), "tiny")


def _scores(request: pytest.FixtureRequest) -> Open:
    model = ScriptedModel(1)
    channel = ScriptedModelChannel(model, ChannelRole.DIRECT, lambda: NOW)
    serving = serve(create_app(Lent(name="tiny", channel=channel, scorer=ScriptedScorer(model), top=20), token=None))
    url = serving.__enter__().base_url
    request.addfinalizer(lambda: serving.__exit__(None, None, None))
    config = CHANNELS["scores"].settings.model_validate({"kind": "scores", "base-url": url, "digest": model.digest})
    return lambda role, clock: CHANNELS["scores"].open(config, role, clock).channel


def _scripted(_: pytest.FixtureRequest) -> Open:
    return lambda role, clock: ScriptedModelChannel(ScriptedModel(1), role, clock)


def _weights(request: pytest.FixtureRequest) -> Open:
    from probes.channels.weights import WeightsChannel

    weights = request.getfixturevalue("weights")
    return lambda role, clock: WeightsChannel(weights, role, clock)


_MODEL = {"model": stand_ins.MODEL}
_AZURE = {"deployment": "d-1", "api-version": "2024-10-21"}
# Each provider is asked for whole replies and for streams. A new kind of channel is one more line here.
OVER_HTTP = {
    "openai": partial(_over_http, "openai", "/openai/v1", _MODEL, stand_ins.create_app),
    "openai-responses": partial(_over_http, "openai-responses", "/openai/v1", _MODEL, stand_ins.create_app),
    "azure": partial(_over_http, "azure", "/azure", _AZURE, stand_ins.create_app),
    "anthropic": partial(_over_http, "anthropic", "/anthropic/v1", _MODEL, stand_ins.create_app),
    "model-server": partial(_over_http, "openai", "/v1", {"model": "tiny"}, _model_server),
}
FACTORIES = [
    *(pytest.param(partial(it, stream=False), id=name) for name, it in OVER_HTTP.items()),
    *(pytest.param(partial(it, stream=True), id=f"{name}-stream") for name, it in OVER_HTTP.items()),
    pytest.param(_scores, id="scores"),
    pytest.param(_scripted, id="scripted"),
    pytest.param(_weights, id="weights", marks=pytest.mark.model),
]


def test_every_kind_of_channel_is_under_contract() -> None:
    assert {*OVER_HTTP, "scores", "scripted", "weights"} - {"model-server"} == set(CHANNELS)


@pytest.fixture(params=FACTORIES)
def opening(request: pytest.FixtureRequest) -> Open:
    factory: Callable[[pytest.FixtureRequest], Open] = request.param
    return factory(request)


@pytest.fixture
def channel(opening: Open) -> Channel:
    return opening(ChannelRole.DELIVERED, lambda: NOW)


def _request(text: str = "Why do leaves fall?", *, max_tokens: int = 8, temperature: float = 0.0) -> Request:
    message = Message(speaker=Speaker.USER, text=text)
    return Request(messages=(message,), max_tokens=max_tokens, temperature=temperature)


@pytest.mark.parametrize("role", ChannelRole)
def test_a_channel_signs_exchanges_with_its_role(opening: Open, role: ChannelRole) -> None:
    channel = opening(role, lambda: NOW)

    assert channel.role is role
    assert channel.ask(_request()).channel is role


def test_an_exchange_holds_what_was_asked_and_when(channel: Channel) -> None:
    request = _request()
    exchange = channel.ask(request)

    assert exchange.request == request
    assert exchange.asked_at == NOW
    assert exchange.seconds >= 0


def test_an_exchange_holds_a_reply_and_the_model_that_gave_it(channel: Channel) -> None:
    exchange = channel.ask(_request())

    assert exchange.reply
    assert exchange.model


def test_at_temperature_0_the_same_question_gets_the_same_reply(channel: Channel) -> None:
    assert channel.ask(_request()).reply == channel.ask(_request()).reply


def test_another_question_gets_another_reply(channel: Channel) -> None:
    replies = {channel.ask(_request(text)).reply for text in ("Why do leaves fall?", "Name three rivers.")}

    assert len(replies) == 2


def test_a_reply_that_reached_the_limit_says_so(channel: Channel) -> None:
    assert channel.ask(_request(max_tokens=2)).finish is FinishReason.LENGTH


def test_a_longer_limit_continues_the_same_reply(channel: Channel) -> None:
    short = channel.ask(_request(max_tokens=3)).reply

    assert channel.ask(_request(max_tokens=6)).reply.startswith(short)


def test_a_conversation_may_have_every_speaker(channel: Channel) -> None:
    turns = (
        Message(speaker=Speaker.SYSTEM, text="Be brief."),
        Message(speaker=Speaker.USER, text="Count."),
        Message(speaker=Speaker.ASSISTANT, text="1, 2"),
        Message(speaker=Speaker.USER, text="Go on."),
    )

    assert channel.ask(Request(messages=turns, max_tokens=8)).reply


def test_above_temperature_0_a_channel_still_answers(channel: Channel) -> None:
    assert channel.ask(_request(temperature=0.8)).reply


def test_a_list_of_tokens_spells_the_reply_where_one_is_wanted_and_is_not_there_where_none_is(channel: Channel) -> None:
    listed = channel.ask(replace(_request(), logprobs=True))
    plain = channel.ask(_request())

    assert plain.tokens_said is Unsaid.NOT_ASKED
    assert listed.reply == plain.reply
    if isinstance(listed.tokens_said, tuple):
        assert parting(listed, spoken(listed, listed.tokens_said)) is None
        assert all(it.logprob <= 0 for it in listed.tokens_said)
    else:
        assert listed.tokens_said is Unsaid.NOT_ASKED  # a protocol without such lists


@pytest.mark.parametrize("name", [it for it in OVER_HTTP if it != "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_protocol_that_can_list_tokens_does(name: str, stream: bool, request: pytest.FixtureRequest) -> None:
    channel = OVER_HTTP[name](request, stream=stream)(ChannelRole.DIRECT, lambda: NOW)

    assert isinstance(channel.ask(replace(_request(), logprobs=True)).tokens_said, tuple)


@pytest.mark.parametrize("name", OVER_HTTP)
def test_a_reply_in_pieces_is_the_reply_that_comes_whole(name: str, request: pytest.FixtureRequest) -> None:
    whole, pieces = (
        OVER_HTTP[name](request, stream=stream)(ChannelRole.DIRECT, lambda: NOW).ask(_request())
        for stream in (False, True)
    )

    assert replace(pieces, seconds=whole.seconds) == whole
    assert whole.tokens
    assert whole.incomparable is None
