"""The lists of tokens that an endpoint sends beside a reply: read strictly, and never at the cost of the reply."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.channels import azure, openai, responses
from probes.channels.codec import Codec, Completion
from probes.channels.endpoint import Endpoint, open_endpoint
from probes.channels.said import said_tokens
from tests.builders import NOW, at
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Request, SaidToken, Speaker, Unsaid

Json = dict[str, Any]
CHAT = openai.codec(openai.OpenAIConfig.model_validate({"base-url": "https://api.example.com", "model": "m"}))
RESPONSES = responses.codec(
    responses.ResponsesConfig.model_validate({"base-url": "https://a.example.com", "model": "m"})
)
YES = (SaidToken(text=b"Ye", logprob=-0.25), SaidToken(text=b"s.", logprob=-1.5))


def listed(text: bytes, logprob: object, **changes: object) -> Json:
    token = {"token": text.decode(errors="replace"), "logprob": logprob, "bytes": list(text), "top_logprobs": []}
    return token | changes


LIST = [listed(it.text, it.logprob) for it in YES]


def _chat(logprobs: object) -> bytes:
    return json.dumps({"choices": [{"message": {"content": "Yes."}, "logprobs": logprobs}]}).encode()


def _chat_stream(*pieces: object) -> list[bytes]:
    steps: list[Json] = [{"delta": {"content": "Yes." if not n else ""}, "logprobs": it} for n, it in enumerate(pieces)]
    steps.append({"delta": {}, "finish_reason": "stop"})
    return [json.dumps({"choices": [{"index": 0, **step}]}).encode() for step in steps]


def _response(logprobs: object) -> Json:
    text = {"type": "output_text", "text": "Yes.", "logprobs": logprobs}
    return {"status": "completed", "output": [{"type": "message", "content": [text]}]}


def _said(answer: object) -> tuple[SaidToken, ...] | Unsaid:
    assert isinstance(answer, Completion), answer
    assert answer.reply == "Yes."
    return answer.tokens_said


# What is read


def test_a_list_is_read_from_a_whole_chat_and_from_a_streamed_one() -> None:
    assert _said(CHAT.read(_chat({"content": LIST, "refusal": None}))) == YES
    pieces = [{"content": [LIST[0]]}, {"content": []}, None, {"content": [LIST[1]]}]
    assert _said(CHAT.read_stream(_chat_stream(*pieces))) == YES


def test_a_refusal_has_a_list_of_its_own() -> None:
    assert _said(CHAT.read(_chat({"content": None, "refusal": LIST}))) == YES


def test_a_list_is_read_from_a_whole_response_and_from_the_end_of_a_streamed_one() -> None:
    assert _said(RESPONSES.read(json.dumps(_response(LIST)).encode())) == YES
    without_bytes = [{"token": "Ye", "logprob": -0.25}, {"token": "s.", "logprob": -1.5}]
    events = [
        {"type": "response.output_text.delta", "delta": "Yes.", "logprobs": without_bytes},
        {"type": "response.completed", "response": _response(LIST)},
    ]
    assert _said(RESPONSES.read_stream([json.dumps(it).encode() for it in events])) == YES


def test_a_number_that_rounding_pushed_above_0_is_taken() -> None:
    found = said_tokens([listed(b"x", 1e-6), listed(b"y", 0)])
    assert isinstance(found, tuple)
    assert [it.logprob for it in found] == [1e-6, 0.0]


# What is not, and what it is called


BAD: list[tuple[object, Unsaid]] = [
    (None, Unsaid.ABSENT),
    ([], Unsaid.ABSENT),
    ({}, Unsaid.ABSENT),
    ("yes", Unsaid.MALFORMED),
    ({"content": "yes"}, Unsaid.MALFORMED),
    ({"content": [None]}, Unsaid.MALFORMED),
    ({"content": [{"token": "Yes."}]}, Unsaid.MALFORMED),
    ({"content": [listed(b"Yes.", "-1")]}, Unsaid.MALFORMED),
    ({"content": [listed(b"Yes.", True)]}, Unsaid.MALFORMED),
    ({"content": [listed(b"Yes.", -1, bytes=[256])]}, Unsaid.MALFORMED),
    ({"content": [listed(b"Yes.", -1, bytes=["a"])]}, Unsaid.MALFORMED),
    ({"content": [listed(b"Yes.", -1, bytes=None)]}, Unsaid.WITHOUT_BYTES),
    ({"content": [{"token": "Yes.", "logprob": -1}]}, Unsaid.WITHOUT_BYTES),
    ({"content": [listed(b"Yes.", float("nan"))]}, Unsaid.NO_PROBABILITIES),
    ({"content": [listed(b"Yes.", float("-inf"))]}, Unsaid.NO_PROBABILITIES),
    ({"content": [listed(b"Yes.", 0.5)]}, Unsaid.NO_PROBABILITIES),
    ({"content": [listed(b"Y", -1)] * 20_000}, Unsaid.TOO_MANY),
]


@pytest.mark.parametrize(("logprobs", "why"), BAD)
def test_a_list_that_cannot_be_used_has_a_name_and_the_reply_is_kept(logprobs: object, why: Unsaid) -> None:
    assert _said(CHAT.read(_chat(logprobs))) is why
    assert _said(CHAT.read_stream(_chat_stream(logprobs))) is why


def test_a_stream_of_which_one_piece_is_no_list_has_none() -> None:
    assert _said(CHAT.read_stream(_chat_stream({"content": LIST}, {"content": "?"}))) is Unsaid.MALFORMED


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["token", "logprob", "bytes", "content", "top_logprobs"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(anything)
def test_whatever_is_sent_the_reply_is_kept_and_the_list_is_read_or_named(logprobs: object) -> None:
    for answer in (CHAT.read(_chat(logprobs)), RESPONSES.read(json.dumps(_response(logprobs)).encode())):
        assert isinstance(_said(answer), tuple | Unsaid)


# How it is asked for


def _request(*, logprobs: bool = True) -> Request:
    return Request(messages=(Message(speaker=Speaker.USER, text="Safe?"),), max_tokens=8, logprobs=logprobs)


@pytest.mark.parametrize(
    ("codec", "key", "value"),
    [
        (CHAT, "logprobs", True),
        (
            azure.codec(
                azure.AzureConfig.model_validate(
                    {"base-url": "https://a.example.com", "deployment": "d", "api-version": "2024-10-21"}
                )
            ),
            "logprobs",
            True,
        ),
        (RESPONSES, "include", ["message.output_text.logprobs"]),
    ],
)
def test_a_list_is_asked_for_where_the_request_wants_one(codec: Codec, key: str, value: object) -> None:
    assert codec.asks_logprobs == key
    assert codec.write(_request())[key] == value
    assert key not in codec.write(_request(logprobs=False))


class Lists:
    """An endpoint that gives lists, or refuses to be asked for them."""

    def __init__(self, *, refusal: Json | None = None, status: int = 400, **config: object) -> None:
        self.now = NOW
        self.asked: list[Json] = []
        self.refusal, self.status = refusal, status
        self.config = openai.OpenAIConfig.model_validate(
            {"base-url": "https://api.example.com/v1", "model": "m", **config}
        )

    def open(self) -> Endpoint:
        network = httpx.MockTransport(self._answer)
        codec = openai.codec(self.config)
        return open_endpoint(self.config, codec, ChannelRole.DELIVERED, lambda: self.now, network=network)

    def ask(self, *, logprobs: bool = True) -> Exchange:
        return self.open().ask(_request(logprobs=logprobs))

    def _answer(self, got: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(got.content))
        if "logprobs" in self.asked[-1] and self.refusal is not None:
            return httpx.Response(self.status, json=self.refusal)
        choice: Json = {"message": {"content": "Yes."}, "finish_reason": "stop"}
        choice |= {"logprobs": {"content": LIST}} if "logprobs" in self.asked[-1] else {}
        return httpx.Response(200, json={"choices": [choice]})


def test_an_exchange_holds_the_list_that_it_asked_for() -> None:
    assert Lists().ask().tokens_said == YES


def test_nothing_is_asked_where_nobody_wants_it_or_the_configuration_says_no() -> None:
    unwanted, refused = Lists(), Lists(logprobs=False)
    assert unwanted.ask(logprobs=False).tokens_said is Unsaid.NOT_ASKED
    assert refused.ask().tokens_said is Unsaid.NOT_ASKED
    assert not any("logprobs" in it for it in unwanted.asked + refused.asked)


REFUSALS: list[tuple[int, Json]] = [
    (400, {"error": {"param": "logprobs", "message": "no"}}),
    (400, {"error": {"param": "top_logprobs"}}),
    (400, {"error": {"message": "UnsupportedParamsError: does not support parameters: ['logprobs']"}}),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "logprobs"], "input": True}]}),
]


@pytest.mark.parametrize(("status", "refusal"), REFUSALS)
def test_a_refusal_is_taken_at_once_and_remembered_for_an_hour(status: int, refusal: Json) -> None:
    world = Lists(refusal=refusal, status=status)
    channel = world.open()
    assert channel.ask(_request()).tokens_said is Unsaid.REFUSED
    assert channel.ask(_request()).temperature_honoured
    world.now, world.refusal = at(3600), None
    assert channel.ask(_request()).tokens_said == YES
    assert ["logprobs" in it for it in world.asked] == [True, False, False, True]


def test_both_the_temperature_and_the_list_may_be_refused() -> None:
    def answer(got: httpx.Request) -> httpx.Response:
        asked = json.loads(got.content)
        for name in ("logprobs", "temperature"):
            if name in asked:
                return httpx.Response(400, json={"error": {"param": name}})
        return httpx.Response(200, json={"choices": [{"message": {"content": "Yes."}}]})

    config = openai.OpenAIConfig.model_validate({"base-url": "https://api.example.com/v1", "model": "m"})
    network = httpx.MockTransport(answer)
    channel = open_endpoint(config, openai.codec(config), ChannelRole.DELIVERED, lambda: NOW, network=network)
    exchange = channel.ask(_request())

    assert exchange.tokens_said is Unsaid.REFUSED
    assert not exchange.temperature_honoured
