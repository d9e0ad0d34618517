"""Hold the tool calls of a delivered reply against the direct model's own.

Calls are compared by what they say. Two engines of one model may call a tool in two ways where both were nearly as
likely, so a difference counts only where the direct model could not have called so: the delivered calls, written out as
the model writes them, have a gap above tau. White space is not delivered, so the usual ways to write a call are tried,
and the smallest gap decides. The same is done with the direct model's own calls first: where not even they pass, the
model writes calls in another way, and nothing can be said.
"""

from dataclasses import dataclass, replace

from detectors.divergence.gap import GapTest
from watchdog.domain.calls import CallComparison, differences
from watchdog.domain.exchanges import Exchange, FinishReason, Reason
from watchdog.domain.spoken_calls import spellings
from watchdog.errors import ScoringError
from watchdog.ports import OffersTools, Scorer

_PASSES = 4
"""Scoring calls for one way of writing: an honest one needs one, rarely two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTest:
    """Compares calls, and scores those that differ where it can. Satisfies ports.CallCheck."""

    scorer: Scorer | None = None
    """The model behind our own channel; without one that can be offered tools, every difference counts."""

    @property
    def digest(self) -> str:
        """Names the model that scores calls; empty when none does."""
        if isinstance(self.scorer, OffersTools):
            return self.scorer.digest
        return ""

    def examine(self, delivered: Exchange, ours: Exchange, *, tau: float) -> CallComparison:
        """Return where the calls differ, and the gap of the delivered ones where they do."""
        calls = CallComparison(delivered=delivered.tool_calls, direct=ours.tool_calls, against=ours.channel)
        reason = _unusable(delivered, ours)
        if reason is not None:
            return replace(calls, reason=reason)
        found = differences(delivered.tool_calls, ours.tool_calls)
        if not found or not isinstance(self.scorer, OffersTools):
            return replace(calls, differences=found)
        test = GapTest(scorer=self.scorer.offering(ours.request.tools), passes=_PASSES, steps=0)
        try:
            if _gap(test, ours, tau) > tau:
                return replace(calls, reason=Reason.UNSCORABLE)
            return replace(calls, differences=found, gap=_gap(test, delivered, tau), tau=tau)
        except ScoringError as exc:
            return replace(calls, reason=exc.reason)


def _unusable(delivered: Exchange, ours: Exchange) -> Reason | None:
    """Return why two replies cannot be held against each other."""
    if delivered.incomparable is not None:
        return delivered.incomparable
    if ours.incomparable is not None:
        return Reason.DIRECT_SILENT
    # Of a call that was cut off, nobody can say what it would have been.
    if delivered.finish is FinishReason.LENGTH:
        return Reason.TRUNCATED
    if ours.finish is FinishReason.LENGTH:
        return Reason.DIRECT_SILENT
    return Reason.NO_CALL if not delivered.tool_calls and not ours.tool_calls else None


def _gap(test: GapTest, said: Exchange, tau: float) -> float:
    """Return the smallest gap over the ways in which a reply may have been written.

    Raises ScoringError when none of them could be scored.
    """
    smallest: float | None = None
    problem: ScoringError | None = None
    for text in spellings(said.reply, said.tool_calls):
        try:
            written = replace(said, reply=text, tool_calls=(), finish=FinishReason.STOP)
            gap = test.compare(said.request, written, tau=tau).comparison.gap
        except ScoringError as exc:
            problem = exc
            continue
        smallest = gap if smallest is None else min(smallest, gap)
        if smallest <= tau:
            break
    if smallest is None:
        raise problem or ScoringError("there is nothing to score", hint="look at the reply", reason=Reason.EMPTY)
    return smallest
