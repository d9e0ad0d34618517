"""The gap test asks whether the direct model, decoding greedily, could have written the delivered reply.

At temperature 0 a model writes at every position the token it finds likeliest, or, on another engine or in another
precision, one next to it. How far the delivered token lies below the first choice, in nats, is its gap. The gap of a
reply is the largest gap of its tokens, and of the end of the turn where the channel says that the model stopped by
itself, at the best cut into tokens that was found. A reply whose gap is above tau was not written by this model
alone; bytes alone prove nothing, because half of the honest replies differ in them across precisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.divergence.repair import repair
from detectors.divergence.scorings import scoring
from detectors.divergence.tails import CONFIDENCE, LEVEL, quantile_bound
from detectors.divergence.tokenisations import Draft, Reader, Reading
from watchdog.domain.banks import Limit, Threshold
from watchdog.domain.comparisons import Comparison, Examined
from watchdog.domain.exchanges import Exchange, FinishReason, Reason, Request
from watchdog.errors import ScoringError
from watchdog.ports import Scorer

START_TAU = 0.5
"""Nats. The largest gap of the honest replies of other engines and precisions that were measured was below it."""
MOST_TAU = 1.0
"""Nats. At 2, a quarter of the edits to words that the model finds likely would pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapTest:
    """Holds a reply delivered at temperature 0 against the direct model. Satisfies ports.Comparator."""

    scorer: Scorer
    passes: int = 12
    """Scoring calls that the search for the best cut may take. Honest replies need one, rarely two or three."""
    width: int = 4
    """Cuts scored in one call."""
    steps: int = 12
    """Repairs that may be tried on a flagged reply before the rest of it counts as unresolved."""

    @property
    def digest(self) -> str:
        """Names the model that the comparisons are made against."""
        return self.scorer.digest

    def threshold(self, gaps: Sequence[float]) -> Threshold:
        """Return the upper confidence bound of the quantile that one honest gap in 100 exceeds, within two limits.

        Below the floor lies the noise of other engines and precisions; above the ceiling lie edits of words that the
        model finds likely, so a channel that needs more than that is not noisy, it is different.
        """
        bound = quantile_bound(gaps)
        limit = Limit.FLOOR if bound <= START_TAU else Limit.CEILING if bound >= MOST_TAU else Limit.BOUND
        return Threshold(
            tau=min(max(START_TAU, bound), MOST_TAU), bound=bound, limit=limit, level=LEVEL, confidence=CONFIDENCE
        )

    def compare(self, request: Request, delivered: Exchange, *, tau: float) -> Examined:
        """Return the comparison; its gap is an upper bound of the smallest over all cuts into tokens.

        Raises ScoringError when the reply could not be scored, or is empty.
        """
        reply = _scorable(delivered)
        reader = Reader(scorer=self.scorer, messages=request.messages, tau=tau, passes=self.passes, width=self.width)
        draft = Draft(text=reply.encode(), ended=delivered.finish is FinishReason.STOP)
        [readings] = reader.read([draft])
        if not readings:
            raise _unreadable(draft.text, self.scorer.vocabulary)
        best = min(readings, key=lambda reading: reading.gap)
        windowed = _is_windowed(best)
        found = repair(reader, reply, draft, readings, steps=self.steps)
        return Examined(
            comparison=Comparison(gap=best.gap, tau=tau, tokens=len(best.ids), spans=found.spans, windowed=windowed),
            scoring=scoring(self.scorer, draft.text, best, found.readings),
        )


def _is_windowed(best: Reading) -> bool:
    """Say whether the end of a reply was scored without the beginning of its conversation.

    Raises ScoringError (too long) when it has gaps there and nowhere else, because an honest one has some too: of 203
    such tokens of one reply, with windows of 256, three lay above 0.5 nats.
    """
    windowed_from = best.scores.windowed_from
    if windowed_from is None:
        return False
    if best.excess is not None and best.excess >= windowed_from:
        raise ScoringError(
            "the reply is longer than the direct model's context, and looks edited only beyond it",
            hint="ask for shorter replies, or load the direct model with as much context as the deployed one has",
            reason=Reason.TOO_LONG,
        )
    return True


def _unreadable(text: bytes, vocabulary: Sequence[bytes]) -> ScoringError:
    """Return why a text has no tokens.

    A byte that is in no token at all cannot come out of the model, whatever its tokenizer does to a text that it reads.
    U+FFFD is no such byte: servers write it in the place of half a character.
    """
    beyond = set(text.replace("\ufffd".encode(), b"")).difference(*vocabulary)
    return ScoringError(
        "the reply holds a byte that no token of the model has"
        if beyond
        else "the reply has no tokens that give its text back",
        hint="check that the direct channel and the delivered channel serve the same model",
        reason=Reason.UNSPELLABLE if beyond else Reason.UNSCORABLE,
    )


def _scorable(delivered: Exchange) -> str:
    reply = delivered.reply
    if delivered.finish is FinishReason.LENGTH:
        # Servers write U+FFFD for a character whose last bytes were cut off with the reply.
        reply = reply.rstrip("\ufffd")
    if not reply.strip():
        raise ScoringError(
            "the delivered reply is empty", hint="look at the delivered channel's answer", reason=Reason.EMPTY
        )
    try:
        reply.encode()
    except UnicodeEncodeError as exc:
        raise ScoringError(
            "the delivered reply is not valid Unicode",
            hint="look at the delivered channel's answer: it holds half of a surrogate pair",
            reason=Reason.UNSCORABLE,
        ) from exc
    return reply
