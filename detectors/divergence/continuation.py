"""Let the direct model go on from a place in a reply, through nothing but its scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.divergence.tokenisations import Reader
from detectors.divergence.words import words
from watchdog.ports import TokenScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What the model says from a place on."""

    pieces: tuple[str, ...]
    """Its next words, each with the white space before it; only whole ones."""
    ended: bool
    """Whether it ends its turn after them."""


def continuations(
    reader: Reader, places: Sequence[tuple[tuple[int, ...], int]], *, count: int, tokens: int
) -> list[Continuation]:
    """Return the model's next words, `count` at most, for each place.

    A place is a beginning of the reply in tokens and the row at which its next words begin; tokens from that row on
    are taken as said already.
    """
    vocabulary = reader.scorer.vocabulary
    said = [list(ids[row:]) for ids, row in places]
    done: list[Continuation | None] = [
        None if not ids or vocabulary[ids[-1]] else Continuation(pieces=(), ended=True) for ids, _ in places
    ]
    for _ in range(tokens):
        live = [n for n, result in enumerate(done) if result is None]
        if not live:
            break
        scores = reader.scorer.score(reader.messages, [(*places[n][0][: places[n][1]], *said[n]) for n in live])
        for n, scored in zip(live, scores, strict=True):
            token = _first_choice(reader, scored)
            text = _text(reader, said[n])
            if token is None:
                done[n] = Continuation(pieces=_pieces(text)[:count], ended=len(_pieces(text)) <= count)
                continue
            said[n].append(token)
            pieces = _pieces(_text(reader, said[n]))
            # An apostrophe or a hyphen may still become part of the word before it.
            if len(pieces) > count and pieces[count][:1] not in _JOINTS:
                done[n] = Continuation(pieces=pieces[:count], ended=False)
    return [
        result or Continuation(pieces=_pieces(_text(reader, said[n]))[:-1][:count], ended=False)
        for n, result in enumerate(done)
    ]


_JOINTS = ("'", "\u2019", "-")


def _first_choice(reader: Reader, scored: TokenScores) -> int | None:
    """Return the likeliest token after the reply; None when that is the end of the turn."""
    token = int(scored.top_ids[-1, 0])
    ends = scored.end_logprob[-1] >= scored.top_logprob[-1, 0] or not reader.scorer.vocabulary[token]
    return None if ends else token


def _text(reader: Reader, ids: Sequence[int]) -> str:
    return b"".join(reader.scorer.vocabulary[token] for token in ids).decode(errors="ignore")


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(word.piece for word in words(text))
