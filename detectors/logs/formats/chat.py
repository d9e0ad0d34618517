"""Conversations and replies in the shapes of the OpenAI and Anthropic APIs, which most logs carry inside.

Clients write the messages, so whatever cannot be read here is not told, and never makes a bad line.
"""

from typing import NamedTuple

import msgspec

from detectors.logs.formats.reading import leniently
from detectors.logs.formats.values import REPLY_LIMIT, excerpt, told

_REFUSING = frozenset(
    {
        "content_filter",
        "content_filtered",
        "content_policy_violation",
        "contentpolicyviolationerror",
        "guardrail_intervened",
        "moderation_blocked",
        "prohibited_content",
        "refusal",
        "responsibleaipolicyviolation",
        "safety",
    }
)
"""Reasons to finish, and codes of errors, with which an API says that it refused; in small letters."""


class Message(msgspec.Struct, gc=False):
    """A turn."""

    role: object = None
    content: object = None
    parts: object = None
    """What OpenTelemetry calls the content."""


class Asked(NamedTuple):
    """What a client asked."""

    system: str | None = None
    prompt: str | None = None
    turns: int | None = None
    prefill: bool | None = None


class Answered(NamedTuple):
    """What the API answered."""

    reply: str | None = None
    refused: bool | None = None
    """True when the API says that it refused; None when it does not say. Never False: a finish reason of `stop` says
    nothing about the text."""


class _Said(msgspec.Struct, gc=False):
    content: object = None
    refusal: object = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: object = None
    message: _Said | None = None
    text: object = None
    """Of the older completions API."""


class _Why(msgspec.Struct, gc=False):
    reason: object = None
    code: object = None
    type: object = None


class _Response(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    output: object = None
    """Of the Responses API."""
    incomplete_details: _Why | None = None
    content: object = None
    """Of Anthropic's Messages API."""
    stop_reason: object = None
    error: _Why | None = None


_MESSAGES = msgspec.json.Decoder(str | list[Message] | Message | None)
_RESPONSE = msgspec.json.Decoder(_Response)
_ANY = msgspec.json.Decoder()
_SYSTEM = ("system", "developer")
_UNTOLD = Asked()


def asked(raw: msgspec.Raw | bytes | str, system: msgspec.Raw | bytes | str = b"") -> Asked:
    """Read messages, or a bare prompt; `system` is a system prompt that stands outside of them."""
    found = leniently(_MESSAGES, raw, None)
    if isinstance(found, Message):
        found = [found]
    outside = written(leniently(_ANY, system, None)) if system else None
    if isinstance(found, str):
        return Asked(outside, excerpt(found), 1, prefill=False)
    return Asked(outside) if not found else _conversation(found, outside)


def _conversation(messages: list[Message], outside: str | None) -> Asked:
    turns, prompt, system = 0, None, None
    for it in messages:
        if it.role in _SYSTEM:
            system = it if system is None else system
            continue
        turns += 1
        if it.role == "user":
            prompt = it
    return Asked(
        outside if system is None else written(system.content or system.parts),
        None if prompt is None else written(prompt.content or prompt.parts),
        turns,
        prefill=messages[-1].role == "assistant",
    )


def answered(raw: msgspec.Raw | bytes) -> Answered:
    """Read a response body, or an error in its place."""
    found = leniently(_RESPONSE, raw, None)
    if found is None:
        return Answered()
    if found.choices:
        return _of_choices(found.choices)
    reply, refused = _of_items(found.output if found.output is not None else found.content)
    whys = [found.stop_reason]
    for it in (found.incomplete_details, found.error):
        whys += [] if it is None else [it.reason, it.code, it.type]
    return Answered(reply, True if refused or any(map(refusing, whys)) else None)


def refusing(word: object) -> bool:
    """Tell whether a finish reason or the code of an error says that the API refused."""
    return isinstance(word, str) and word.lower() in _REFUSING


def _text_of(content: object) -> str | None:
    """Return the text of a content: of itself, or of its parts; None where it has none."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [text for it in parts if isinstance(it, dict) and (text := _part(it)) is not None]
    return "\n".join(texts) if texts else None


def written(content: object) -> str | None:
    """Return as much of a prompt or a system prompt as is handed on."""
    text = content if isinstance(content, str) else _text_of(content)
    return None if text is None else excerpt(text)


def replied(content: object) -> str | None:
    """Return as much of a reply as is handed on."""
    text = _text_of(content)
    return None if text is None else told(text[:REPLY_LIMIT])


def _part(part: dict[object, object]) -> str | None:
    found = part.get("text", part.get("content"))
    return found if isinstance(found, str) else None


def _of_choices(choices: list[_Choice]) -> Answered:
    reply, refused = None, None
    for it in choices:
        said = it.message
        refusal = said.refusal if said is not None and isinstance(said.refusal, str) else ""
        if refusal or refusing(it.finish_reason):
            refused = True
        if reply is None:
            reply = replied(it.text if said is None else said.content or refusal or None)
    return Answered(reply, refused)


def _of_items(items: object) -> tuple[str | None, bool]:
    """Read the parts of a reply; those of the Responses API are one level further down."""
    flat: list[object] = []
    for it in items if isinstance(items, list) else [items]:
        inner = it.get("content") if isinstance(it, dict) else None
        flat += inner if isinstance(inner, list) else [it]
    refusals = [it for it in flat if isinstance(it, dict) and it.get("type") == "refusal"]
    said = refusals[0].get("refusal") if refusals else None
    return replied(flat if not isinstance(said, str) else said), bool(refusals)
