"""Find how a delivered text may have been cut into tokens when the model wrote it.

A channel delivers text, not tokens, and the canonical tokens of a text need not be the ones the model chose: it may
have written a blank line as one token or as two. Under the wrong cut an honest reply looks edited. But a model that
decodes greedily takes at every position a token next to its first choice, so the true cut can be followed: wherever a
cut meets a token the model would not have taken, every position up to there at which another likely token also
spells the text is a place to branch. The branches that are left when a cut fits, or when the passes are used up, are
not followed; so the smallest gap found is an upper bound of the smallest there is.

Servers trim: a text may lack the white space that the model put before and after it, and the last character where
the reply was cut inside one. A reading may therefore carry white space the text does not have at either end, and
incomplete bytes at its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.divergence.gaps import first_above, gaps, largest
from watchdog.domain.exchanges import Message, Reason
from watchdog.errors import ScoringError
from watchdog.ports import Scorer, TokenScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text that the model may have written, and whether it ended there by itself."""

    text: bytes
    ended: bool
    settled: tuple[int, ...] = ()
    """Tokens of its beginning whose cut is known; the search leaves them alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to cut a draft into tokens, and what the model thought of each."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]
    """Byte of the draft up to which it is spelled after each token."""
    gaps: NDArray[np.float64]
    """Of every token, and of the end of the turn where the draft ended by itself."""
    excess: int | None
    """The first position whose gap is above tau."""
    scores: TokenScores
    ended: bool
    """Whether the draft ended by itself, so that the end of the turn has a gap too."""

    @property
    def gap(self) -> float:
        """The largest gap; 0 when there is nothing to have one."""
        return largest(self.gaps)

    @property
    def worst(self) -> float:
        """The gap at the first excess; 0 when there is none."""
        return 0.0 if self.excess is None else float(self.gaps[self.excess])

    @property
    def reach(self) -> int:
        """The byte of the draft up to which the model would have written it."""
        if self.excess is None:
            return self.ends[-1] if self.ends else 0
        return self.start(self.excess)

    def start(self, row: int) -> int:
        """Return the byte at which the token of a row begins."""
        return self.ends[row - 1] if row else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads drafts as the model's next turn after a conversation."""

    scorer: Scorer
    messages: tuple[Message, ...]
    tau: float
    passes: int
    """Scoring calls that one search may take; the first scores the canonical cuts."""
    width: int
    """Branches that one call may follow for each draft."""

    def read(self, drafts: Sequence[Draft]) -> list[tuple[Reading, ...]]:
        """Return the readings tried for each draft; empty for a draft that cannot be encoded.

        The search for a draft ends with the first reading that has no excess, which is then the last one returned.
        """
        found: list[list[Reading]] = [[] for _ in drafts]
        waiting = [self._canonical(draft) for draft in drafts]
        for _ in range(self.passes):
            batch = [(n, cut) for n, cuts in enumerate(waiting) for cut in _take(cuts, self.width)]
            if not batch:
                break
            scores = self.scorer.score(self.messages, [cut for _, (cut, _) in batch])
            for (n, (cut, settled)), scored in zip(batch, scores, strict=True):
                reading = self._reading(drafts[n], cut, scored)
                found[n].append(reading)
                waiting[n].extend(self._branches(drafts[n], reading, settled))
            for n, readings in enumerate(found):
                if any(reading.excess is None for reading in readings):
                    readings.sort(key=lambda reading: reading.excess is None)
                    waiting[n].clear()
        return [tuple(readings) for readings in found]

    def near(self, reading: Reading, row: int) -> Iterator[int]:
        """Yield the tokens that greedy decoding might take at a row, likeliest first."""
        top = reading.scores.top_logprob[row]
        for token, logprob in zip(reading.scores.top_ids[row], top, strict=True):
            if top[0] - logprob > self.tau:
                return
            yield int(token)

    def encode(self, text: bytes) -> tuple[int, ...] | None:
        """Return the canonical tokens of bytes that may begin inside a character; None when there are none."""
        vocabulary = self.scorer.vocabulary
        head = next((n for n, byte in enumerate(text) if byte & 0xC0 != 0x80), len(text))
        try:
            ids = *(vocabulary.index(text[n : n + 1]) for n in range(head)), *self.scorer.encode(text[head:].decode())
        except ValueError:
            return None
        except ScoringError as exc:
            if exc.reason is not Reason.UNSCORABLE:
                raise  # nobody can say what its tokens are: a scorer elsewhere does not answer
            return None
        return ids if b"".join(vocabulary[token] for token in ids) == text else None

    def _canonical(self, draft: Draft) -> list[tuple[tuple[int, ...], int]]:
        spelled = 0
        for token in draft.settled:
            spelled = spell(draft.text, spelled, self.scorer.vocabulary[token]) or spelled
        rest = self.encode(draft.text[spelled:])
        return [] if rest is None else [(draft.settled + rest, len(draft.settled))]

    def _reading(self, draft: Draft, cut: tuple[int, ...], scores: TokenScores) -> Reading:
        end = float(scores.end_logprob[-1]) if draft.ended else None
        found = gaps(scores.logprob, scores.top_logprob[:, 0], end)
        if not np.isfinite(found).all():
            raise ScoringError(
                "the model's scores of a reply are not finite",
                hint="check the weights and the precision they are loaded in",
                reason=Reason.UNSCORABLE,
            )
        ends: list[int] = []
        for token in cut:
            upto = spell(draft.text, ends[-1] if ends else 0, self.scorer.vocabulary[token])
            ends.append(len(draft.text) if upto is None else upto)
        return Reading(
            ids=cut,
            ends=tuple(ends),
            gaps=found,
            excess=first_above(found, self.tau),
            scores=scores,
            ended=draft.ended,
        )

    def _branches(self, draft: Draft, reading: Reading, settled: int) -> Iterator[tuple[tuple[int, ...], int]]:
        """Yield the cuts that part from a reading at or before its excess, the latest last.

        Rows before `settled` were branched at when an earlier reading met its own excess.
        """
        if reading.excess is None:
            return
        for row in range(settled, reading.excess + 1):
            taken = reading.ids[row] if row < len(reading.ids) else None
            for token in reversed([token for token in self.near(reading, row) if token != taken]):
                end = spell(draft.text, reading.start(row), self.scorer.vocabulary[token])
                rest = None if end is None else self.encode(draft.text[end:])
                if rest is not None:
                    yield (*reading.ids[:row], token, *rest), row + 1


def _take(cuts: list[tuple[tuple[int, ...], int]], count: int) -> list[tuple[tuple[int, ...], int]]:
    return [cuts.pop() for _ in range(min(count, len(cuts)))]


def spell(text: bytes, at: int, token: bytes) -> int | None:
    """Return the byte up to which the text is spelled after one more token; None when the token does not fit."""
    if at == 0 and not text[:1].isspace():
        token = token.lstrip() or token
        if token.isspace():
            return 0
    rest = text[at:]
    if token and rest.startswith(token):
        return at + len(token)
    if token.startswith(rest) and token and not token[len(rest) :].decode(errors="ignore").strip():
        return len(text)
    return None
