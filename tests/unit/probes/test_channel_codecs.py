"""The protocols of the providers: what each answer comes to, whole and streamed, and the name of every failure."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.channels import anthropic, azure, openai, responses
from probes.channels.codec import Codec, Completion, Failure
from probes.channels.refusals import refused
from probes.channels.sse import payloads
from watchdog.domain.exchanges import FinishReason, Message, Reason, Request, Speaker

Json = dict[str, Any]
_BASE = {"base-url": "https://api.example.com", "model": "m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One protocol, and how to write its answers."""

    codec: Codec
    whole: Callable[..., Json]
    """Takes the text and the finish, and `usage` and `thought` where a test is about them."""
    stream: Callable[..., list[Json | str]]
    stop: str
    length: str
    filtered: str
    reasoning_usage: Json


def _chat(text: object = "Yes.", finish: str = "stop", usage: object = None, thought: object = None) -> Json:
    message = {"role": "assistant", "content": text} | ({"reasoning_content": thought} if thought else {})
    return {"model": "m-2", "choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def _chat_stream(
    text: str = "Yes.", finish: str = "stop", usage: object = None, thought: object = None
) -> list[Json | str]:
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning": thought}] if thought else []
    deltas += [{"content": piece} for piece in text]
    chunks: list[Json | str] = [
        {"model": "m-2", "choices": [{"index": 0, "delta": it, "finish_reason": None}]} for it in deltas
    ]
    chunks.append({"model": "m-2", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return [*chunks, {"model": "m-2", "choices": [], "usage": usage}, "[DONE]"]


def _response(text: object = "Yes.", finish: str = "completed", usage: object = None, thought: object = None) -> Json:
    output: list[Json] = [{"type": "reasoning", "summary": []}] if thought else []
    output.append({"type": "message", "content": [{"type": "output_text", "text": text}]})
    why = None if finish == "completed" else {"reason": finish}
    status = "completed" if finish == "completed" else "incomplete"
    return {"model": "m-2", "status": status, "incomplete_details": why, "output": output, "usage": usage}


def _response_stream(
    text: str = "Yes.", finish: str = "completed", usage: object = None, thought: object = None
) -> list[Json | str]:
    done = _response(text, finish, usage, thought)
    return [
        {"type": "response.created", "response": {"status": "in_progress", "output": []}},
        *({"type": "response.output_text.delta", "delta": it} for it in text),
        {"type": f"response.{done['status']}", "response": done},
    ]


def _message(text: object = "Yes.", finish: str = "end_turn", usage: object = None, thought: object = None) -> Json:
    content: list[Json] = [{"type": "thinking", "thinking": thought, "signature": "s"}] if thought else []
    content.append({"type": "text", "text": text})
    return {"type": "message", "model": "m-2", "content": content, "stop_reason": finish, "usage": usage}


def _message_stream(
    text: str = "Yes.", finish: str = "end_turn", usage: object = None, thought: object = None
) -> list[Json | str]:
    thinking: list[Json | str] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": thought}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    ]
    return [
        {"type": "message_start", "message": {"model": "m-2", "content": [], "usage": usage}},
        *(thinking if thought else []),
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": it}} for it in text),
        {"type": "message_delta", "delta": {"stop_reason": finish}, "usage": usage},
        {"type": "message_stop"},
    ]


CHAT = Protocol(
    codec=openai.codec(openai.OpenAIConfig.model_validate(_BASE)),
    whole=_chat,
    stream=_chat_stream,
    stop="stop",
    length="length",
    filtered="content_filter",
    reasoning_usage={"total_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 3}},
)
RESPONSES = Protocol(
    codec=responses.codec(responses.ResponsesConfig.model_validate(_BASE)),
    whole=_response,
    stream=_response_stream,
    stop="completed",
    length="max_output_tokens",
    filtered="content_filter",
    reasoning_usage={"total_tokens": 9, "output_tokens_details": {"reasoning_tokens": 3}},
)
MESSAGES = Protocol(
    codec=anthropic.codec(anthropic.AnthropicConfig.model_validate(_BASE)),
    whole=_message,
    stream=_message_stream,
    stop="end_turn",
    length="max_tokens",
    filtered="refusal",
    reasoning_usage={"input_tokens": 4, "output_tokens": 5, "reasoning_tokens": 3},
)
PROTOCOLS = [
    pytest.param(CHAT, id="chat"),
    pytest.param(RESPONSES, id="responses"),
    pytest.param(MESSAGES, id="messages"),
]


def _events(events: list[Json | str]) -> tuple[bytes, ...]:
    return tuple((it if isinstance(it, str) else json.dumps(it)).encode() for it in events)


def _both(it: Protocol, *args: object, **more: object) -> list[Completion | Failure]:
    whole = it.codec.read(json.dumps(it.whole(*args, **more)).encode())
    return [whole, it.codec.read_stream(_events(it.stream(*args, **more)))]


def _reasons(answers: list[Completion | Failure]) -> set[Reason]:
    assert not any(isinstance(answer, Completion) for answer in answers), answers
    return {answer.reason for answer in answers if isinstance(answer, Failure)}


both_ways = pytest.mark.parametrize("protocol", PROTOCOLS)


@both_ways
@pytest.mark.parametrize("text", ["Yes.", " a\n\n", "\u202eevil\x1b[2J", "👩‍👩‍👧", "a</p>", "data: x\n\ndata: [DONE]"])
def test_a_reply_is_kept_as_it_came(protocol: Protocol, text: str) -> None:
    for told, finish in [(protocol.stop, FinishReason.STOP), (protocol.length, FinishReason.LENGTH)]:
        expected = Completion(reply=text, finish=finish, model="m-2")
        assert _both(protocol, text, told) == [expected, expected]


@pytest.mark.parametrize("protocol", [CHAT, MESSAGES], ids=["chat", "messages"])
def test_any_other_end_is_neither_a_stop_nor_a_limit(protocol: Protocol) -> None:
    for answer in _both(protocol, "Yes.", "tool_calls"):
        assert isinstance(answer, Completion)
        assert answer.finish is FinishReason.OTHER


@both_ways
def test_a_filtered_reply_is_blocked(protocol: Protocol) -> None:
    assert _reasons(_both(protocol, "I", protocol.filtered)) == {Reason.BLOCKED}


@both_ways
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_an_empty_reply_has_a_reason_of_its_own(protocol: Protocol, finish: str) -> None:
    assert _reasons(_both(protocol, "", getattr(protocol, finish))) == {Reason.EMPTY}


@both_ways
def test_a_text_with_nul_is_malformed(protocol: Protocol) -> None:
    assert _reasons(_both(protocol, "a\0b")) == {Reason.MALFORMED}


@both_ways
@pytest.mark.parametrize("text", [None, 7, ["a"], {"value": "a"}])
def test_content_that_is_not_text_is_malformed(protocol: Protocol, text: object) -> None:
    assert _reasons([protocol.codec.read(json.dumps(protocol.whole(text)).encode())]) == {Reason.MALFORMED}


@both_ways
@pytest.mark.parametrize("content", ["choices", "output", "content"])
@pytest.mark.parametrize("value", [None, [], "yes", 7])
def test_an_answer_without_content_is_never_a_reply(protocol: Protocol, content: str, value: object) -> None:
    body = protocol.whole()
    if content in body:
        answer = protocol.codec.read(json.dumps({**body, content: value}).encode())
        assert _reasons([answer]) <= {Reason.MALFORMED, Reason.EMPTY}


@both_ways
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Sign in</html>", b"[]", b"null", b"7", b"{}", b"[" * 100_000, b'{"x":' + b"[" * 100_000, b"\xff"],
    ids=["nothing", "a page", "a list", "null", "a number", "no keys", "deep", "deep below a key", "not UTF-8"],
)
def test_a_body_of_another_kind_is_malformed(protocol: Protocol, body: bytes) -> None:
    assert _reasons([protocol.codec.read(body)]) == {Reason.MALFORMED}
    assert _reasons([protocol.codec.read_stream([body])]) == {Reason.MALFORMED}


@both_ways
def test_a_lone_surrogate_is_malformed(protocol: Protocol) -> None:
    body = json.dumps(protocol.whole("X")).replace("X", "\\ud800").encode()
    events = [it.replace(b"X", b"\\ud800") for it in _events(protocol.stream("X"))]

    assert _reasons([protocol.codec.read(body), protocol.codec.read_stream(events)]) == {Reason.MALFORMED}


# A stream that was cut off


@both_ways
def test_a_cut_stream_is_malformed_wherever_it_was_cut(protocol: Protocol) -> None:
    events = _events(protocol.stream("A longer reply."))
    end = next(i for i, it in enumerate(events) if any(x in it for x in (b'"stop"', b"completed", b"message_stop")))

    for length in range(end):
        assert _reasons([protocol.codec.read_stream(events[:length])]) == {Reason.MALFORMED}
    assert isinstance(protocol.codec.read_stream(events), Completion)


@both_ways
@given(data=st.data())
def test_a_stream_cut_at_any_byte_is_the_whole_reply_or_a_failure(protocol: Protocol, data: st.DataObject) -> None:
    text = "Stop, then go on."
    body = b"".join(b"data: " + it + b"\n\n" for it in _events(protocol.stream(text)))
    answer = protocol.codec.read_stream(payloads(body[: data.draw(st.integers(0, len(body)))]))

    assert isinstance(answer, Failure) or answer.reply == text


def test_a_responses_stream_shows_the_words_that_a_client_would_show() -> None:
    events = RESPONSES.stream("Yes.")
    edited: list[Json | str] = [
        {**it, "delta": "No"} if isinstance(it, dict) and it.get("delta") == "Y" else it for it in events
    ]
    answer = RESPONSES.codec.read_stream(_events(edited))

    assert isinstance(answer, Completion)
    assert answer.reply == "Noes."


def test_a_chat_stream_holds_the_first_choice_only() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}
    answer = CHAT.codec.read_stream(_events([other, *CHAT.stream("Yes.")]))

    assert isinstance(answer, Completion)
    assert answer.reply == "Yes."


# Errors


ERRORS: list[tuple[object, Reason]] = [
    ({"message": "no"}, Reason.MALFORMED),
    ("no", Reason.MALFORMED),
    ({"type": "overloaded_error", "message": "busy"}, Reason.SERVER_ERROR),
    ({"type": "rate_limit_error"}, Reason.RATE_LIMITED),
    ({"code": "rate_limit_exceeded", "message": "slow"}, Reason.RATE_LIMITED),
    ({"code": "model_not_found", "type": "invalid_request_error"}, Reason.MODEL_NOT_FOUND),
    ({"type": "authentication_error"}, Reason.UNAUTHORIZED),
    ({"code": "content_filter"}, Reason.BLOCKED),
    ({"code": 500}, Reason.MALFORMED),
]


@both_ways
@pytest.mark.parametrize(("error", "reason"), ERRORS)
def test_an_error_under_a_status_of_success_is_a_failure(protocol: Protocol, error: object, reason: Reason) -> None:
    body: Json = {"type": "error", "error": error}
    beside = {**protocol.whole(), "error": error}
    midway: list[Json | str] = [*protocol.stream("Yes.")[:2], body]

    assert _reasons([protocol.codec.read(json.dumps(it).encode()) for it in (body, beside)]) == {reason}
    assert _reasons([protocol.codec.read_stream(_events(it)) for it in (midway[-1:], midway)]) == {reason}


def test_a_failed_response_tells_its_error() -> None:
    done = {**RESPONSES.whole(), "status": "failed", "error": {"code": "server_error", "message": "no"}}
    streamed = RESPONSES.codec.read_stream(_events([{"type": "response.failed", "response": done}]))

    assert _reasons([RESPONSES.codec.read(json.dumps(done).encode()), streamed]) == {Reason.SERVER_ERROR}


def test_an_error_event_of_the_responses_api_tells_its_code() -> None:
    event = {"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": None}

    assert _reasons([RESPONSES.codec.read_stream(_events([*RESPONSES.stream()[:2], event]))]) == {Reason.RATE_LIMITED}


STATUSES = [
    (301, Reason.REJECTED),
    (400, Reason.REJECTED),
    (401, Reason.UNAUTHORIZED),
    (403, Reason.UNAUTHORIZED),
    (404, Reason.MODEL_NOT_FOUND),
    (413, Reason.REJECTED),
    (422, Reason.REJECTED),
    (429, Reason.RATE_LIMITED),
    (500, Reason.SERVER_ERROR),
    (503, Reason.SERVER_ERROR),
    (529, Reason.SERVER_ERROR),
]


@pytest.mark.parametrize(("status", "reason"), STATUSES)
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"error": null}', b'{"error": "no"}', b'{"error": {"code": 7}}', b"[]"]
)
def test_a_status_that_is_no_success_has_a_named_reason(status: int, reason: Reason, body: bytes) -> None:
    failure = refused(status, body, "/messages")

    assert failure.reason is reason
    assert failure.hint
    assert ("/messages" in failure.hint) == (status == 404)


TEMPERATURE = [
    {"error": {"param": "temperature", "code": "unsupported_value", "message": "no"}},
    {"error": {"message": "`temperature` is deprecated for this model", "type": "invalid_request_error"}},
    {"error": "Temperature must not be set"},
    {"detail": "temperature is not supported"},
]


@pytest.mark.parametrize("body", TEMPERATURE)
def test_a_refused_temperature_is_told_from_other_refusals(body: Json) -> None:
    asked = json.dumps(body).encode()

    assert {refused(status, asked, "/x").parameter for status in (400, 422)} == {"temperature"}
    assert {refused(status, asked, "/x").parameter for status in (401, 429, 500)} == {""}
    assert refused(400, b'{"error": {"param": "top_p", "message": "not with temperature"}}', "/x").parameter == "top_p"


# Reasoning and tokens


@both_ways
def test_reasoning_beside_the_text_is_recognised(protocol: Protocol) -> None:
    for answer in _both(protocol, thought="Hm."):
        assert isinstance(answer, Completion)
        assert (answer.reply, answer.hidden_reasoning) == ("Yes.", True)


@both_ways
def test_reasoning_in_the_usage_is_recognised(protocol: Protocol) -> None:
    for answer in _both(protocol, usage=protocol.reasoning_usage):
        assert isinstance(answer, Completion)
        assert (answer.hidden_reasoning, answer.tokens) == (True, 9)


@both_ways
@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("<think>Hm. Yes?</think>\n\nYes.", "Yes."),
        ("\n<thinking>a\nb</thinking>Yes.", "Yes."),
        ("Hm. Yes?\n</think>\n\nYes.", "Yes."),
        ("<think></think>Yes.", "Yes."),
    ],
)
def test_reasoning_between_tags_is_taken_off_and_recognised(protocol: Protocol, text: str, visible: str) -> None:
    for answer in _both(protocol, text):
        assert isinstance(answer, Completion)
        assert (answer.reply, answer.hidden_reasoning) == (visible, True)


