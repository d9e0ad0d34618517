"""What an endpoint's refusal means: its status and the code in its body, as a failure with a named reason."""

from dataclasses import dataclass

from pydantic_core import from_json

from probes.channels.codec import Failure, blocked, malformed
from watchdog.domain.exchanges import Reason

_KEY = "check the key that api-key-env or api-key-file names"
_SLOWER = "ask for a higher limit for this key, or send fewer probes"
_THEIR_LOG = "look at the endpoint's own log"
_BY_HAND = "send the same request by hand to see what the endpoint has against it"
_FILTERED = "content_filter"
_TOOLS = "tools"

_STATUSES = {
    401: (Reason.UNAUTHORIZED, _KEY),
    403: (Reason.UNAUTHORIZED, "check that the key may use this model"),
    404: (Reason.MODEL_NOT_FOUND, "check the model's name, and that base-url ends where {path} begins"),
    429: (Reason.RATE_LIMITED, _SLOWER),
}
_HINTS = {
    "context_length_exceeded": "the conversation is longer than the model's context",
    "insufficient_quota": "the account of this key has no credit left",
}
"""Codes that say more than the status does."""
_PARAMETERS = {
    "max_tokens": "the model does not take max_tokens; set `max-tokens-field: max_completion_tokens`",
    "logprobs": "the engine lists fewer likely tokens; lower `score-top`",
    "prompt_logprobs": "the engine lists fewer likely tokens; lower `score-top`, or raise its --max-logprobs",
    "stream": "the endpoint wants another way of answering; change `stream`",
    "stream_options": "the endpoint does not take stream_options; set it to null in extra-body",
    "temperature": "the model does not take a temperature",
}
_CODES = {
    "authentication_error": (Reason.UNAUTHORIZED, _KEY),
    "permission_error": (Reason.UNAUTHORIZED, "check that the key may use this model"),
    "not_found_error": (Reason.MODEL_NOT_FOUND, "check the model's name"),
    "model_not_found": (Reason.MODEL_NOT_FOUND, "check the model's name"),
    "rate_limit_error": (Reason.RATE_LIMITED, _SLOWER),
    "rate_limit_exceeded": (Reason.RATE_LIMITED, _SLOWER),
    "overloaded_error": (Reason.SERVER_ERROR, _THEIR_LOG),
    "api_error": (Reason.SERVER_ERROR, _THEIR_LOG),
    "server_error": (Reason.SERVER_ERROR, _THEIR_LOG),
}
"""Codes that name a reason by themselves, where the status says success because a stream had begun already."""


@dataclass(frozen=True, slots=True)
class _Fault:
    code: str
    parameter: str


def refused(status: int, body: bytes, path: str) -> Failure:
    """Return the failure of an answer whose status is no success; `path` is what was added to base-url."""
    try:
        fault = _fault(from_json(body))
    except ValueError:
        fault = _fault(None)
    if fault.code == _FILTERED:
        return blocked()
    if status >= 500:
        reason, hint = Reason.SERVER_ERROR, _THEIR_LOG
    else:
        reason, hint = _STATUSES.get(status, (Reason.REJECTED, _BY_HAND))
    # Tools are refused in every way there is: as a model that is not found, or as a fault of the server.
    parameter = fault.parameter if status in {400, 422} or fault.parameter == _TOOLS else ""
    hint = _HINTS.get(fault.code) or _PARAMETERS.get(parameter) or hint.format(path=path)
    return Failure(f"answered with HTTP status {status}", reason, hint, parameter)


def failed(error: object) -> Failure:
    """Return the failure of an error that came under a status that says success."""
    code = _fault({"error": error}).code
    if code == _FILTERED:
        return blocked()
    what = "an error under a status that says success"
    reason, hint = _CODES.get(code, (Reason.MALFORMED, malformed(what).hint))
    return Failure(f"answered with {what}", reason, _HINTS.get(code, hint))


def _said(message: object) -> str:
    """Return what an error says in small letters: a sentence, or the places that a list of faults names."""
    if isinstance(message, list):
        places = [it["loc"] for it in message if isinstance(it, dict) and isinstance(it.get("loc"), list)]
        return " ".join(str(step) for place in places for step in place).lower()
    return message.lower() if isinstance(message, str) else ""


def _fault(document: object) -> _Fault:
    """Find the code and the parameter of an error. Most put it under `error`; some servers leave that level out."""
    whole = document if isinstance(document, dict) else {}
    error = whole.get("error", whole)
    fields = error if isinstance(error, dict) else {"message": error}
    codes = [it for it in (fields.get("code"), fields.get("type")) if isinstance(it, str)]
    parameter = fields.get("param")
    said = _said(fields.get("message", fields.get("detail")))
    if not isinstance(parameter, str):
        parameter = next((it for it in ("temperature", "logprobs", "tool") if it in said), "")
    if parameter.partition(".")[0].partition("[")[0] in {"tool", _TOOLS, "tool_choice"}:
        parameter = _TOOLS
    known = [it for it in codes if it in _CODES or it in _HINTS or it == _FILTERED]
    return _Fault(next(iter(known or codes), ""), parameter)
