"""What the configuration says about each kind of channel."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from watchdog.config.model import KindSection
from watchdog.config.signature import SignatureSettings

_HOST = re.compile(r"[0-9a-f]*:[0-9a-f:.]*|[^\s.]{1,63}(\.[^\s.]{1,63})*\.?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_OUR_HEADERS = frozenset(
    {
        "anthropic-version",
        "api-key",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "x-api-key",
    }
)
_OUR_FIELDS = frozenset(
    {
        "input",
        "instructions",
        "logprobs",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "stream",
        "system",
        "temperature",
        "tools",
    }
)


def _as_text(version: object) -> object:
    # YAML takes a bare 2024-10-21 for a date.
    return version.isoformat() if type(version) is date else version


ApiVersion = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$")]
"""A version of an API that is named by its date."""


class ChannelConfig(KindSection):
    """A channel; `kind` says which."""


class WeightsConfig(ChannelConfig):
    """A model in this process: a transformers directory, or a GGUF file."""

    local: ClassVar[bool] = True

    kind: Literal["weights"] = "weights"
    path: Path
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: Annotated[int, Field(ge=1)] = 1
    """CPU threads for the whole process, not for this channel alone."""
    signature: SignatureSettings | None = None
    """Whose signature the weights have to bear."""

    @property
    def scores(self) -> bool:
        """Whether the model's probabilities come with this channel."""
        return True

    @property
    def model_files(self) -> Path | None:
        """The files of the model."""
        return self.path

    @property
    def model_signature(self) -> SignatureSettings | None:
        """Whose signature these files have to bear."""
        return self.signature

    @property
    def asks_logprobs(self) -> bool:
        """Whether such a channel tells the log probabilities of the tokens of a reply."""
        return True


class HttpConfig(ChannelConfig):
    """What every channel over HTTP can be told; each provider's own module adds the rest."""

    base_url: str
    """The URL up to, and without, the path that the provider's protocol adds."""
    api_key_env: str | None = None
    api_key_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 60
    """From sending the request to holding the whole reply."""
    stream: bool = False
    """Whether to ask for the reply in pieces, as a chat window does; the pieces are put together again."""
    headers: dict[str, str] = Field(default_factory=dict)
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """More fields of the request's body."""
    ca_bundle: Path | None = None
    """Certificate authorities to trust in place of the public ones, as a PEM file."""
    client_cert: Path | None = None
    """A certificate that shows who we are, as a PEM file."""
    client_key: Path | None = None
    """Its key, where that is not in the same file."""
    proxy: str | None = None
    """A proxy to go through; those that the environment names are never used."""

    @field_validator("base_url")
    @classmethod
    def _has_no_query(cls, url: str) -> str:
        if urlsplit(url).query or urlsplit(url).fragment:
            raise ValueError("a base URL has no query and no fragment")
        return url.rstrip("/")

    @field_validator("base_url", "proxy")
    @classmethod
    def _is_a_plain_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(parts.hostname or ""):
            raise ValueError("expected a URL that begins with http:// or https:// and names a host")
        if "@" in parts.netloc:
            raise ValueError("a URL must not carry a password; a key belongs in api-key-env or api-key-file")
        _ = parts.port  # raises ValueError when it is not a port
        return url

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a header name")
            if name.lower() in _OUR_HEADERS:
                raise ValueError(f"{name} is set by the channel itself; a key belongs in api-key-env or api-key-file")
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"the value of {name} must be printable ASCII on one line")
        return headers

    @field_validator("extra_body")
    @classmethod
    def _adds_only(cls, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
        ours = sorted(_OUR_FIELDS & body.keys())
        if ours:
            raise ValueError(f"{', '.join(ours)}: set by the channel itself, so that replies can be compared")
        return body

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("api-key-env and api-key-file cannot both be given")
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client-key needs the client-cert that it belongs to")
        return self


class ListingConfig(HttpConfig):
    """What every protocol that can list a reply's tokens can be told beside."""

    logprobs: bool = True
    """Whether to ask for the log probabilities of a reply's tokens, where a comparison can use them."""

    @property
    def asks_logprobs(self) -> bool:
        """Whether such a channel asks for the log probabilities of the tokens of a reply."""
        return self.logprobs


class ScriptedConfig(ChannelConfig):
    """The scripted model, for rehearsals without weights or network."""

    local: ClassVar[bool] = True

    kind: Literal["scripted"] = "scripted"
    model: str = "scripted"
    seed: int = 0
    noise: float = 0.0

    @property
    def scores(self) -> bool:
        """Whether the model's probabilities come with this channel."""
        return True

    @property
    def asks_logprobs(self) -> bool:
        """Whether such a channel tells the log probabilities of the tokens of a reply."""
        return True