@both_ways
def test_reasoning_that_never_ends_leaves_an_empty_reply(protocol: Protocol) -> None:
    answers = _both(protocol, "<think>Hm, and then", protocol.length)

    assert _reasons(answers) == {Reason.EMPTY}
    assert all("reasoning" in it.hint for it in answers if isinstance(it, Failure))


@pytest.mark.parametrize("text", ["Write <think> and </think> around it.", "I think so.", "a <think>b"])
def test_a_reply_about_such_tags_is_kept(text: str) -> None:
    for answer in _both(CHAT, text):
        assert isinstance(answer, Completion)
        assert (answer.reply, answer.hidden_reasoning) == (text, False)


@both_ways
@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 12, "prompt_tokens": 5, "completion_tokens": 7}, 12),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}}, 12),
        ({"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100}, 112),
        ({"completion_tokens_details": {"reasoning_tokens": 0}}, None),
        ({"total_tokens": -1}, None),
        ({"total_tokens": 10**12}, None),
        ({"total_tokens": "12"}, None),
        ({"total_tokens": True}, None),
        (None, None),
        ("12", None),
        ([12], None),
    ],
)
def test_tokens_are_those_of_request_and_reply(protocol: Protocol, usage: object, tokens: int | None) -> None:
    for answer in _both(protocol, usage=usage):
        assert isinstance(answer, Completion)
        assert (answer.tokens, answer.hidden_reasoning) == (tokens, False)


