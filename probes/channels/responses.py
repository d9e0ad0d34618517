"""OpenAI's Responses API."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from probes.channels.codec import Codec, Completion, Failure, Part, bearer, blocked, completion, cut_off, malformed
from probes.channels.config import ListingConfig
from probes.channels.refusals import failed
from probes.channels.said import joined, said_tokens
from watchdog.domain.exchanges import FinishReason, Request

_ENDS = {"response.completed", "response.incomplete", "response.failed"}
_TEXTS = {"response.output_text.delta", "response.refusal.delta"}
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
    return body | ({_INCLUDE: ["message.output_text.logprobs"]} if request.logprobs else {})


def read(body: bytes) -> Completion | Failure:
    """Read a whole answer."""
    try:
        return _judged(_Answer.model_validate_json(body), None)
    except ValidationError:
        return _not_ours(body)


def read_stream(events: Sequence[bytes]) -> Completion | Failure:
    """Read a streamed answer. The words are those of the deltas, because that is what a streaming client shows."""
    deltas = []
    for it in events:
        try:
            event = _Event.model_validate_json(it)
        except ValidationError:
            return _not_ours(it)
        if event.type == "error":  # the code stands in the event itself; some servers put it one level down
            return failed(event.error or {"code": event.code})
        if event.type in _TEXTS:
            deltas.append(event.delta)
        elif event.type in _ENDS and event.response is not None:
            if not all(isinstance(delta, str) for delta in deltas):
                return malformed("a stream whose words are not text")
            return _judged(event.response, "".join(deltas) if deltas else None)
    return cut_off()


def _judged(answer: _Answer, streamed: str | None) -> Completion | Failure:
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
    text = "".join(it.said for it in messages) if streamed is None else streamed
    # The events of a stream list tokens without their bytes; the whole answer at its end has them.
    said = said_tokens(joined([piece.logprobs for it in messages for piece in it.content or ()]))
    return completion(text, finish, answer.model, answer.usage, thought=thought, tokens_said=said)


def _not_ours(body: bytes) -> Failure:
    """Tell an error object from something that is no answer of this API at all."""
    try:
        error = _Broken.model_validate_json(body).error
    except ValidationError:
        error = None
    return malformed("something that is not a response") if error is None else failed(error)
