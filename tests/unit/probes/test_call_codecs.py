"""Tool calls in every protocol: how tools are offered, and what comes back, whole and streamed, in recorded shapes."""

import json
from typing import Any

import pytest

from probes.channels import anthropic, azure, openai, responses
from probes.channels.codec import Codec, Completion, Failure
from probes.channels.refusals import refused
from watchdog.domain.calls import differences
from watchdog.domain.exchanges import FinishReason, Message, Reason, Request, Speaker
from watchdog.domain.tools import Tool, ToolCall

_BASE = {"base-url": "https://api.example.com", "model": "m"}
_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
TOOL = Tool(name="pay", description="Pay somebody.", parameters=json.dumps(_SCHEMA))
REQUEST = Request(messages=(Message(speaker=Speaker.USER, text="Pay 25."),), max_tokens=64, tools=(TOOL,))
ONE = ToolCall.of("pay", '{"amount": 25}')
TWO = ToolCall.of("log", '{"text": "é"}')

CHAT = openai.codec(openai.OpenAIConfig.model_validate(_BASE))
MESSAGES = anthropic.codec(anthropic.AnthropicConfig.model_validate(_BASE))
RESPONSES = responses.codec(responses.ResponsesConfig.model_validate(_BASE))
AZURE = azure.codec(
    azure.AzureConfig.model_validate(
        {"base-url": "https://x.example.com", "deployment": "d", "api-version": "2024-10-21"}
    )
)


