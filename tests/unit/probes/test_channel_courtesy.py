"""What the headers of an endpoint ask for and admit, and how a channel heeds them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.channels.courtesy import LONGEST_WAIT, is_cached, quiet_until
from probes.channels.endpoint import Endpoint, open_endpoint
from probes.channels.openai import OpenAIConfig, codec
from tests.builders import NOW, at, request
from watchdog.domain.exchanges import ChannelRole, Exchange, Reason
from watchdog.errors import ChannelError

SOON = "Sun, 01 Mar 2026 12:01:00 GMT"
Json = dict[str, Any]


class World:
    """An endpoint with a script, and a clock that a test moves."""

    def __init__(self, *script: tuple[int, Mapping[str, str]], takes_temperature: bool = True) -> None:
        self.now = NOW
        self.asked: list[Json] = []
        self.takes_temperature = takes_temperature
        self._script = list(script)

    def open(self) -> Endpoint:
        config = OpenAIConfig.model_validate({"base-url": "https://api.example.com/v1", "model": "m"})
        network = httpx.MockTransport(self._answer)
        return open_endpoint(config, codec(config), ChannelRole.DELIVERED, lambda: self.now, network=network)

    def _answer(self, got: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(got.content))
        status, headers = self._script.pop(0) if self._script else (200, {})
        if "temperature" in self.asked[-1] and not self.takes_temperature:
            return httpx.Response(400, json={"error": {"param": "temperature", "message": "Only 1 is supported"}})
        choices = [{"message": {"content": "Yes."}, "finish_reason": "stop"}]
        return httpx.Response(status, headers=dict(headers), json={"choices": choices} if status == 200 else {})


def _reason(channel: Endpoint) -> Reason:
    with pytest.raises(ChannelError) as failure:
        channel.ask(request())
    return failure.value.reason


def _reply(channel: Endpoint) -> Exchange:
    return channel.ask(request())


# How long


WAITS: list[tuple[int, dict[str, str], float | None]] = [
    (429, {"retry-after": "20"}, 20),
    (503, {"retry-after": "1.5"}, 1.5),
    (529, {"retry-after": " 7 "}, 7),
    (429, {"retry-after": SOON}, 60),
    (429, {"retry-after-ms": "250"}, 0.25),
    (429, {"retry-after": "999999"}, 900),
    (429, {"retry-after": "Fri, 01 Mar 2126 12:00:00 GMT"}, 900),
    (429, {"retry-after": "0"}, None),
    (429, {"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, None),
    (429, {"retry-after": "soon"}, None),
    (429, {"retry-after": ""}, None),
    (429, {"retry-after": "-5"}, None),
    (429, {"retry-after": "١٢"}, None),
    (429, {}, None),
    (200, {"retry-after": "20"}, None),
    (500, {"retry-after": "20"}, None),
    (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
    (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h2m3.5s"}, 900),
    (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
    (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "17"}, 17),
    (200, {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "17"}, None),
    (200, {"x-ratelimit-remaining-requests": "0"}, None),
    (200, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2m"}, 120),
    (
        200,
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-03-01T12:00:30Z",
        },
        30,
    ),
    (429, {"retry-after": "5", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9s"}, 9),
]


@pytest.mark.parametrize(("status", "headers", "seconds"), WAITS)
def test_the_time_to_stay_away_is_read(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert quiet_until(status, headers, NOW) == (None if seconds is None else at(seconds))


@given(st.text(max_size=30) | st.from_regex(r"[0-9hms.]{1,30}", fullmatch=True) | st.datetimes().map(str))
def test_whatever_an_endpoint_says_the_wait_has_an_end(text: str) -> None:
    until = quiet_until(429, {"retry-after": text, "retry-after-ms": text}, NOW)

    assert until is None or NOW < until <= NOW + LONGEST_WAIT


@pytest.mark.parametrize("status", [429, 503])
def test_a_channel_that_was_told_to_wait_sends_nothing_until_then(status: int) -> None:
    world = World((status, {"Retry-After": "60"}))
    channel = world.open()
    told = _reason(channel)
    world.now = at(59)
    waiting = _reason(channel)
    asked_while_waiting = len(world.asked)
    world.now = at(60)

    assert told is (Reason.RATE_LIMITED if status == 429 else Reason.SERVER_ERROR)
    assert waiting is Reason.RATE_LIMITED
    assert asked_while_waiting == 1
    assert _reply(channel).reply == "Yes."


def test_a_reply_that_used_up_the_quota_is_kept_and_the_next_request_waits() -> None:
    world = World((200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}))
    channel = world.open()

    assert _reply(channel).reply == "Yes."
    with pytest.raises(ChannelError, match="12:00:30 UTC") as failure:
        channel.ask(request())
    assert failure.value.reason is Reason.RATE_LIMITED
    assert len(world.asked) == 1


def test_a_clock_that_goes_back_does_not_make_a_wait_longer() -> None:
    world = World((429, {"Retry-After": "60"}))
    channel = world.open()
    _reason(channel)
    world.now = NOW - timedelta(hours=1)

    assert _reply(channel).reply == "Yes."


# A model that refuses to be told a temperature


def test_a_refused_temperature_is_left_out_at_once_and_the_exchange_says_so() -> None:
    world = World(takes_temperature=False)
    exchange = _reply(world.open())

    assert exchange.reply == "Yes."
    assert not exchange.temperature_honoured
    assert exchange.incomparable is Reason.TEMPERATURE_REFUSED
    assert ["temperature" in it for it in world.asked] == [True, False]


def test_a_refused_temperature_is_remembered_for_an_hour_and_then_offered_again() -> None:
    world = World(takes_temperature=False)
    channel = world.open()
    _reply(channel)
    world.now = at(3599)
    remembered = _reply(channel)
    world.now, world.takes_temperature = at(3600), True

    assert not remembered.temperature_honoured
    assert _reply(channel).temperature_honoured
    assert ["temperature" in it for it in world.asked] == [True, False, False, True]


def test_a_refusal_that_leaving_the_temperature_out_does_not_mend_is_told_as_it_is() -> None:
    world = World((400, {}), (401, {}), takes_temperature=False)
    channel = world.open()

    assert _reason(channel) is Reason.UNAUTHORIZED
    assert not _reply(channel).temperature_honoured
    assert ["temperature" in it for it in world.asked] == [True, False, True, False]


def test_a_wait_that_comes_with_a_refused_temperature_is_heeded() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}
    refusal = {"error": {"param": "temperature"}}
    config = OpenAIConfig.model_validate({"base-url": "https://api.example.com/v1", "model": "m"})
    network = httpx.MockTransport(lambda _: httpx.Response(400, headers=headers, json=refusal))
    channel = open_endpoint(config, codec(config), ChannelRole.DELIVERED, lambda: NOW, network=network)

    assert _reason(channel) is Reason.RATE_LIMITED


# A reply out of a cache


CACHED = [
    {"x-cache": "HIT"},
    {"x-cache": "MISS, HIT"},
    {"x-cache": "Hit from cloudfront"},
    {"x-cache": "RefreshHit from cloudfront"},
    {"x-cache-status": "Hit"},
    {"cf-cache-status": "HIT"},
    {"cf-cache-status": "STALE"},
    {"cf-aig-cache-status": "HIT"},
    {"helicone-cache": "HIT"},
    {"x-openrouter-cache-status": "HIT"},
    {"x-portkey-cache-status": "SEMANTIC HIT"},
    {"x-litellm-cache-key": "0f9e"},
    {"cache-status": "ExampleCache; hit"},
    {"cache-status": "Origin; hit; ttl=1100, CDN; fwd=uri-miss"},
    {"age": "17"},
]
FRESH = [
    {},
    {"x-cache": "MISS"},
    {"x-cache": "Miss from cloudfront"},
    {"cf-cache-status": "DYNAMIC"},
    {"cf-cache-status": "EXPIRED"},
    {"cf-aig-cache-status": "MISS"},
    {"cache-status": "ExampleCache; fwd=stale; fwd-status=304"},
    {"cache-status": "ExampleCache; hit=?0"},
    {"age": "0"},
    {"age": "old"},
    {"x-litellm-call-id": "hit"},
    {"cache-control": "no-cache"},
]


@pytest.mark.parametrize("headers", CACHED, ids=str)
def test_a_reply_out_of_a_cache_is_recognised(headers: dict[str, str]) -> None:
    assert is_cached(headers)
    exchange = _reply(World((200, headers)).open())
    assert exchange.cached
    assert exchange.incomparable is Reason.CACHED


@pytest.mark.parametrize("headers", FRESH, ids=str)
def test_a_fresh_reply_is_taken_as_one(headers: dict[str, str]) -> None:
    assert not is_cached(headers)
    assert _reply(World((200, headers)).open()).incomparable is None


@given(st.dictionaries(st.sampled_from(["age", "x-cache", "cache-status"]), st.text(max_size=20)))
def test_any_header_can_be_read(headers: dict[str, str]) -> None:
    assert is_cached(headers) in {True, False}


@pytest.mark.parametrize("kind", ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_a_stream_that_nobody_asked_for_is_put_together(kind: str) -> None:
    chunk = {"choices": [{"delta": {"content": "Yes."}, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
    config = OpenAIConfig.model_validate({"base-url": "https://api.example.com/v1", "model": "m"})
    network = httpx.MockTransport(lambda _: httpx.Response(200, headers={"content-type": kind}, content=body))
    channel = open_endpoint(config, codec(config), ChannelRole.DELIVERED, lambda: NOW, network=network)

    assert _reply(channel).reply == "Yes."
