"""Stand-ins for the providers' APIs: strict about what is asked, so that only the documented request is answered.

Each repeats the last message in a few words. Every reply ends, or is cut at the limit that was asked for.
"""

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

KEY = "a-key-of-its-own"
MODEL = "m-1"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Turn(Strict):
    role: Literal["system", "user", "assistant"]
    content: str


class SpokenTurn(Strict):
    role: Literal["user", "assistant"]
    content: str


class StreamOptions(Strict):
    include_usage: Literal[True]


class AzureChat(Strict):
    messages: list[Turn] = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0, le=2)
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: Literal[True] | None = None


class Chat(AzureChat):
    model: Literal["m-1"]


class Asked(Strict):
    model: Literal["m-1"]
    input: list[Turn] = Field(min_length=1)
    max_output_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0, le=2)
    store: Literal[False]
    stream: bool = False
    include: list[Literal["message.output_text.logprobs"]] = []


class Messages(Strict):
    model: Literal["m-1"]
    system: str | None = None
    messages: list[SpokenTurn] = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0, le=1)
    stream: bool = False


def create_app() -> FastAPI:
    """Return an application with every provider under a path of its own."""
    app = FastAPI(openapi_url=None)
    app.add_exception_handler(RequestValidationError, lambda _, exc: JSONResponse({"error": str(exc)}, 400))

    @app.post("/openai/v1/chat/completions")
    def chat(body: Chat, authorization: Annotated[str, Header()]) -> Response:
        _require(authorization == f"Bearer {KEY}")
        return _chat(body)

    @app.post("/azure/openai/deployments/d-1/chat/completions")
    def azure(
        body: AzureChat, api_key: Annotated[str, Header()], api_version: Annotated[str, Query(alias="api-version")]
    ) -> Response:
        _require(api_key == KEY and api_version == "2024-10-21")
        return _chat(body)

    @app.post("/openai/v1/responses")
    def responses(body: Asked, authorization: Annotated[str, Header()]) -> Response:
        _require(authorization == f"Bearer {KEY}")
        words, ended = _said(body.input[-1].content, body.max_output_tokens)
        return _responses(words, ended=ended, stream=body.stream, listed=_listed(words) if body.include else [])

    @app.post("/anthropic/v1/messages")
    def messages(
        body: Messages, x_api_key: Annotated[str, Header()], anthropic_version: Annotated[str, Header()]
    ) -> Response:
        _require(x_api_key == KEY and anthropic_version == "2023-06-01")
        words, ended = _said(body.messages[-1].content, body.max_tokens)
        return _messages(words, ended=ended, stream=body.stream)

    return app


def _require(fact: bool) -> None:
    assert fact, "the request is not as documented"


def _said(text: str, limit: int) -> tuple[list[str], bool]:
    words = [f"{text},", " I", " hear", " you."]
    return words[:limit], limit >= len(words)


def _chat(body: AzureChat) -> Response:
    _require(body.stream == (body.stream_options is not None))
    words, ended = _said(body.messages[-1].content, body.max_tokens)
    finish = "stop" if ended else "length"
    usage = {"prompt_tokens": 5, "completion_tokens": len(words), "total_tokens": 5 + len(words)}
    frame: dict[str, Any] = {"id": "c-1", "created": 1, "model": MODEL}
    listed = _listed(words) if body.logprobs else None
    if not body.stream:
        message = {"role": "assistant", "content": "".join(words), "refusal": None}
        logprobs = None if listed is None else {"content": listed, "refusal": None}
        choices = [{"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}]
        return JSONResponse({**frame, "object": "chat.completion", "choices": choices, "usage": usage})

    def chunks() -> Iterator[dict[str, Any]]:
        chunk = {**frame, "object": "chat.completion.chunk", "usage": None}
        yield {**chunk, "choices": []}
        yield {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
        for n, word in enumerate(words):
            logprobs = None if listed is None else {"content": [listed[n]], "refusal": None}
            step = {"index": 0, "delta": {"content": word}, "logprobs": logprobs, "finish_reason": None}
            yield {**chunk, "choices": [step]}
        yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
        yield {**chunk, "choices": [], "usage": usage}

    return _stream(chunks, end="data: [DONE]\n\n")


def _listed(words: list[str]) -> list[dict[str, Any]]:
    return [{"token": it, "logprob": -0.5, "bytes": list(it.encode()), "top_logprobs": []} for it in words]


def _responses(words: list[str], *, ended: bool, stream: bool, listed: list[dict[str, Any]]) -> Response:
    text = {"type": "output_text", "text": "".join(words), "annotations": [], "logprobs": listed}
    done = {
        "id": "r-1",
        "object": "response",
        "created_at": 1,
        "model": MODEL,
        "status": "completed" if ended else "incomplete",
        "error": None,
        "incomplete_details": None if ended else {"reason": "max_output_tokens"},
        "output": [{"type": "message", "id": "o-1", "role": "assistant", "status": "completed", "content": [text]}],
        "usage": {
            "input_tokens": 5,
            "output_tokens": len(words),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 5 + len(words),
        },
    }
    if not stream:
        return JSONResponse(done)

    def events() -> Iterator[dict[str, Any]]:
        yield {"type": "response.created", "response": {**done, "status": "in_progress", "output": [], "usage": None}}
        for word in words:
            yield {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": word}
        yield {"type": "response.output_text.done", "text": "".join(words)}
        yield {"type": "response.completed" if ended else "response.incomplete", "response": done}

    return _stream(events)


def _messages(words: list[str], *, ended: bool, stream: bool) -> Response:
    stop = "end_turn" if ended else "max_tokens"
    frame = {"id": "m-1", "type": "message", "role": "assistant", "model": MODEL}
    if not stream:
        content = [{"type": "text", "text": "".join(words)}]
        usage = {"input_tokens": 5, "output_tokens": len(words)}
        return JSONResponse({**frame, "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage})

    def events() -> Iterator[dict[str, Any]]:
        begun = {**frame, "content": [], "stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
        yield {"type": "message_start", "message": begun}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield {"type": "ping"}
        for word in words:
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        yield {"type": "content_block_stop", "index": 0}
        delta = {"stop_reason": stop, "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": len(words)}}
        yield {"type": "message_stop"}

    return _stream(events)


def _stream(events: Callable[[], Iterator[dict[str, Any]]], *, end: str = "") -> Response:
    def lines() -> Iterator[str]:
        for event in events():
            name = f"event: {event['type']}\n" if "type" in event else ""
            yield f"{name}data: {json.dumps(event)}\n\n"
        yield end

    return StreamingResponse(lines(), media_type="text/event-stream")
