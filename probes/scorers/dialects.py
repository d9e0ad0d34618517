"""What serving engines say about the tokens of a prompt, in two dialects, and what shows that it cannot be true.

`vllm` asks for `prompt_logprobs`, which name tokens by their ids. `echo` asks for the prompt to be repeated with
`logprobs`, as OpenAI's completions did first; it names tokens by their text, or by `token_id:` and their id. Both are
sent token ids. Everything here is pure, and what an engine wrote is taken to be hostile.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import JsonValue, ValidationError

from probes.channels.codec import Part

Dialect = Literal["vllm", "echo"]

_ROUNDING = 1e-3
"""Nats by which an engine's own numbers may contradict each other."""
_MOST_MASS = 1.01
_ID = re.compile(r"(?:token_id:)?([0-9]{1,9})")
_NAMED_ID = "token_id:"
_Choice = TypeVar("_Choice")


class LieError(ValueError):
    """An engine's answer contradicts itself, or what was sent; says how, as the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Row:
    """What an engine said about one token of a prompt."""

    token: int
    logprob: float
    """Of the token that is there."""
    top: tuple[tuple[int, float], ...]
    """The likeliest tokens and their log probabilities, likeliest first; it may hold the token that is there, too."""
    unlisted: float
    """The most that a token can have which is not in `top`."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How an engine cut a text into tokens, and how likely it found them."""

    model: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """An engine's answer about a whole prompt."""

    model: str
    rows: tuple[Row, ...]
    """Of every token but the first."""


class _VllmToken(Part):
    logprob: float


class _VllmChoice(Part):
    prompt_logprobs: tuple[dict[str, _VllmToken] | None, ...]


class _Vllm(Part):
    model: str = ""
    choices: tuple[_VllmChoice, ...]


class _Echoed(Part):
    tokens: tuple[str, ...]
    token_logprobs: tuple[float | None, ...]
    top_logprobs: tuple[dict[str, float] | None, ...]


class _EchoChoice(Part):
    logprobs: _Echoed


class _Echo(Part):
    model: str = ""
    choices: tuple[_EchoChoice, ...]


