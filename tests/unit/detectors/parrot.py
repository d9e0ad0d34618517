"""A deterministic model that knows a few texts by heart, with a vocabulary that can spell them in several ways."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from watchdog.domain.exchanges import Message, Reason
from watchdog.errors import ScoringError
from watchdog.ports import TokenScores

END = 0
_KEPT = 8


@dataclass(frozen=True)
class Parrot:
    """Scores a token by the place in its texts whose last tokens look most like those before it; satisfies Scorer."""

    texts: tuple[tuple[str | bytes, ...], ...]
    """Each as the tokens in which the model writes it."""
    more: tuple[str, ...] = ()
    """Tokens that are in no text."""
    rivals: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """For a token, another one that is nearly as likely wherever it is, and how many nats lie between them."""
    context: int = 10_000
    calls: list[int] = field(default_factory=list)
    """How many replies each scoring call had."""

    digest = "parrot"

    @cached_property
    def vocabulary(self) -> Sequence[bytes]:
        rivals = tuple(rival for rival, _ in self.rivals.values())
        tokens = [_bytes(token) for token in itertools.chain(*self.texts, self.more, rivals)]
        return [b"", *(bytes([byte]) for byte in range(256)), *dict.fromkeys(t for t in tokens if len(t) > 1)]

    @cached_property
    def known(self) -> list[tuple[int, ...]]:
        """The texts in token ids, each with the end of the turn."""
        return [(*self.ids(*text), END) for text in self.texts]

    def encode(self, text: str) -> tuple[int, ...]:
        """Take the longest token that fits, again and again."""
        rest, ids = text.encode(), []
        by_length = sorted(enumerate(self.vocabulary), key=lambda item: -len(item[1]))
        while rest:
            token, spelled = next((n, s) for n, s in by_length if s and rest.startswith(s))
            ids.append(token)
            rest = rest[len(spelled) :]
        return tuple(ids)

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        assert messages
        self.calls.append(len(replies))
        if any(len(reply) > self.context for reply in replies):
            raise ScoringError("too long", hint="shorten it", reason=Reason.UNSCORABLE)
        return [self._score(reply) for reply in replies]

    def ids(self, *tokens: str | bytes) -> tuple[int, ...]:
        return tuple(self.vocabulary.index(_bytes(token)) for token in tokens)

    def _score(self, reply: tuple[int, ...]) -> TokenScores:
        rows = np.array([self._row(reply[:n]) for n in range(len(reply) + 1)])
        top = np.argsort(-rows, axis=1, kind="stable")[:, :_KEPT]
        return TokenScores(
            logprob=rows[np.arange(len(reply)), list(reply)],
            top_ids=top,
            top_logprob=np.take_along_axis(rows, top, axis=1),
            end_logprob=rows[:, END],
        )

    def _row(self, before: tuple[int, ...]) -> NDArray[np.float64]:
        places = [(_alike(text[:n], before), text[n]) for text in self.known for n in range(len(text))]
        alike, token = max(places, key=lambda place: place[0])
        row = np.full(len(self.vocabulary), -12.0)
        row[token if alike else self.known[0][0]] = 0.0
        for likely, (rival, gap) in self.rivals.items():
            if row[self.ids(likely)[0]] == 0.0:
                row[self.ids(rival)[0]] = -gap
        total: float = np.logaddexp.reduce(row)
        return row - total


def _bytes(token: str | bytes) -> bytes:
    return token.encode() if isinstance(token, str) else token


def _alike(text: tuple[int, ...], before: tuple[int, ...]) -> int:
    """Count the last tokens that are the same; the very beginning counts as one that is the same."""
    same = 0
    while same < min(len(text), len(before)) and text[-1 - same] == before[-1 - same]:
        same += 1
    return same + (same == len(text) == len(before))