# What is asked


TURNS = (
    Message(speaker=Speaker.SYSTEM, text="Be brief."),
    Message(speaker=Speaker.USER, text="Count."),
    Message(speaker=Speaker.ASSISTANT, text="1, 2"),
    Message(speaker=Speaker.USER, text="Go on."),
)


def test_a_message_request_keeps_the_system_apart() -> None:
    body = MESSAGES.codec.write(Request(messages=TURNS, max_tokens=9))

    assert body == {
        "model": "m",
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Count."},
            {"role": "assistant", "content": "1, 2"},
            {"role": "user", "content": "Go on."},
        ],
        "max_tokens": 9,
        "temperature": 0.0,
    }
    assert "system" not in MESSAGES.codec.write(Request(messages=TURNS[1:], max_tokens=9))


def test_a_response_is_asked_not_to_be_kept() -> None:
    assert RESPONSES.codec.write(Request(messages=TURNS[:2], max_tokens=9)) == {
        "model": "m",
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Count."}],
        "max_output_tokens": 9,
        "temperature": 0.0,
        "store": False,
    }


def test_an_azure_deployment_stands_in_the_path_and_not_in_the_body() -> None:
    settings_ = {"base-url": "https://r.example.com", "deployment": "d-1", "api-version": "2024-10-21"}
    codec = azure.codec(azure.AzureConfig.model_validate(settings_))

    assert codec.path == "/openai/deployments/d-1/chat/completions"
    assert codec.params == {"api-version": "2024-10-21"}
    assert codec.authorize("k") == {"api-key": "k"}
    assert "model" not in codec.write(Request(messages=TURNS, max_tokens=9))