def write(dialect: Dialect, prompt: Sequence[int] | str, top: int) -> dict[str, JsonValue]:
    """Return the body of a request for the scores of a prompt, without the name of the model."""
    # Most engines cannot generate nothing. One token is generated, and not looked at.
    body: dict[str, JsonValue] = {"prompt": prompt if isinstance(prompt, str) else list(prompt)}
    body |= {"max_tokens": 1, "temperature": 0}
    return body | ({"prompt_logprobs": top} if dialect == "vllm" else {"echo": True, "logprobs": top})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Which token a text stands for."""

    ids: Mapping[str, int]
    """Of the texts that stand for one token only."""
    texts: Callable[[int], str | None]
    """Returns how a token is written; None for one that is only a part of a character, or adds no text."""
    unknown: int
    """The id that stands for every token whose text does not say which it is."""

    def id_of(self, text: str) -> int:
        """Return the id that a text stands for."""
        if text.startswith(_NAMED_ID) and (found := _ID.fullmatch(text)):
            return min(int(found[1]), self.unknown)
        return self.ids.get(text, self.unknown)

    def may_be(self, text: str, token: int) -> bool:
        """Say whether a text can be how an engine writes a token."""
        if text.startswith(_NAMED_ID):
            return text == f"{_NAMED_ID}{token}"
        expected = self.texts(token)
        return expected is None or text == expected


def read(dialect: Dialect, body: bytes, prompt: Sequence[int], names: Names, top: int) -> Answered:
    """Return the scores of every token of a prompt but the first, of which `top` were to be listed.

    Raises LieError when the answer is not one, or cannot be true.
    """
    answered = _read_vllm(body, prompt, names) if dialect == "vllm" else _read_echo(body, prompt, names)
    widths = [len(row.top) for row in answered.rows]
    # Tokens that an engine names by the same text are one entry, so that only ids can be counted.
    if (dialect == "vllm" and min(widths) < min(top, names.unknown)) or max(widths) < 2:
        raise LieError("listed fewer likely tokens than were asked for")
    return answered


def read_cut(body: bytes) -> Cut:
    """Return how an engine cut a text that it was asked to echo.

    Raises LieError when the answer is none.
    """
    answer = _echo(body)
    echoed = _one(answer.choices).logprobs
    logprobs = tuple(it for it in echoed.token_logprobs if it is not None and math.isfinite(it))
    if len(logprobs) < len(echoed.tokens) - 1 or not logprobs:
        raise LieError("left a token without a score")
    return Cut(answer.model, echoed.tokens, logprobs)


def by_id(tokens: Sequence[str]) -> bool:
    """Say whether an engine names tokens by their ids."""
    return all(_ID.fullmatch(it) and it.startswith(_NAMED_ID) for it in tokens)


def _echo(body: bytes) -> _Echo:
    try:
        return _Echo.model_validate_json(body)
    except ValidationError as exc:
        raise LieError("answered with something that is no completion with logprobs of its prompt") from exc


def _read_vllm(body: bytes, prompt: Sequence[int], names: Names) -> Answered:
    try:
        answer = _Vllm.model_validate_json(body)
    except ValidationError as exc:
        raise LieError("answered with something that is no completion with prompt_logprobs") from exc
    listed = _one(answer.choices).prompt_logprobs
    if len(listed) != len(prompt):
        raise LieError(f"scored {len(listed)} tokens of the {len(prompt)} that were sent")
    rows = []
    for token, found in zip(prompt[1:], listed[1:], strict=True):
        if found is None:
            raise LieError("left a token without a score")
        scored = {min(_number(name), names.unknown): it.logprob for name, it in found.items()}
        if token not in scored:
            raise LieError("scored another token than the one that was sent")
        rows.append(_row(token, scored[token], scored))
    return Answered(answer.model, tuple(rows))


def _read_echo(body: bytes, prompt: Sequence[int], names: Names) -> Answered:
    answer = _echo(body)
    echoed = _one(answer.choices).logprobs
    columns = (echoed.tokens, echoed.token_logprobs, echoed.top_logprobs)
    # The token that had to be generated may come after those of the prompt.
    if len({len(it) for it in columns}) != 1 or not len(prompt) <= len(echoed.tokens) <= len(prompt) + 1:
        raise LieError(f"scored {len(echoed.token_logprobs)} tokens of the {len(prompt)} that were sent")
    if not all(names.may_be(text, token) for text, token in zip(echoed.tokens, prompt, strict=False)):
        raise LieError("scored another token than the one that was sent")
    rows = []
    for token, text, logprob, top in list(zip(prompt, *columns, strict=False))[1:]:
        if logprob is None or top is None:
            raise LieError("left a token without a score")
        if names.id_of(text) != names.unknown and abs(top.get(text, logprob) - logprob) > _ROUNDING:
            raise LieError("gave one token two scores")
        named = {names.id_of(other): score for other, score in top.items() if other != text}
        rows.append(_row(token, logprob, named | {token: logprob}))
    return Answered(answer.model, tuple(rows))


def _row(token: int, logprob: float, scored: Mapping[int, float]) -> Row:
    """Return the row of a token, if its scores can be those of a model."""
    if not all(math.isfinite(it) for it in scored.values()):
        raise LieError("gave a token a score that is not a finite number")
    if max(scored.values()) > _ROUNDING:
        raise LieError("gave a token a probability above 1")
    if sum(math.exp(it) for it in scored.values()) > _MOST_MASS:
        raise LieError("gave tokens probabilities that come to more than 1")
    top = tuple(sorted(scored.items(), key=lambda it: -it[1]))
    # The token that is there is listed although it may be unlikely; it says nothing about those that are not listed.
    others = [it for other, it in top if other != token]
    return Row(token, logprob, top, min(others, default=logprob))


def _one(choices: Sequence[_Choice]) -> _Choice:
    if len(choices) != 1:
        raise LieError(f"answered with {len(choices)} choices where one was asked for")
    return choices[0]


def _number(name: str) -> int:
    found = _ID.fullmatch(name)
    if found is None:
        raise LieError("named a token by something that is not a number")
    return int(found[1])
