"""Azure OpenAI: chat completions of a deployment."""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from probes.channels import completions
from probes.channels.codec import Codec
from probes.channels.completions import MaxTokensField
from probes.channels.config import ApiVersion, ListingConfig


class AzureConfig(ListingConfig):
    """A deployment in an Azure OpenAI resource; base-url is the resource's own, without a path."""

    kind: Literal["azure"] = "azure"
    deployment: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    api_version: ApiVersion
    max_tokens_field: MaxTokensField = "max_tokens"
    """What the deployed model calls the upper limit of a reply."""


def codec(config: AzureConfig) -> Codec:
    """Return the protocol as this deployment speaks it."""
    return Codec(
        path=f"/openai/deployments/{config.deployment}/chat/completions",
        params={"api-version": config.api_version},
        authorize=lambda key: {"api-key": key},
        write=partial(completions.write, limit=config.max_tokens_field, stream=config.stream),
        read=completions.read,
        read_stream=completions.read_stream,
        asks_logprobs=completions.ASKS_LOGPROBS,
    )
