"""OpenAI's Responses API."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from probes.channels.codec import Codec, Completion, Failure, Part, bearer, blocked, completion, cut_off, malformed
from probes.channels.config import ListingConfig
from probes.channels.refusals import failed
from probes.channels.said import joined, said_tokens
from watchdog.domain.exchanges import FinishReason, Request
from watchdog.domain.tools import Tool, ToolCall

_ENDS = {"response.completed", "response.incomplete", "response.failed"}
_TEXTS = {"response.output_text.delta", "response.refusal.delta"}
_ITEM_BEGINS = "response.output_item.added"
_ARGUMENTS = "response.function_call_arguments.delta"
_CALL = "_call"
"""How the types of all items end that are calls, whoever is to answer them."""
_INCLUDE = "include"


class ResponsesConfig(ListingConfig):
    """An endpoint that speaks the Responses API of OpenAI."""

    kind: Literal["openai-responses"] = "openai-responses"
    model: Annotated[str, Field(min_length=1)]


class _Piece(Part):
    type: str
    text: str = ""
    refusal: str = ""
    logprobs: Any = None


class _Item(Part):
    type: str
    content: tuple[_Piece, ...] | None = None
    name: str | None = None
    arguments: Any = None

    @property
    def is_call(self) -> bool:
        return self.type.endswith(_CALL)

    @property
    def call(self) -> ToolCall:
        told = self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments or {})
        return ToolCall.of(self.type if self.name is None else self.name, told)

    @property
    def said(self) -> str:
        return "".join(it.text or it.refusal for it in self.content or () if it.type in {"output_text", "refusal"})


class _Why(Part):
    reason: str | None = None


class _Answer(Part):
    status: str
    model: str | None = None
    output: tuple[_Item, ...] | None = None
    incomplete_details: _Why | None = None
    usage: Any = None
    error: Any = None


class _Event(Part):
    type: str
    output_index: int = 0
    item: _Item | None = None
    delta: Any = None
    response: _Answer | None = None
    error: Any = None
    code: Any = None


class _Broken(Part):
    error: Any


def codec(config: ResponsesConfig) -> Codec:
    """Return the protocol as this endpoint speaks it."""
    return Codec(
        path="/responses",
        authorize=bearer,
        write=partial(_write, config.model),
        read=read,
        read_stream=read_stream,
        asks_logprobs=_INCLUDE,
    )


def _write(model: str, request: Request) -> dict[str, JsonValue]:
    body: dict[str, JsonValue] = {
        "model": model,
        "input": [{"role": it.speaker.value, "content": it.text} for it in request.messages],
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "store": False,
    }
    body |= {"tools": [_declared(it) for it in request.tools]} if request.tools else {}
    return body | ({_INCLUDE: ["message.output_text.logprobs"]} if request.logprobs else {})


def _declared(tool: Tool) -> dict[str, JsonValue]:
    schema = json.loads(tool.parameters)
    # Unless told otherwise, this API changes a schema so that it can be held to it.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": schema,
        "strict": False,
    }


def read(body: bytes) -> Completion | Failure:
    """Read a whole answer."""
    try:
        return _judged(_Answer.model_validate_json(body), None, ())
    except ValidationError:
        return _not_ours(body)


def read_stream(events: Sequence[bytes]) -> Completion | Failure:
    """Read a streamed answer. Words and arguments are those of the deltas: that is what a streaming client takes."""
    deltas, seen = [], []
    for it in events:
        try:
            event = _Event.model_validate_json(it)
        except ValidationError:
            return _not_ours(it)
        seen.append(event)
        if event.type == "error":  # the code stands in the event itself; some servers put it one level down
            return failed(event.error or {"code": event.code})
        if event.type in _TEXTS:
            deltas.append(event.delta)
        elif event.type in _ENDS and event.response is not None:
            if not all(isinstance(delta, str) for delta in deltas):
                return malformed("a stream whose words are not text")
            return _judged(event.response, "".join(deltas) if deltas else None, _streamed(seen))
    return cut_off()


def _streamed(events: Sequence[_Event]) -> list[ToolCall]:
    """Return the calls whose arguments were streamed, with those that came whole in the order of their numbers."""
    calls = []
    for event in events:
        if event.type == _ITEM_BEGINS and event.item is not None and event.item.is_call:
            bits = [it.delta for it in events if it.type == _ARGUMENTS and it.output_index == event.output_index]
            arguments = "".join(it for it in bits if isinstance(it, str))
            begun = event.item.call
            calls.append(ToolCall.of(begun.name, arguments) if arguments else begun)
    return calls


def _judged(answer: _Answer, streamed: str | None, begun: Sequence[ToolCall]) -> Completion | Failure:
    if answer.error is not None:
        return failed(answer.error)
    why = answer.incomplete_details.reason if answer.incomplete_details is not None else None
    if why == "content_filter":
        return blocked()
    finish = FinishReason.STOP if answer.status == "completed" else FinishReason.OTHER
    if answer.status == "incomplete" and why == "max_output_tokens":
        finish = FinishReason.LENGTH
    if answer.output is None:
        return malformed("a response without output")
    thought = any(it.type == "reasoning" for it in answer.output)
    messages = [it for it in answer.output if it.type == "message"]
    calls = begun or [it.call for it in answer.output if it.is_call]
    text = "".join(it.said for it in messages) if streamed is None else streamed
    # The events of a stream list tokens without their bytes; the whole answer at its end has them.
    said = said_tokens(joined([piece.logprobs for it in messages for piece in it.content or ()]))
    return completion(text, finish, answer.model, answer.usage, thought=thought, tokens_said=said, calls=calls)


def _not_ours(body: bytes) -> Failure:
    """Tell an error object from something that is no answer of this API at all."""
    try:
        error = _Broken.model_validate_json(body).error
    except ValidationError:
        error = None
    return malformed("something that is not a response") if error is None else failed(error)