def _chat(*calls: ToolCall, text: str | None = None, **more: Any) -> Any:
    told = [
        {"id": f"call_{n}", "type": "function", "function": {"name": it.name, "arguments": it.arguments}}
        for n, it in enumerate(calls)
    ]
    message = {"role": "assistant", "content": text, "refusal": None, "tool_calls": told} | more
    return {"model": "m-2", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


def _chat_stream(*calls: ToolCall, text: str = "", same_index: bool = False) -> list[Any]:
    deltas: list[Any] = [{"role": "assistant", "content": text or None}]
    for n, it in enumerate(calls):
        index = 0 if same_index else n
        begun = {"name": it.name, "arguments": ""}
        deltas.append({"tool_calls": [{"index": index, "id": f"call_{n}", "type": "function", "function": begun}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in it.arguments]
    chunks: list[Any] = [
        {"model": "m-2", "choices": [{"index": 0, "delta": it, "finish_reason": None}]} for it in deltas
    ]
    return [*chunks, {"model": "m-2", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}, "[DONE]"]


def _message(*calls: ToolCall, text: str | None = None) -> Any:
    content: list[Any] = [] if text is None else [{"type": "text", "text": text}]
    content += [
        {"type": "tool_use", "id": f"toolu_{n}", "name": it.name, "input": json.loads(it.arguments)}
        for n, it in enumerate(calls)
    ]
    return {"type": "message", "role": "assistant", "model": "m-2", "content": content, "stop_reason": "tool_use"}


def _message_stream(*calls: ToolCall, text: str = "") -> list[Any]:
    events: list[Any] = [{"type": "message_start", "message": {"model": "m-2", "content": []}}]
    if text:
        events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        events.append({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
    for n, it in enumerate(calls, start=1):
        block = {"type": "tool_use", "id": f"toolu_{n}", "name": it.name, "input": {}}
        events.append({"type": "content_block_start", "index": n, "content_block": block})
        for piece in ["", *it.arguments]:
            delta = {"type": "input_json_delta", "partial_json": piece}
            events.append({"type": "content_block_delta", "index": n, "delta": delta})
        events.append({"type": "content_block_stop", "index": n})
    return [*events, {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]


def _response(*calls: ToolCall, text: str | None = None) -> Any:
    said = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    output = [said] if text is not None else []
    output += [
        {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": it.name, "arguments": it.arguments}
        for n, it in enumerate(calls)
    ]
    return {"model": "m-2", "status": "completed", "output": output}


def _response_stream(*calls: ToolCall, text: str = "") -> list[Any]:
    events: list[Any] = [{"type": "response.created", "response": {"status": "in_progress", "output": []}}]
    events += [{"type": "response.output_text.delta", "output_index": 0, "delta": text}] if text else []
    for n, it in enumerate(calls, start=1):
        item = {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": it.name, "arguments": ""}
        events.append({"type": "response.output_item.added", "output_index": n, "item": item})
        for piece in it.arguments:
            more = {"item_id": f"fc_{n}", "output_index": n, "delta": piece}
            events.append({"type": "response.function_call_arguments.delta", **more})
        done = {"item_id": f"fc_{n}", "output_index": n, "arguments": it.arguments}
        events.append({"type": "response.function_call_arguments.done", **done})
    return [*events, {"type": "response.completed", "response": _response(*calls, text=text or None)}]


WAYS = [
    pytest.param(CHAT, _chat, _chat_stream, id="chat"),
    pytest.param(AZURE, _chat, _chat_stream, id="azure"),
    pytest.param(MESSAGES, _message, _message_stream, id="messages"),
    pytest.param(RESPONSES, _response, _response_stream, id="responses"),
]
every_way = pytest.mark.parametrize(("codec", "whole", "stream"), WAYS)


def _bytes(event: Any) -> bytes:
    return (event if isinstance(event, str) else json.dumps(event)).encode()


def _both(codec: Codec, whole: Any, events: list[Any]) -> list[Completion]:
    answers = [codec.read(_bytes(whole)), codec.read_stream(tuple(map(_bytes, events)))]
    assert all(isinstance(it, Completion) for it in answers), answers
    return [it for it in answers if isinstance(it, Completion)]


@every_way
@pytest.mark.parametrize("calls", [(ONE,), (ONE, TWO), (ONE, ONE)])
def test_calls_come_back_with_names_and_arguments_whole_or_streamed(
    codec: Codec, whole: Any, stream: Any, calls: tuple[ToolCall, ...]
) -> None:
    for told in _both(codec, whole(*calls), stream(*calls)):
        assert (told.reply, told.finish) == ("", FinishReason.STOP)
        assert [it.name for it in told.tool_calls] == [it.name for it in calls]
        assert differences(told.tool_calls, calls) == ()


@every_way
def test_words_beside_a_call_are_kept(codec: Codec, whole: Any, stream: Any) -> None:
    for told in _both(codec, whole(ONE, text="Done."), stream(ONE, text="Done.")):
        assert (told.reply, len(told.tool_calls)) == ("Done.", 1)


@every_way
def test_a_call_without_arguments_has_none(codec: Codec, whole: Any, stream: Any) -> None:
    bare = ToolCall.of("stop", "{}")
    for told in _both(codec, whole(bare), stream(ToolCall.of("stop", ""))):
        assert differences(told.tool_calls, (bare,)) == ()


@every_way
def test_a_flood_of_calls_is_malformed(codec: Codec, whole: Any, stream: Any) -> None:
    for answer in (codec.read(_bytes(whole(*[ONE] * 65))), codec.read_stream(tuple(map(_bytes, stream(*[ONE] * 65))))):
        assert isinstance(answer, Failure)
        assert answer.reason is Reason.MALFORMED


@every_way
def test_ten_megabytes_of_arguments_are_cut(codec: Codec, whole: Any, stream: Any) -> None:
    long = json.dumps({"a": "x" * 10_000_000})
    answer = codec.read(_bytes(whole(ToolCall(name="pay", arguments=long))))
    assert isinstance(answer, Completion)
    (call,) = answer.tool_calls
    assert (len(call.arguments), call.whole) == (16_384, False)


@pytest.mark.parametrize(
    "arguments", ['{"a": 1, "a": 2}', "not json", '{"a": NaN}', "\x1b[2J", '{"a": 1e400}', "[" * 999]
)
def test_arguments_are_kept_as_they_came_where_they_come_as_text(arguments: str) -> None:
    call = ToolCall.of("pay", arguments)
    for codec, whole, stream in ((CHAT, _chat, _chat_stream), (RESPONSES, _response, _response_stream)):
        for told in _both(codec, whole(call), stream(call)):
            assert told.tool_calls == (call,)
    streamed = MESSAGES.read_stream(tuple(map(_bytes, _message_stream(call))))
    assert isinstance(streamed, Completion)
    assert streamed.tool_calls == (call,)


def test_calls_that_a_stream_numbers_all_alike_are_told_apart_by_their_names() -> None:
    told = CHAT.read_stream(tuple(map(_bytes, _chat_stream(ONE, TWO, same_index=True))))
    assert isinstance(told, Completion)
    assert told.tool_calls == (ONE, TWO)


def test_a_call_in_the_older_way_is_a_call_too() -> None:
    told = CHAT.read(_bytes(_chat(tool_calls=None, function_call={"name": "pay", "arguments": '{"amount": 25}'})))
    assert isinstance(told, Completion)
    assert told.tool_calls == (ONE,)


def test_tools_that_the_provider_runs_itself_are_calls_too() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    message = MESSAGES.read(_bytes({"model": "m-2", "content": [block], "stop_reason": "end_turn"}))
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    response = RESPONSES.read(_bytes({"model": "m-2", "status": "completed", "output": [item]}))
    names = [it.tool_calls[0].name for it in (message, response) if isinstance(it, Completion)]
    assert names == ["web_search", "web_search_call"]


def test_each_protocol_offers_tools_in_its_own_words() -> None:
    said = {"name": "pay", "description": "Pay somebody."}
    assert CHAT.write(REQUEST)["tools"] == [{"type": "function", "function": said | {"parameters": _SCHEMA}}]
    assert MESSAGES.write(REQUEST)["tools"] == [said | {"input_schema": _SCHEMA}]
    assert RESPONSES.write(REQUEST)["tools"] == [said | {"type": "function", "parameters": _SCHEMA, "strict": False}]


@pytest.mark.parametrize("codec", [CHAT, AZURE, MESSAGES, RESPONSES])
def test_without_tools_none_are_offered(codec: Codec) -> None:
    assert "tools" not in codec.write(Request(messages=REQUEST.messages, max_tokens=9))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "Unsupported parameter", "param": "tools"}),
        (400, {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'}),
        (400, {"message": "registry.example.com/library/m does not support tools"}),
        (404, {"message": "No endpoints found that support tool use."}),
        (500, {"message": "tools param requires --jinja flag"}),
        (422, {"message": "bad", "param": "tools[0].function"}),
    ],
)
def test_a_refusal_of_tools_is_known_by_its_parameter_or_its_words(status: int, error: dict[str, str]) -> None:
    assert refused(status, json.dumps({"error": error}).encode(), "/chat/completions").parameter == "tools"
