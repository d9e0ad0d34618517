"""The chat completions protocol of OpenAI, which most servers speak: its bodies, whole and streamed."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal

from pydantic import JsonValue, ValidationError

from probes.channels.codec import Completion, Failure, Part, blocked, completion, cut_off, malformed
from probes.channels.refusals import failed
from probes.channels.said import joined, said_tokens
from watchdog.domain.exchanges import FinishReason, Request
from watchdog.domain.spoken_calls import declared
from watchdog.domain.tools import ToolCall

MaxTokensField = Literal["max_tokens", "max_completion_tokens"]

_FINISHES = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
_ENDS_IN_CALLS = frozenset({"tool_calls", "function_call"})
_DONE = b"[DONE]"
ASKS_LOGPROBS = "logprobs"
"""The key of the body that asks for log probabilities."""


class _Function(Part):
    name: str | None = None
    arguments: str | None = None


class _Call(Part):
    index: int = 0
    id: str | None = None
    function: _Function = _Function()

    @property
    def call(self) -> ToolCall:
        return ToolCall.of(self.function.name or "", self.function.arguments or "")


class _Turn(Part):
    content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[_Call, ...] | None = None
    function_call: _Function | None = None
    """How calls were told before there were tools; some gateways still do."""
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def thought(self) -> bool:
        return bool(self.reasoning_content or self.reasoning)

    @property
    def called(self) -> tuple[_Call, ...]:
        """The calls, or pieces of calls, in either way of telling them."""
        older = () if self.function_call is None else (_Call(function=self.function_call),)
        return (*(self.tool_calls or ()), *older)


class _Choice(Part):
    message: _Turn
    finish_reason: str | None = None
    logprobs: Any = None


class _Answer(Part):
    model: str | None = None
    choices: tuple[_Choice, ...] | None = None
    usage: Any = None
    error: Any = None


class _Step(Part):
    index: int = 0
    delta: _Turn = _Turn()
    finish_reason: str | None = None
    logprobs: Any = None


class _Chunk(Part):
    model: str | None = None
    choices: tuple[_Step, ...] | None = None
    usage: Any = None
    error: Any = None


def write(request: Request, *, limit: MaxTokensField, stream: bool) -> dict[str, JsonValue]:
    """Return the body of a request, without the name of the model."""
    body: dict[str, JsonValue] = {
        "messages": [{"role": it.speaker.value, "content": it.text} for it in request.messages],
        limit: request.max_tokens,
        "temperature": request.temperature,
    }
    body |= {ASKS_LOGPROBS: True} if request.logprobs else {}
    body |= {"tools": [declared(it) for it in request.tools]} if request.tools else {}
    return body | {"stream_options": {"include_usage": True}} if stream else body


def read(body: bytes) -> Completion | Failure:
    """Read a whole answer."""
    try:
        return _judged(_Answer.model_validate_json(body))
    except ValidationError:
        return malformed("something that is not a chat completion")


def read_stream(events: Sequence[bytes]) -> Completion | Failure:
    """Put a streamed answer together and read it; it ends with a finish reason, and usage and a mark after that."""
    try:
        chunks = [_Chunk.model_validate_json(it) for it in takewhile(lambda it: it != _DONE, events)]
    except ValidationError:
        return malformed("a stream of something that is not a chat completion")
    steps = [step for chunk in chunks for step in chunk.choices or () if step.index == 0]
    finish = next((it.finish_reason for it in reversed(steps) if it.finish_reason), None)
    error = next((it.error for it in chunks if it.error is not None), None)
    if error is None and finish is None and _DONE not in events:
        return cut_off()
    turn = _Turn(
        content="".join(it.delta.content or it.delta.refusal or "" for it in steps),
        reasoning=any(it.delta.thought for it in steps),
        tool_calls=_put_together([piece for it in steps for piece in it.delta.called]),
    )
    return _judged(
        _Answer(
            model=next((it.model for it in chunks if it.model), None),
            choices=(_Choice(message=turn, finish_reason=finish, logprobs=_joined(steps)),) if steps else (),
            usage=next((it.usage for it in reversed(chunks) if it.usage), None),
            error=error,
        )
    )


def _judged(answer: _Answer) -> Completion | Failure:
    if answer.error is not None:
        return failed(answer.error)
    if not answer.choices:
        return malformed("a chat completion without choices")
    turn, finish = answer.choices[0].message, answer.choices[0].finish_reason
    if finish == "content_filter":
        return blocked()
    text = turn.refusal if turn.content is None else turn.content
    calls = [it.call for it in turn.called]
    told = _FINISHES.get(finish or "", FinishReason.OTHER)
    if calls and finish in _ENDS_IN_CALLS:
        told = FinishReason.STOP
    said = said_tokens(_listed(answer.choices[0].logprobs))
    return completion(text, told, answer.model, answer.usage, thought=turn.thought, tokens_said=said, calls=calls)


def _put_together(pieces: Sequence[_Call]) -> tuple[_Call, ...]:
    """Return the calls that a stream tells in pieces: first a name, then the arguments bit by bit.

    A name under an index that has one already begins another call: some servers number them all alike.
    """
    calls: list[list[_Call]] = []
    newest: dict[int, list[_Call]] = {}
    for piece in pieces:
        whole = newest.get(piece.index)
        if whole is None or (piece.function.name and any(it.function.name for it in whole)):
            whole = newest[piece.index] = []
            calls.append(whole)
        whole.append(piece)
    return tuple(
        _Call(
            function=_Function(
                name="".join(it.function.name or "" for it in whole),
                arguments="".join(it.function.arguments or "" for it in whole),
            )
        )
        for whole in calls
    )


def _listed(logprobs: object) -> object:
    """Return the list of tokens of a choice, whatever it is; a refusal has a list of its own."""
    if not isinstance(logprobs, dict):
        return logprobs
    return logprobs.get("content") or logprobs.get("refusal")


def _joined(steps: Sequence[_Step]) -> object:
    return joined([_listed(it.logprobs) for it in steps])
