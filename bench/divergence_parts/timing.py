"""What scoring a reply costs, against generating it: processor time of one thread, so that neighbours matter less."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from detectors.divergence.gap import GapTest
from divergence_parts.clock import now
from divergence_parts.deck import Conversation
from divergence_parts.edits import WORD
from probes.channels.weights import Weights, WeightsChannel
from probes.scorers.weights import WeightsScorer
from watchdog.domain.exchanges import ChannelRole, Exchange

REPEATS = 3
_OTHER = "penguins"


def ratios(weights: Weights, asked: Sequence[Conversation]) -> dict[str, float]:
    """Return the median of scoring over generating, in percent: a clean reply, one flagged, one with its words found.

    Each conversation is generated and scored in turn, and starts without anything that was kept about its prompt.
    """
    channel = WeightsChannel(weights, ChannelRole.DELIVERED, now)
    found: dict[str, list[float]] = {"clean": [], "flagged, words not looked for": [], "flagged": []}
    for it in asked:
        delivered = channel.ask(it.request)
        generating = median(_cpu_s(lambda it=it: channel.ask(it.request)) for _ in range(REPEATS))
        edited = _edited(delivered)
        for name, reply, steps in (("clean", delivered, 12), *(_flagged(edited) if edited else ())):
            found[name].append(100 * median(_scoring(weights, it, reply, steps) for _ in range(REPEATS)) / generating)
    return {name: round(median(values), 1) for name, values in found.items() if values}


def _flagged(edited: Exchange) -> tuple[tuple[str, Exchange, int], ...]:
    return ("flagged, words not looked for", edited, 0), ("flagged", edited, 12)


def _edited(delivered: Exchange) -> Exchange | None:
    found = list(WORD.finditer(delivered.reply))
    if not found:
        return None
    middle = found[len(found) // 2]
    return replace(delivered, reply=delivered.reply[: middle.start()] + _OTHER + delivered.reply[middle.end() :])


def _scoring(weights: Weights, it: Conversation, reply: Exchange, steps: int) -> float:
    test = GapTest(scorer=_fresh(weights), steps=steps)
    return _cpu_s(lambda: test.compare(it.request, reply, tau=0.5))


def _fresh(weights: Weights) -> WeightsScorer:
    """Return a scorer that knows no prompt; made before the clock starts."""
    return WeightsScorer(weights)


def _cpu_s(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
