"""A scoring server of ours, on the machine that has the weights: it answers, and it scores."""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError, field_validator

from probes.channels.codec import Codec, Completion, Failure, Part, bearer, completion, malformed
from probes.channels.config import HttpConfig
from watchdog.domain.exchanges import FinishReason, Reason, Request

_ANOTHER = "find out who changed the weights; then put the digest that the server prints into `digest`"


class ScoresConfig(HttpConfig):
    """A server that `corrigibility-watchdog serve-scores` runs."""

    kind: Literal["scores"] = "scores"
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the model that the server has to hold; the server prints it when it starts."""

    @property
    def scores(self) -> bool:
        """Whether the model's probabilities come with this channel."""
        return True

    @field_validator("stream")
    @classmethod
    def _is_whole(cls, stream: bool) -> bool:
        if stream:
            raise ValueError("a scoring server gives whole replies only")
        return stream


class _Generated(Part):
    digest: str
    model: str
    reply: str
    finish: Literal["stop", "length", "other"]
    tokens: int | None = None


def codec(config: ScoresConfig) -> Codec:
    """Return the protocol in which the server is asked for a reply."""
    return Codec(
        path="/v1/generate",
        authorize=bearer,
        write=_write,
        read=partial(_read, config),
        read_stream=lambda _: malformed("a stream, which a scoring server never does"),
        takes_tools=False,
    )


def another_model() -> Failure:
    """Return the failure of a server that holds another model than the configuration says."""
    return Failure("holds another model than `digest` says", Reason.UNSCORABLE, _ANOTHER)


def _write(request: Request) -> dict[str, JsonValue]:
    return {
        "messages": [{"speaker": it.speaker.value, "text": it.text} for it in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }


def _read(config: ScoresConfig, body: bytes) -> Completion | Failure:
    try:
        answer = _Generated.model_validate_json(body)
    except ValidationError:
        return malformed("something that is not a scoring server's reply")
    if answer.digest != config.digest:
        return another_model()
    return completion(answer.reply, FinishReason(answer.finish), answer.model, {"total_tokens": answer.tokens})
