"""What goes between a scoring server and its clients. Numbers travel as bytes, so that they arrive as they were."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from watchdog.domain.exchanges import Message, Reason, Request, Speaker
from watchdog.ports import TokenScores

PROTOCOL = 1
"""Raised whenever an older client would misread an answer."""
MOST_TOKENS = 8192
"""Of all replies in one request, so that their scores stay below the five megabytes that a client reads."""
MOST_LISTED = 24
"""Likeliest tokens at each place, for the same end."""

_FLOATS, _IDS, _LENGTHS = np.dtype("<f8"), np.dtype("<i8"), np.dtype("<u4")
Token = Annotated[int, Field(ge=0, lt=2**31)]


class Wire(BaseModel):
    """A body: its types are held to strictly, and what a later version may say beside them is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class Turn(Wire):
    """A message."""

    speaker: Literal["system", "user", "assistant"]
    text: str

    def message(self) -> Message:
        """Return it in the watchdog's words."""
        return Message(speaker=Speaker(self.speaker), text=self.text)


class ToGenerate(Wire):
    """Asks for a reply."""

    messages: list[Turn] = Field(min_length=1, max_length=1000)
    max_tokens: int = Field(ge=1, le=MOST_TOKENS)
    temperature: float = Field(ge=0, le=2)

    def request(self) -> Request:
        """Return it in the watchdog's words."""
        messages = tuple(it.message() for it in self.messages)
        return Request(messages=messages, max_tokens=self.max_tokens, temperature=self.temperature)


class ToEncode(Wire):
    """Asks for the canonical tokens of a text."""

    text: str


class ToScore(Wire):
    """Asks for the scores of replies to the same messages."""

    messages: list[Turn] = Field(min_length=1, max_length=1000)
    replies: list[list[Token]] = Field(max_length=1000)


class Model(Wire):
    """What a server holds."""

    protocol: int
    name: str
    digest: str
    vocabulary: str
    """Digest of the vocabulary."""
    top: int = Field(ge=1, le=MOST_LISTED)
    """Likeliest tokens listed at each place."""


class Vocabulary(Wire):
    """The bytes of every token id, one after the other, and how many each has."""

    lengths: str
    spelled: str

    @staticmethod
    def of(tokens: Sequence[bytes]) -> "Vocabulary":
        """Pack a vocabulary."""
        return Vocabulary(lengths=_packed([len(it) for it in tokens], _LENGTHS), spelled=_text(b"".join(tokens)))

    def tokens(self) -> tuple[bytes, ...]:
        """Unpack it; raises ValueError when it is none."""
        spelled = b64decode(self.spelled, validate=True)
        stops = np.cumsum(_unpacked(self.lengths, _LENGTHS), dtype=np.int64).tolist()
        if (stops[-1] if stops else 0) != len(spelled):
            raise ValueError("the lengths of a vocabulary do not come to its bytes")
        return tuple(spelled[start:stop] for start, stop in zip([0, *stops], stops, strict=False))


class Ids(Wire):
    """Canonical tokens."""

    digest: str
    ids: list[Token]


class Scored(Wire):
    """The scores of one reply."""

    logprob: str
    top_ids: str
    top_logprob: str
    end_logprob: str
    windowed_from: int | None

    @staticmethod
    def of(scores: TokenScores) -> "Scored":
        """Pack scores."""
        return Scored(
            logprob=_packed(scores.logprob, _FLOATS),
            top_ids=_packed(scores.top_ids, _IDS),
            top_logprob=_packed(scores.top_logprob, _FLOATS),
            end_logprob=_packed(scores.end_logprob, _FLOATS),
            windowed_from=scores.windowed_from,
        )

    def scores(self, tokens: int, vocabulary: int) -> TokenScores:
        """Unpack them; raises ValueError when they are not the scores of that many tokens."""
        rows = tokens + 1
        scores = TokenScores(
            logprob=_unpacked(self.logprob, _FLOATS).reshape(tokens),
            top_ids=_unpacked(self.top_ids, _IDS).reshape(rows, -1),
            top_logprob=_unpacked(self.top_logprob, _FLOATS).reshape(rows, -1),
            end_logprob=_unpacked(self.end_logprob, _FLOATS).reshape(rows),
            windowed_from=self.windowed_from,
        )
        numbers = (scores.logprob, scores.top_logprob, scores.end_logprob)
        if scores.top_ids.shape != scores.top_logprob.shape or not all(np.isfinite(it).all() for it in numbers):
            raise ValueError("scores have to be finite numbers, with a token to each")
        if not (scores.top_ids.size and scores.top_ids.min() >= 0 and scores.top_ids.max() < vocabulary):
            raise ValueError("scores name a token that there is not")
        return scores


class AllScored(Wire):
    """The scores of every reply that was sent."""

    digest: str
    scores: list[Scored]


class Fault(Wire):
    """Why there are no scores."""

    reason: Reason = Field(strict=False)
    problem: str
    hint: str


def digest_of(vocabulary: Vocabulary) -> str:
    """Return what names a vocabulary."""
    return hashlib.sha256(f"{vocabulary.lengths}\0{vocabulary.spelled}".encode()).hexdigest()


def _packed(numbers: Sequence[int] | NDArray[Any], dtype: np.dtype[Any]) -> str:
    return _text(np.asarray(numbers).astype(dtype).tobytes())


def _unpacked(text: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    # In this machine's own order of bytes, and writable as any other array.
    return np.frombuffer(b64decode(text, validate=True), dtype=dtype).astype(dtype.newbyteorder("="))


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
