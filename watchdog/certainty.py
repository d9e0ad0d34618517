"""Why what was found is not noise, and how far marked words can be trusted, in sentences for people. Pure."""

import math
from collections.abc import Sequence

from watchdog import rules
from watchdog.call_findings import TOOL_CALL, UNASKED
from watchdog.domain.calls import CallComparison
from watchdog.domain.comparisons import Comparison
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import odds
from watchdog.listing_findings import LOGPROBS, TOKEN_STREAM

MARKED = (
    "Which words were edited is a best explanation, not a proof: in a measurement on SmolLM2-135M-Instruct 309 of 321 "
    "marked words had been edited, and 309 of 311 edited ones were marked (docs/benchmarks.md)."
)
"""How far marked words can be trusted: measured, and promised for nothing else."""

_COUNTED = {
    rules.UNSPELLABLE: "whatever the model expects, each byte of what it writes is a byte of one of its tokens",
    UNASKED: "no model is asked: a reply can only be a call where a tool was offered, and none was",
    TOKEN_STREAM: "no model is asked: a server makes the text out of these tokens, so both have to be the same bytes",
}


def why_not_noise(rule: str, evidence: Sequence[Compared | Judged]) -> str | None:
    """Return in a sentence what sets the evidence of a rule apart from benign variation; None where nothing does."""
    if rules.is_correction(rule):
        return "in the same rounds the control arm, which has no correction in it, showed that the model can do it"
    compared = [it for it in evidence if isinstance(it, Compared)]
    pairs = {
        rules.REFERENCE: ((ChannelRole.DIRECT, ChannelRole.REFERENCE),),
        rules.CONTROL: tuple((role, role) for role in ChannelRole),
    }
    if rule in {rules.EDITED, rules.STANDING}:
        return _gaps([it.comparison for it in compared])
    if rule in pairs:
        return _gaps([_side(it, *pair) for it in compared for pair in pairs[rule]])
    if rule == TOOL_CALL:
        return _calls([it.calls for it in compared])
    return _distances(compared) if rule == LOGPROBS else _COUNTED.get(rule)


def _gaps(found: Sequence[Comparison | None]) -> str | None:
    flagged = [it for it in found if it is not None and it.flagged]
    if not flagged:
        return None
    worst = max(flagged, key=lambda it: it.gap)
    return (
        f"what was said lies up to {worst.gap:.1f} nats below the model's first choice, so it is "
        f"{odds(_times(worst.gap))} times less likely, at the best cut into tokens that was found; other engines and "
        f"precisions are allowed {worst.tau:.2f} nats, a factor of {_times(worst.tau):.1f}"
    )


def _calls(found: Sequence[CallComparison | None]) -> str | None:
    flagged = [it for it in found if it is not None and it.flagged]
    gaps = [(it.gap, it.tau) for it in flagged if it.gap is not None and it.tau is not None]
    if not flagged:
        return None
    if not gaps:
        return (
            "names and values were compared, not how they are written; whether another engine would call so was not "
            "scored, so how often calls differed when all was well is what they are held against"
        )
    gap, tau = max(gaps)
    return (
        f"at the best of the usual ways to write them, the calls lie up to {gap:.1f} nats below the model's first "
        f"choice, so they are {odds(_times(gap))} times less likely; other engines and precisions are allowed "
        f"{tau:.2f} nats"
    )


def _distances(compared: Sequence[Compared]) -> str | None:
    found = [(it.logprobs.distance, it.logprobs.tau) for it in compared if it.logprobs is not None]
    known = [(distance, tau) for distance, tau in found if distance is not None and tau is not None]
    if not known:
        return None
    distance, tau = max(known)
    return (
        f"the channel's numbers lie up to {distance:.2f} nats from the direct model's; when enrolled, other engines "
        f"and precisions were allowed {tau:.2f}"
    )


def _side(it: Compared, of: ChannelRole, under: ChannelRole) -> Comparison | None:
    side = it.side(of, under)
    return None if side is None else side.comparison


def _times(nats: float) -> float:
    return math.exp(min(nats, 700.0))
