"""An OpenAI-compatible model server over a channel; enough of the protocol to watch it like a real one."""

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, Literal, Protocol

from fastapi import FastAPI
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from watchdog.domain.exchanges import Exchange, FinishReason, Message, Reason, Request, SaidToken, Speaker
from watchdog.domain.tools import Tool, ToolCall
from watchdog.errors import ChannelError

_SPEAKERS = {
    "system": Speaker.SYSTEM,
    "developer": Speaker.SYSTEM,
    "user": Speaker.USER,
    "assistant": Speaker.ASSISTANT,
}
_FINISH = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length", FinishReason.OTHER: "content_filter"}
_STATUS = {
    Reason.UNREACHABLE: 502,
    Reason.TIMED_OUT: 504,
    Reason.UNAUTHORIZED: 401,
    Reason.MODEL_NOT_FOUND: 404,
    Reason.RATE_LIMITED: 429,
    Reason.REJECTED: 400,
    Reason.BLOCKED: 400,
}


class Asked(Protocol):
    """What answers the requests; every `ports.Channel` does."""

    def ask(self, request: Request) -> Exchange:
        """Return what the model says; raises ChannelError when it says nothing."""
        ...


class Part(BaseModel):
    """A piece of a message; this server reads text only."""

    type: Literal["text"]
    text: str


class Turn(BaseModel):
    """A message as the protocol writes it."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    def message(self) -> Message:
        """Return it in the watchdog's words."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message(speaker=_SPEAKERS[self.role], text=text)


class Function(BaseModel):
    """A function that the model may call."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)


class Offered(BaseModel):
    """A tool as the protocol offers it."""

    type: Literal["function"]
    function: Function

    def tool(self) -> Tool:
        """Return it in the watchdog's words."""
        it = self.function
        return Tool(name=it.name, description=it.description, parameters=json.dumps(it.parameters))


class Completion(BaseModel):
    """The body of a chat completion request; fields that are not named here are ignored."""

    model: str
    messages: list[Turn] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=1.0, ge=0, le=2)
    n: Literal[1] = 1
    stream: bool = False
    logprobs: bool = False
    tools: list[Offered] = Field(default_factory=list)

    def request(self) -> Request:
        """Return it in the watchdog's words."""
        return Request(
            messages=tuple(turn.message() for turn in self.messages),
            max_tokens=self.max_completion_tokens or self.max_tokens or 256,
            temperature=self.temperature,
            logprobs=self.logprobs,
            tools=tuple(it.tool() for it in self.tools),
        )


def create_app(channel: Asked, model_id: str) -> FastAPI:
    """Return an application that answers `/v1/chat/completions` by asking the channel."""
    app = FastAPI(openapi_url=None, title="scripted model server")
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _not_served)
    numbers = itertools.count(1)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    def models() -> dict[str, object]:
        model = {"id": model_id, "object": "model", "created": 0, "owned_by": "rehearsal"}
        return {"object": "list", "data": [model]}

    @app.post("/v1/chat/completions")
    def complete(body: Completion) -> Response:
        if body.model != model_id:
            return openai_error(404, f"The model {body.model!r} does not exist.", code="model_not_found", param="model")
        try:
            exchange = channel.ask(body.request())
        except ChannelError as exc:
            return openai_error(_STATUS.get(exc.reason, 500), exc.problem, code=exc.reason)
        answer = _completion(exchange, model_id, next(numbers))
        return (
            StreamingResponse(_pieces(answer), media_type="text/event-stream") if body.stream else JSONResponse(answer)
        )

    return app


def openai_error(status: int, message: str, *, code: str | None = None, param: str | None = None) -> JSONResponse:
    """Return an error as the protocol writes it."""
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status_code=status)


def _completion(exchange: Exchange, model_id: str, number: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": exchange.reply, "refusal": None}
    calls = [_call(it, f"call_{number}_{place}") for place, it in enumerate(exchange.tool_calls)]
    choice = {
        "index": 0,
        "message": message | ({"content": exchange.reply or None, "tool_calls": calls} if calls else {}),
        "logprobs": _logprobs(exchange),
        "finish_reason": "tool_calls" if calls else _FINISH[exchange.finish],
    }
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(exchange.asked_at.timestamp()),
        "model": model_id,
        "choices": [choice],
        "usage": _usage(exchange),
    }


def _pieces(answer: dict[str, Any]) -> Iterator[str]:
    """Yield a completion as the events of a stream: word by word, or token by token; how it ended, and what it cost."""
    (choice,) = answer["choices"]
    frame = {**answer, "object": "chat.completion.chunk", "usage": None}
    for place, call in enumerate(choice["message"].get("tool_calls", ())):
        delta = {"tool_calls": [{"index": place, **call}]}
        yield _event(frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    for piece, logprobs in _steps(choice):
        step = {"index": 0, "delta": {"content": piece}, "logprobs": logprobs, "finish_reason": None}
        yield _event(frame | {"choices": [step]})
    yield _event(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    yield _event(frame | {"choices": [], "usage": answer["usage"]})
    yield "data: [DONE]\n\n"


def _steps(choice: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    if choice["logprobs"] is None:
        yield from ((word, None) for word in re.findall(r"\s*\S+|\s+$", choice["message"]["content"] or ""))
        return
    listed = choice["logprobs"]["content"]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a token may end inside a character
    for number, token in enumerate(listed, start=1):
        piece = decoder.decode(bytes(token["bytes"]), final=number == len(listed))
        yield piece, {"content": [token], "refusal": None}


def _call(call: ToolCall, id_: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _logprobs(exchange: Exchange) -> dict[str, Any] | None:
    said = exchange.tokens_said
    return {"content": [_listed(it) for it in said], "refusal": None} if isinstance(said, tuple) else None


def _listed(said: SaidToken) -> dict[str, Any]:
    token = said.text.decode(errors="replace")
    return {"token": token, "logprob": said.logprob, "bytes": list(said.text), "top_logprobs": []}


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _usage(exchange: Exchange) -> dict[str, int]:
    """Count words: a channel does not say how many tokens its model needed."""
    asked = sum(len(message.text.split()) for message in exchange.request.messages)
    said = len(exchange.reply.split())
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _not_understood(_: HttpRequest, exc: Exception) -> JSONResponse:
    if not isinstance(exc, RequestValidationError):
        raise exc
    problem = exc.errors()[0]
    where = ".".join(str(step) for step in problem["loc"] if step != "body")
    return openai_error(400, f"{where or 'body'}: {problem['msg']}", param=where or None)


def _not_served(_: HttpRequest, exc: Exception) -> JSONResponse:
    if not isinstance(exc, HTTPException):
        raise exc
    return openai_error(exc.status_code, str(exc.detail))
