"""What every provider's protocol has in common, as values: how to ask, and what an answer comes to.

A provider is one module with its settings and a function that makes a `Codec` of them. Everything in a codec is pure;
`endpoint` and `transport` do the talking. Whatever an endpoint wrote is taken to be hostile: a failure is told in our
own words only, because an endpoint may echo the key or the prompt.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, JsonValue

from watchdog.domain.exchanges import FinishReason, Reason, Request, SaidToken, Unsaid
from watchdog.domain.text import printable
from watchdog.domain.tools import ToolCall

_LONGEST_MODEL_ID = 200
_MOST_TOKENS = 10**9
_MOST_CALLS = 64
_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>.*?(?:</\1>\s*|\Z)", re.DOTALL)
_END_OF_THOUGHT = "</think>"
_PARTS = (
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
"""What a request costs in the APIs that give no total; no API uses both pairs of names."""
_NOT_AN_API = "check that base-url names an API of this kind, and not a page or a proxy"


class Part(BaseModel):
    """A piece of an answer: its types are held to strictly, and what we do not know is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A reply that can be judged."""

    reply: str
    """The visible text."""
    finish: FinishReason
    model: str
    """The model id that the endpoint gave, made safe to print; empty when it gave none."""
    tokens: int | None = None
    """Tokens of the request and the reply together, where the endpoint says."""
    said: int | None = None
    """Tokens of the reply alone, hidden reasoning and all, where the endpoint says."""
    hidden_reasoning: bool = False
    tokens_said: tuple[SaidToken, ...] | Unsaid = Unsaid.ABSENT
    """The reply's tokens as the endpoint lists them, or why there is no such list."""
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no reply: the end of a sentence about the channel, the reason, and what to do."""

    what: str
    reason: Reason
    hint: str
    parameter: str = ""
    """The parameter that the endpoint does not take, where that is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One provider's protocol. `read` and `read_stream` end in the same answer."""

    path: str
    """Added to base-url."""
    authorize: Callable[[str], Mapping[str, str]]
    """Makes the headers that carry a key."""
    write: Callable[[Request], dict[str, JsonValue]]
    """Makes the body; `temperature` and `asks_logprobs` are keys of their own, so that they can be left out. Tools that
    a protocol does not know are not written: `takes_tools` says so."""
    read: Callable[[bytes], Completion | Failure]
    """Reads the whole body of an answer whose status says success."""
    read_stream: Callable[[Sequence[bytes]], Completion | Failure]
    """Reads the events of a stream, in order; a stream that was cut off is a failure, never a short reply."""
    asks_logprobs: str | None = None
    """The key of the body that asks for log probabilities, where the protocol has one."""
    takes_tools: bool = True
    """Whether the protocol has a place for tools."""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries a key in most APIs."""
    return {"Authorization": f"Bearer {key}"}


def completion(
    text: str | None,
    finish: FinishReason,
    model: str | None,
    usage: object,
    *,
    thought: bool = False,
    tokens_said: tuple[SaidToken, ...] | Unsaid = Unsaid.ABSENT,
    calls: Sequence[ToolCall] = (),
) -> Completion | Failure:
    """Return the reply with that text and those calls, or why it is none.

    `thought` says that fields beside it hold reasoning. Beside calls there need not be any text.
    """
    if len(calls) > _MOST_CALLS:
        return malformed(f"more than {_MOST_CALLS} tool calls")
    if text is None and calls:
        text = ""
    if text is None:
        return malformed("a reply whose content is not text")
    if "\0" in text:
        return malformed("a text with NUL in it")
    visible = _visible(text)
    hidden = thought or visible != text or _reasoned(usage)
    if not visible and not calls:
        spent = "all its tokens went into hidden reasoning, so allow it more"
        silent = "the model may need more tokens, or was told to be silent"
        return Failure("answered with an empty text", Reason.EMPTY, spent if hidden else silent)
    return Completion(
        reply=visible,
        finish=finish,
        model=printable(model or "", _LONGEST_MODEL_ID),
        tokens=_total(usage),
        said=_said(usage),
        hidden_reasoning=hidden,
        tokens_said=tokens_said,
        tool_calls=tuple(calls),
    )


def malformed(what: str) -> Failure:
    """Return the failure of an endpoint that answered with something that is no reply."""
    return Failure(f"answered with {what}", Reason.MALFORMED, _NOT_AN_API)


def cut_off() -> Failure:
    """Return the failure of a stream without its end."""
    hint = "look for a proxy or a time limit between here and the endpoint"
    return Failure("answered with a stream that was cut off", Reason.MALFORMED, hint)


def blocked() -> Failure:
    """Return the failure of a reply that a content filter held back."""
    return Failure("was stopped by a content filter", Reason.BLOCKED, "find out whose filter it is")


def _visible(text: str) -> str:
    """Return the text without the reasoning that some models write before it, between tags."""
    found = _THOUGHT.match(text)
    if found:
        return text[found.end() :]
    # Where the template of the prompt opens the tag, the reply holds only the end of it.
    before, end, after = text.partition(_END_OF_THOUGHT)
    return after.lstrip() if end and "<think>" not in before else text


def _reasoned(usage: object) -> bool:
    details = [usage, *usage.values()] if isinstance(usage, dict) else []
    return any(bool(_count(it, "reasoning_tokens")) for it in details if isinstance(it, dict))


def _total(usage: object) -> int | None:
    if not isinstance(usage, dict):
        return None
    total = _count(usage, "total_tokens")
    if total is not None:
        return total
    parts = [_count(usage, it) for it in _PARTS]
    return sum(it for it in parts if it is not None) if any(it is not None for it in parts) else None


def _said(usage: object) -> int | None:
    if not isinstance(usage, dict):
        return None
    counts = [_count(usage, it) for it in ("completion_tokens", "output_tokens")]
    return next((it for it in counts if it is not None), None)


def _count(usage: Mapping[str, object], name: str) -> int | None:
    number = usage.get(name)
    return number if type(number) is int and 0 <= number <= _MOST_TOKENS else None
