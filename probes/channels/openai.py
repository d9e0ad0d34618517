"""OpenAI's chat completions, and every server that is compatible with them."""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from probes.channels import completions
from probes.channels.codec import Codec, bearer
from probes.channels.completions import MaxTokensField
from probes.channels.config import HttpConfig
from watchdog.domain.exchanges import Request


class OpenAIConfig(HttpConfig):
    """An endpoint that speaks the chat completions protocol of OpenAI."""

    kind: Literal["openai"] = "openai"
    model: Annotated[str, Field(min_length=1)]
    max_tokens_field: MaxTokensField = "max_tokens"
    """What the endpoint calls the upper limit of a reply."""


def codec(config: OpenAIConfig) -> Codec:
    """Return the protocol as this endpoint speaks it."""
    return Codec(
        path="/chat/completions",
        authorize=bearer,
        write=partial(_write, config),
        read=completions.read,
        read_stream=completions.read_stream,
    )


def _write(config: OpenAIConfig, request: Request) -> dict[str, JsonValue]:
    return {"model": config.model} | completions.write(request, limit=config.max_tokens_field, stream=config.stream)