def test_a_version_that_yaml_took_for_a_date_is_the_version_that_was_written() -> None:
    base = {"base-url": "https://r.example.com", "deployment": "d-1"}

    assert azure.AzureConfig.model_validate({**base, "api-version": date(2024, 10, 21)}).api_version == "2024-10-21"
    assert azure.AzureConfig.model_validate({**base, "api-version": "2025-01-01-preview"}).api_version
    for wrong in ("latest", "2024-10-21&x=y", 20241021, datetime(2024, 10, 21, tzinfo=UTC)):
        with pytest.raises(ValidationError):
            azure.AzureConfig.model_validate({**base, "api-version": wrong})


# Anything at all

_KEYS = [
    "choices",
    "message",
    "delta",
    "content",
    "error",
    "model",
    "output",
    "type",
    "status",
    "response",
    "stop_reason",
    "usage",
    "text",
    "x",
]
_TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)
_BODIES = st.binary(max_size=60) | _TREES.map(lambda tree: json.dumps(tree).encode())


@both_ways
@settings(deadline=None)
@given(body=_BODIES, events=st.lists(_BODIES | st.just(b"[DONE]"), max_size=4), status=st.integers(100, 999))
def test_any_answer_is_a_reply_or_a_named_failure(
    protocol: Protocol, body: bytes, events: list[bytes], status: int
) -> None:
    for answer in (protocol.codec.read(body), protocol.codec.read_stream(events), refused(status, body, "/x")):
        assert isinstance(answer, Failure) or answer.reply


@given(st.lists(st.binary(max_size=20).filter(lambda it: not {*b"\r\n"} & {*it}), max_size=4))
def test_events_come_back_as_they_were_sent(data: list[bytes]) -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        body = b"".join(b": note" + end + b"event: e" + end + b"data: " + it + end * 2 for it in data)
        assert list(payloads(body)) == data


def test_an_event_may_have_several_lines_and_no_space() -> None:
    assert payloads(b"\xef\xbb\xbfdata:a\ndata: b\nid: 1\n\n\ndata: lost") == (b"a\nb",)
