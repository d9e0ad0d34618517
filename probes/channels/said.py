"""The list of a reply's tokens with their log probabilities, as the APIs of OpenAI and their kin write it.

Whatever an endpoint wrote is taken to be hostile. A list that cannot be used never spoils the reply beside it; it has a
name of its own, because an endpoint that lists nonsense is not one that lists nothing.
"""

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from probes.channels.codec import Part
from watchdog.domain.exchanges import SaidToken, Unsaid

_MOST_TOKENS = 16_384
_ROUNDING = 1e-3
"""Nats. What is certain may come out a little above 0 on an engine that adds up in a low precision."""


class _Listed(Part):
    token: str
    logprob: float
    bytes: list[Annotated[int, Field(ge=0, le=255)]] | None = None


_LISTS = TypeAdapter(list[_Listed])


def said_tokens(listed: object) -> tuple[SaidToken, ...] | Unsaid:
    """Return the tokens of a list as an endpoint sent it, or why it cannot be used."""
    if listed is None or listed == []:
        return Unsaid.ABSENT
    if isinstance(listed, list) and len(listed) > _MOST_TOKENS:
        return Unsaid.TOO_MANY
    try:
        return _read(_LISTS.validate_python(listed))
    except ValidationError:
        return Unsaid.MALFORMED


def _read(tokens: Sequence[_Listed]) -> tuple[SaidToken, ...] | Unsaid:
    if not all(math.isfinite(it.logprob) and it.logprob <= _ROUNDING for it in tokens):
        return Unsaid.NO_PROBABILITIES
    spelled = [it.bytes for it in tokens if it.bytes is not None]
    if len(spelled) < len(tokens):
        return Unsaid.WITHOUT_BYTES
    return tuple(SaidToken(text=bytes(text), logprob=it.logprob) for it, text in zip(tokens, spelled, strict=True))


def joined(pieces: Sequence[object]) -> object:
    """Put the lists of a stream's events together; what is no list makes the whole of it none."""
    lists = [it for it in pieces if it is not None]
    if not all(isinstance(it, list) for it in lists):
        return "not lists"
    return [token for it in lists if isinstance(it, list) for token in it]
