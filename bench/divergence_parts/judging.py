"""The product's own comparison, and what else one look at a reply gives: the features of the baselines."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from detectors.divergence.gap import GapTest
from divergence_parts.corpus import Said
from divergence_parts.edits import Altered
from watchdog.domain.comparisons import Comparison
from watchdog.domain.exchanges import Message
from watchdog.errors import ScoringError
from watchdog.ports import Scorer, TokenScores

TAU = 0.5
_WORD = re.compile(r"\S+")


@dataclass(slots=True)
class Recording:
    """A scorer that keeps the first scores since it was last cleared. Satisfies ports.Scorer."""

    scorer: Scorer
    first: tuple[tuple[int, ...], TokenScores] | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self.scorer, name)

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        """Score as the scorer does; the first reply of the first call is the canonical cut."""
        scores = self.scorer.score(messages, replies)
        if self.first is None and replies:
            self.first = tuple(replies[0]), scores[0]
        return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One reply, what the gap test said of it, and the features that other tests use."""

    altered: Altered
    comparison: Comparison
    tokens: tuple[int, ...]
    logprob: float
    """Mean log probability of the canonical tokens."""
    log_rank: float
    """Mean logarithm of their ranks; ranks beyond the sixteen that a scorer lists count as seventeen."""
    cpu_s: float

    @property
    def flagged(self) -> bool:
        """Whether the gap test flagged it."""
        return self.comparison.flagged


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The judged replies of one kind, and how many could not be scored."""

    judged: tuple[Judged, ...]
    unscorable: int

    @property
    def flagged(self) -> int:
        """How many were flagged."""
        return sum(it.flagged for it in self.judged)

    @property
    def gaps(self) -> list[float]:
        """Their largest gaps."""
        return [it.comparison.gap for it in self.judged]


@dataclass(frozen=True, slots=True)
class Judge:
    """Holds replies against the direct model, as the daemon does."""

    scorer: Recording
    test: GapTest = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "test", GapTest(scorer=self.scorer))

    def untouched(self, replies: Iterable[Said], *, spans: bool = False) -> Verdicts:
        """Judge replies as their engine gave them."""
        altered = (Altered(said=it, text=it.reply.text, stopped=it.reply.stopped) for it in replies)
        return self.all(altered, spans=spans)

    def all(self, replies: Iterable[Altered], *, spans: bool = False) -> Verdicts:
        """Judge replies; without `spans` the edited words are not looked for, which takes most of the time."""
        test = self.test if spans else replace(self.test, steps=0)
        found = [self._judge(test, it) for it in replies]
        judged = tuple(it for it in found if it is not None)
        return Verdicts(judged=judged, unscorable=len(found) - len(judged))

    def _judge(self, test: GapTest, it: Altered) -> Judged | None:
        self.scorer.first = None
        begun = time.process_time()
        try:
            delivered = it.said.delivered(it.text, stopped=it.stopped)
            comparison = test.compare(it.said.request, delivered, tau=TAU).comparison
        except ScoringError:
            return None
        cpu_s = time.process_time() - begun
        tokens, scores = self.scorer.first or ((), None)
        if scores is None or not tokens:
            return None
        ranks = 1 + (scores.top_logprob[: len(tokens)] > scores.logprob[:, None]).sum(axis=1)
        return Judged(
            altered=it,
            comparison=comparison,
            tokens=tokens,
            logprob=float(scores.logprob.mean()),
            log_rank=float(np.log(ranks).mean()),
            cpu_s=cpu_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Words, counted as the demo counts them."""

    edited: int
    found: int
    """Edited words that a marked span touches."""
    marked: int
    """Words in marked spans."""
    right: int
    """Of these, words that were edited."""


def marks(judged: Iterable[Judged]) -> Marks:
    """Hold the marked spans against the words that were edited."""
    edited = found = marked = right = 0
    for it in judged:
        places = it.altered.places
        spans = [(span.start, span.end) for span in it.comparison.spans]
        edited += len(places)
        found += sum(any(_meet(place, span) for span in spans) for place in places)
        for word in _words_in(it.altered.text, spans):
            marked += 1
            right += any(_meet(word, place) for place in places)
    return Marks(edited=edited, found=found, marked=marked, right=right)


def _words_in(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    return (it.span() for it in _WORD.finditer(text) if any(_meet(it.span(), span) for span in spans))


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
