"""What the configuration says about each kind of channel."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from watchdog.config.model import KindSection

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset({"authorization", "content-length", "content-type", "host", "transfer-encoding"})


class ChannelConfig(KindSection):
    """A channel; `kind` says which."""


class WeightsConfig(ChannelConfig):
    """A model in this process: a transformers directory, or a GGUF file."""

    kind: Literal["weights"] = "weights"
    path: Path
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: Annotated[int, Field(ge=1)] = 1
    """CPU threads for the whole process, not for this channel alone."""


class OpenAIConfig(ChannelConfig):
    """An HTTP endpoint that speaks the chat completions protocol of OpenAI."""

    kind: Literal["openai"] = "openai"
    base_url: str
    """Up to and without `/chat/completions`."""
    model: Annotated[str, Field(min_length=1)]
    api_key_env: str | None = None
    api_key_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 60
    """From sending the request to holding the whole reply."""
    ca_bundle: Path | None = None
    """Certificate authorities to trust in place of the public ones, as a PEM file."""
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("base_url")
    @classmethod
    def _is_a_plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.netloc.isprintable():
            raise ValueError("expected a URL that begins with http:// or https:// and names a host")
        if "@" in parts.netloc:
            raise ValueError("a URL must not carry a password; use api-key-env or api-key-file")
        if parts.query or parts.fragment:
            raise ValueError("a base URL has no query and no fragment")
        _ = parts.port  # raises ValueError when it is not a port
        return url.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a header name")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by the channel itself; a key belongs in api-key-env or api-key-file")
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"the value of {name} must be printable ASCII on one line")
        return headers

    @model_validator(mode="after")
    def _has_one_key_at_most(self) -> Self:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("api-key-env and api-key-file cannot both be given")
        return self


class ScriptedConfig(ChannelConfig):
    """The scripted model, for rehearsals without weights or network."""

    kind: Literal["scripted"] = "scripted"
    model: str = "scripted"
    seed: int = 0
    noise: float = 0.0
