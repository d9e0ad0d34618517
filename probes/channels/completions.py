"""What an endpoint of the chat completions protocol answered: a completion, or a failure with a named reason.

Whatever it wrote is taken to be hostile. A failure is told in our own words only, because an endpoint may echo the key
or the prompt.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from watchdog.domain.exchanges import FinishReason, Reason
from watchdog.domain.text import printable

_LONGEST_MODEL_ID = 200
_FINISHES = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
_FILTERED = "content_filter"
_NOT_AN_API = "check that base-url is an OpenAI-compatible endpoint and not a page or a proxy"

_STATUSES = {
    401: (Reason.UNAUTHORIZED, "check the key that api-key-env or api-key-file names"),
    403: (Reason.UNAUTHORIZED, "check that the key may use this model"),
    404: (Reason.MODEL_NOT_FOUND, "check `model`, and that base-url ends where /chat/completions begins"),
    429: (Reason.RATE_LIMITED, "ask for a higher limit for this key, or send fewer probes"),
}
_CODES = {
    "context_length_exceeded": "the conversation is longer than the model's context",
    "insufficient_quota": "the account of this key has no credit left",
    "unsupported_parameter": "the endpoint does not take max_tokens or temperature",
}
"""Error codes that say more than the status does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A reply that can be judged."""

    reply: str
    finish: FinishReason
    model: str
    """The model id that the endpoint gave, made safe to print; empty when it gave none."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no reply: the end of a sentence about the channel, the reason, and what to do."""

    what: str
    reason: Reason
    hint: str


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class _Turn(_Part):
    content: str | None = None


class _Choice(_Part):
    message: _Turn
    finish_reason: str | None = None


class _Answer(_Part):
    model: str | None = None
    choices: tuple[_Choice, ...] | None = None
    error: object = None


class _Fault(_Part):
    code: str | None = None


class _Refusal(_Part):
    error: _Fault


def read(status: int, body: bytes) -> Completion | Failure:
    """Read a whole HTTP answer."""
    if not 200 <= status < 300:
        return _refused(status, body)
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError:
        return malformed("something that is not a chat completion")
    if answer.error is not None:
        return malformed("an error under a status that says success")
    if not answer.choices:
        return malformed("a chat completion without choices")
    return _chosen(answer.choices[0], printable(answer.model or "", _LONGEST_MODEL_ID))


def malformed(what: str) -> Failure:
    """Return the failure of an endpoint that answered with something that is no completion."""
    return Failure(f"answered with {what}", Reason.MALFORMED, _NOT_AN_API)


def _chosen(choice: _Choice, model: str) -> Completion | Failure:
    text = choice.message.content
    if choice.finish_reason == _FILTERED:
        return _blocked()
    if text is None:
        return malformed("a chat completion whose content is not text")
    if "\0" in text:
        return malformed("a text with NUL in it")
    if not text:
        hint = "the model may need more tokens, or was told to be silent"
        return Failure("answered with an empty text", Reason.EMPTY, hint)
    return Completion(reply=text, finish=_FINISHES.get(choice.finish_reason or "", FinishReason.OTHER), model=model)


def _refused(status: int, body: bytes) -> Failure:
    code = _code(body)
    if code == _FILTERED:
        return _blocked()
    if status >= 500:
        reason, hint = Reason.SERVER_ERROR, "look at the endpoint's own log"
    else:
        otherwise = (Reason.REJECTED, "send the same request by hand to see what the endpoint has against it")
        reason, hint = _STATUSES.get(status, otherwise)
    return Failure(f"answered with HTTP status {status}", reason, _CODES.get(code, hint))


def _blocked() -> Failure:
    return Failure("was stopped by a content filter", Reason.BLOCKED, "find out whose filter it is")


def _code(body: bytes) -> str:
    try:
        return _Refusal.model_validate_json(body).error.code or ""
    except ValidationError:
        return ""
