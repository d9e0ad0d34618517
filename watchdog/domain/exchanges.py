"""One conversation on one channel, and the named reasons why there may be none."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchdog.domain.times import utc
from watchdog.domain.tools import Tool, ToolCall


class ChannelRole(StrEnum):
    """Which way to the model an exchange took."""

    DIRECT = "direct"
    DELIVERED = "delivered"
    REFERENCE = "reference"


class Speaker(StrEnum):
    """Who says a message, in the words of every chat API."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class FinishReason(StrEnum):
    """Why the model stopped talking, as the channel tells it."""

    STOP = "stop"
    LENGTH = "length"
    OTHER = "other"


class Reason(StrEnum):
    """Why something could not be measured. None of these ever means that all is well."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    UNAUTHORIZED = "unauthorized"
    MODEL_NOT_FOUND = "model_not_found"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    SERVER_ERROR = "server_error"
    MALFORMED = "malformed"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    BLOCKED = "blocked"
    UNSCORABLE = "unscorable"
    UNSPELLABLE = "unspellable"
    """The reply holds a byte that no token of the model has, so the model that scores cannot have written it."""
    SCORING_OFF = "scoring_off"
    """The engine that scores failed once, and is not asked again before a reload or a restart."""
    TOO_LONG = "too_long"
    AMBIGUOUS = "ambiguous"
    CACHED = "cached"
    HIDDEN_REASONING = "hidden_reasoning"
    TEMPERATURE_REFUSED = "temperature_refused"
    TOOLS_REFUSED = "tools_refused"
    """The channel takes no tools."""
    UNASKED_CALL = "unasked_call"
    """The reply calls a tool, and none was offered."""
    NO_CALL = "no_call"
    """Tools were offered, and neither channel calls one."""
    DIRECT_SILENT = "direct_silent"
    """Our own channel gave nothing that the delivered calls could be held against."""
    DECLARED = "declared"
    """It names a model that somebody declared beforehand, so that it was put aside."""


class Unsaid(StrEnum):
    """Why an exchange has no list of the reply's tokens that can be used."""

    NOT_ASKED = "not_asked"
    REFUSED = "refused"
    """The endpoint does not take the parameter that asks for it."""
    ABSENT = "absent"
    """It was asked for, and none came."""
    MALFORMED = "malformed"
    WITHOUT_BYTES = "without_bytes"
    """A token's text alone does not say which bytes it stands for."""
    NO_PROBABILITIES = "no_probabilities"
    """Numbers that no log probability can be: NaN, infinite or above 0."""
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidToken:
    """One token of a reply, as the channel itself lists it. It is a claim: whoever edits a reply can edit this too."""

    text: bytes
    """What it adds to the reply."""
    logprob: float
    """In nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent: the conversation so far, and how long and how freely the model may answer."""

    messages: tuple[Message, ...]
    max_tokens: int
    """Upper limit of the reply, in the model's tokens."""
    temperature: float = 0.0
    logprobs: bool = False
    """Whether the reply's tokens are wanted with their log probabilities, where the channel can tell them."""
    tools: tuple[Tool, ...] = ()
    """What the model is offered to call."""

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("a request needs at least one message")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and the reply that came back on one channel."""

    channel: ChannelRole
    request: Request
    reply: str
    finish: FinishReason
    model: str
    """The model id that the channel says answered."""
    asked_at: datetime
    seconds: float
    """From sending the request to holding the whole reply."""
    tokens: int | None = None
    """What the channel says it cost, request and reply together; None when it does not say."""
    temperature_honoured: bool = True
    """Whether the model was asked at the request's temperature; some models refuse to be told one."""
    hidden_reasoning: bool = False
    """Whether the model wrote something before the reply that is not in it."""
    cached: bool = False
    """Whether the reply was stored earlier, so that it tells nothing about the model now."""
    tokens_said: tuple[SaidToken, ...] | Unsaid = Unsaid.NOT_ASKED
    """The reply's tokens with their log probabilities, as the channel lists them; or why there is no such list."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls that it makes, in their order; beside them the text may be empty."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "asked_at", utc(self.asked_at))

    @property
    def incomparable(self) -> Reason | None:
        """Why the reply cannot be held against the direct model's first choices; None when it can."""
        if self.tool_calls and not self.request.tools:
            return Reason.UNASKED_CALL
        if self.cached:
            return Reason.CACHED
        if self.hidden_reasoning:
            return Reason.HIDDEN_REASONING
        return None if self.temperature_honoured else Reason.TEMPERATURE_REFUSED
