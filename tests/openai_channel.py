"""A channel that speaks the OpenAI chat protocol, open on any network, and a reply in that protocol."""

import httpx

from probes.channels.endpoint import Endpoint, open_endpoint
from probes.channels.openai import OpenAIConfig, codec
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole


def config(**values: object) -> OpenAIConfig:
    """Return a configuration, with other fields where they are given."""
    given = {name.replace("_", "-"): value for name, value in values.items()}
    return OpenAIConfig.model_validate({"base-url": "https://api.example.com/v1", "model": "m", **given})


def connect(settings: OpenAIConfig, network: httpx.BaseTransport | None = None) -> Endpoint:
    """Open the delivered channel; over the real network unless another one is given."""
    return open_endpoint(settings, codec(settings), ChannelRole.DELIVERED, lambda: NOW, network=network)


def completion(content: object = "Yes.", finish: object = "stop", **more: object) -> dict[str, object]:
    """Return the body of a reply."""
    message = {"role": "assistant", "content": content}
    return {"model": "m-2", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}
