"""Whether the log probabilities that a channel lists for its tokens are the direct model's.

The direct model scores the very tokens that the channel lists. Where the channel serves the same weights, each number
differs from the direct model's by the noise of another engine or precision; how much that is on this channel is learnt
when it is enrolled. A list is a claim and can be forged: a pass proves nothing, a failure is evidence.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from detectors.divergence.listing import parting, spoken
from watchdog.domain.comparisons import Examined
from watchdog.domain.exchanges import Exchange, Reason, Request, SaidToken, Unsaid
from watchdog.domain.logprobs import LogprobComparison, LogprobScoring, LogprobsExamined
from watchdog.errors import ScoringError
from watchdog.ports import Scorer

START_TAU = 0.5
"""Nats. Of 40 replies of a bfloat16 engine, the largest distance to the same weights in float32 was 0.38."""
MOST_TAU = 2.0
"""Nats. Numbers that are further off when all is taken to be well are of another distribution, and say nothing here."""
MARGIN = 1.5

_IMPOSSIBLE = -1000.0
"""Stands for the logarithm of 0, for which JSON has no number: of a token that the direct model does not have."""
_LOST = "\ufffd".encode()
"""What some servers list for the parts of a character in several tokens; nobody can tell which tokens these were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogprobTest:
    """Holds the list of a reply's tokens against its text and the direct model. Satisfies ports.LogprobCheck."""

    scorer: Scorer
    as_delivered: Callable[[str], str] = str
    """Does to a text what the delivered channel is allowed to do."""
    _ids: dict[bytes, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def threshold(self, distances: Sequence[float]) -> float | None:
        """Return half as much again as the largest distance seen, but no less than 0.5 nats.

        None when there is nothing to go by, or one was so large that the numbers are of another distribution.
        """
        if not distances:
            return None
        tau = max(START_TAU, MARGIN * max(distances))
        return tau if tau <= MOST_TAU else None

    def examine(
        self, request: Request, delivered: Exchange, examined: Examined | None, *, tau: float | None
    ) -> LogprobsExamined:
        """Return both checks of a reply; `examined` is its comparison, where one was made."""
        said = delivered.tokens_said
        if isinstance(said, Unsaid):
            return LogprobsExamined(comparison=LogprobComparison(unsaid=said, reason=None))
        if delivered.cached or delivered.hidden_reasoning:
            # The list may be of other words than those that were delivered.
            why = LogprobComparison(unsaid=None, reason=delivered.incomparable, tokens=len(said))
            return LogprobsExamined(comparison=why)
        tokens = spoken(delivered, said)
        direct = self._direct(request, tokens, examined)
        scoring = LogprobScoring(said=tokens, direct=() if isinstance(direct, Reason) else direct)
        place = parting(delivered, tokens, self.as_delivered)
        comparison = LogprobComparison(
            unsaid=None,
            reason=direct if isinstance(direct, Reason) else None,
            tokens=len(tokens),
            spelled=place is None,
            parting=place,
            largest=scoring.largest,
            mean=scoring.mean,
            distance=scoring.distance,
            tau=tau,
        )
        return LogprobsExamined(comparison=comparison, scoring=scoring)

    def _direct(
        self, request: Request, tokens: Sequence[SaidToken], examined: Examined | None
    ) -> tuple[float, ...] | Reason:
        """Return the direct model's log probability of each token, or why there is none."""
        known = self._known()
        ids = tuple(known[it.text] for it in takewhile(lambda it: it.text in known, tokens))
        stranger = tokens[len(ids)] if len(ids) < len(tokens) else None
        if not tokens or (stranger is not None and _LOST in stranger.text):
            return Reason.UNSCORABLE
        direct = self._scores(request, ids, examined)
        # What is listed after a token that the model does not have cannot be scored, and need not be.
        return direct if isinstance(direct, Reason) or stranger is None else (*direct, _IMPOSSIBLE)

    def _scores(self, request: Request, ids: tuple[int, ...], examined: Examined | None) -> tuple[float, ...] | Reason:
        """Return the direct model's log probability of each id, or why there is none."""
        if not ids:
            return ()
        scored = None if examined is None or examined.scoring is None else examined.scoring.tokens
        if scored is not None and scored.ids == ids and scored.windowed_from is None:
            return scored.logprob
        try:
            [scores] = self.scorer.score(request.messages, [ids])
        except ScoringError as exc:
            return exc.reason
        if scores.windowed_from is not None:
            return Reason.TOO_LONG
        found = tuple(map(float, scores.logprob))
        return found if all(map(math.isfinite, found)) else Reason.UNSCORABLE

    def _known(self) -> dict[bytes, int]:
        if not self._ids:
            # Where two tokens have the same bytes, the later one is the word, and the earlier one a stand-in for bytes.
            self._ids.update({text: token for token, text in enumerate(self.scorer.vocabulary) if text})
        return self._ids
