"""OpenAI's chat completions, and every server that is compatible with them."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from probes.channels import completions
from probes.channels.codec import Codec, bearer
from probes.channels.completions import MaxTokensField
from probes.channels.config import ListingConfig
from probes.scorers.dialects import Dialect
from watchdog.domain.exchanges import Request


class OpenAIConfig(ListingConfig):
    """An endpoint that speaks the chat completions protocol of OpenAI."""

    kind: Literal["openai"] = "openai"
    model: Annotated[str, Field(min_length=1)]
    max_tokens_field: MaxTokensField = "max_tokens"
    """What the endpoint calls the upper limit of a reply."""
    score: Dialect | None = None
    """How the engine behind this endpoint tells the scores of a prompt; it is not asked for any without this."""
    tokenizer: Path | None = None
    """A transformers directory with the tokenizer of the model that the engine serves."""
    score_token_cap: Annotated[int, Field(ge=64, le=65_536)] = 1024
    """Tokens of one request for scores: an engine may need gigabytes for those of a long prompt."""
    score_top: Annotated[int, Field(ge=2, le=100)] | None = None
    """Likeliest tokens that are listed at each place; engines have a limit of their own."""

    @property
    def scores(self) -> bool:
        """Whether the model's probabilities come with this channel."""
        return self.score is not None

    @property
    def likeliest(self) -> int:
        """Likeliest tokens to ask for: as many as an engine lists unless it is told otherwise."""
        usual = 20 if self.score == "vllm" else 5
        return usual if self.score_top is None else self.score_top

    @model_validator(mode="after")
    def _can_score(self) -> Self:
        if self.score is not None and self.tokenizer is None:
            raise ValueError("score needs `tokenizer`, the folder of the tokenizer of the model that is served")
        given = {"tokenizer", "score_token_cap", "score_top"} & self.model_fields_set
        if self.score is None and given:
            raise ValueError(f"{', '.join(sorted(it.replace('_', '-') for it in given))}: only used with `score`")
        return self


def codec(config: OpenAIConfig) -> Codec:
    """Return the protocol as this endpoint speaks it."""
    return Codec(
        path="/chat/completions",
        authorize=bearer,
        write=partial(_write, config),
        read=completions.read,
        read_stream=completions.read_stream,
        asks_logprobs=completions.ASKS_LOGPROBS,
    )


def _write(config: OpenAIConfig, request: Request) -> dict[str, JsonValue]:
    return {"model": config.model} | completions.write(request, limit=config.max_tokens_field, stream=config.stream)
