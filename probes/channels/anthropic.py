"""Anthropic's Messages API."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from probes.channels.codec import Codec, Completion, Failure, Part, blocked, completion, cut_off, malformed
from probes.channels.config import ApiVersion, HttpConfig
from probes.channels.refusals import failed
from watchdog.domain.exchanges import FinishReason, Request, Speaker
from watchdog.domain.tools import Tool, ToolCall

_FINISHES = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
}
_THOUGHTS = {"thinking", "redacted_thinking"}
_CALL = "tool_use"
"""How the types of all blocks end that are calls, whoever is to answer them."""


class AnthropicConfig(HttpConfig):
    """An endpoint that speaks the Messages API of Anthropic."""

    kind: Literal["anthropic"] = "anthropic"
    model: Annotated[str, Field(min_length=1)]
    api_version: ApiVersion = "2023-06-01"
    """What the header `anthropic-version` says."""


class _Block(Part):
    type: str
    text: str = ""
    name: str = ""
    input: Any = None

    @property
    def is_call(self) -> bool:
        return self.type.endswith(_CALL)

    @property
    def call(self) -> ToolCall:
        # In a stream the input comes as text; in a whole answer it is part of the JSON around it.
        told = self.input if isinstance(self.input, str) else json.dumps(self.input or {}, ensure_ascii=False)
        return ToolCall.of(self.name, told)


class _Answer(Part):
    model: str | None = None
    content: tuple[_Block, ...] | None = None
    stop_reason: str | None = None
    usage: Any = None
    error: Any = None


class _Delta(Part):
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Event(Part):
    type: str
    index: int = 0
    message: _Answer | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Any = None
    error: Any = None


def codec(config: AnthropicConfig) -> Codec:
    """Return the protocol as this endpoint speaks it."""
    return Codec(
        path="/messages",
        authorize=lambda key: {"x-api-key": key},
        headers={"anthropic-version": config.api_version},
        write=partial(_write, config.model),
        read=read,
        read_stream=read_stream,
    )


def _write(model: str, request: Request) -> dict[str, JsonValue]:
    system = "\n\n".join(it.text for it in request.messages if it.speaker is Speaker.SYSTEM)
    body: dict[str, JsonValue] = {
        "model": model,
        "messages": [
            {"role": it.speaker.value, "content": it.text}
            for it in request.messages
            if it.speaker is not Speaker.SYSTEM
        ],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    body |= {"tools": [_declared(it) for it in request.tools]} if request.tools else {}
    return body | {"system": system} if system else body


def _declared(tool: Tool) -> dict[str, JsonValue]:
    return {"name": tool.name, "description": tool.description, "input_schema": json.loads(tool.parameters)}


def read(body: bytes) -> Completion | Failure:
    """Read a whole answer."""
    try:
        return _judged(_Answer.model_validate_json(body))
    except ValidationError:
        return malformed("something that is not a message")


def read_stream(events: Sequence[bytes]) -> Completion | Failure:
    """Put a streamed answer together and read it; it ends with `message_stop`."""
    try:
        told = [_Event.model_validate_json(it) for it in events]
    except ValidationError:
        return malformed("a stream of something that is not a message")
    error = next((it.error for it in told if it.error is not None), None)
    if error is not None:
        return failed(error)
    if not any(it.type == "message_stop" for it in told):
        return cut_off()
    begun = next((it.message for it in told if it.message is not None), _Answer())
    blocks = [it.content_block for it in told if it.content_block is not None]
    pieces = [it.text for it in blocks if it.type == "text"] + [it.delta.text for it in told if it.delta is not None]
    thoughts = [it for it in blocks if it.type in _THOUGHTS]
    usage = begun.usage if isinstance(begun.usage, dict) else {}
    return _judged(
        _Answer(
            model=begun.model,
            content=(*thoughts, _Block(type="text", text="".join(pieces)), *_calls(told)),
            stop_reason=next((it.delta.stop_reason for it in told if it.delta and it.delta.stop_reason), None),
            # Counts in later events are those so far, not those since the event before.
            usage=usage | {k: v for it in told if isinstance(it.usage, dict) for k, v in it.usage.items()},
        )
    )


def _calls(events: Sequence[_Event]) -> list[_Block]:
    """Return the calls of a stream: each begins with a block, and its input follows bit by bit under its number."""
    begun = [(it.index, it.content_block) for it in events if it.content_block is not None and it.content_block.is_call]
    bits = [(it.index, it.delta.partial_json) for it in events if it.delta is not None]
    inputs = {number: "".join(bit for at, bit in bits if at == number) for number, _ in begun}
    return [_Block(type=_CALL, name=it.name, input=inputs[number] or it.input) for number, it in begun]


def _judged(answer: _Answer) -> Completion | Failure:
    if answer.error is not None:
        return failed(answer.error)
    if answer.content is None:
        return malformed("a message without content")
    if answer.stop_reason == "refusal":
        return blocked()
    text = "".join(it.text for it in answer.content if it.type == "text")
    calls = [it.call for it in answer.content if it.is_call]
    finish = _FINISHES.get(answer.stop_reason or "", FinishReason.OTHER)
    if calls and answer.stop_reason == _CALL:
        finish = FinishReason.STOP
    thought = any(it.type in _THOUGHTS for it in answer.content)
    return completion(text, finish, answer.model, answer.usage, thought=thought, calls=calls)
