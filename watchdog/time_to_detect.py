"""How long it takes until evidence opens an incident: not a formula, but the test itself, run on drawn replies."""

import random
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from watchdog.domain.evidence import Baseline, Stream
from watchdog.ports import Evidence
from watchdog.re_asking import RE_ASK_FACTOR, RE_ASKS

CLEAN_BEFORE = 1_000
"""Clean observations before the trouble begins. With fewer, what touches few replies takes longer to be found."""
MOST_OBSERVATIONS = 10_000
"""What has not been detected after so many observations is said not to be."""
_RUNS = 41
_FEW_RUNS = 11
"""Enough where detection is slow: a day more or less does not matter there."""
_FIRST_RUNS = 5
_SLOW = 100
"""Rounds."""
_AT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Rounds until an incident opens, from the round in which the trouble begins; None where it takes too long."""

    share: float
    """Of the replies, how many are troubled."""
    half_of_runs: int | None
    """Half of the runs were this fast."""
    most_runs: int | None
    """Nine of ten runs were."""


class ValueEvidence(Evidence, Hashable, Protocol):
    """Evidence that is a value: two that are equal weigh alike, so an answer can be kept."""


@lru_cache(maxsize=256)
def time_to_detect(
    evidence: ValueEvidence, *, hits: int, trials: int, share: float, per_round: int, re_asks: int = RE_ASKS
) -> Wait:
    """Draw replies of which a share is troubled, and weigh them as rounds do; the same arguments give the same answer.

    Every troubled reply is taken to be a hit, and the others are hits as often as they were when enrolled.
    """
    draw = random.Random(f"{hits}/{trials}/{share}/{per_round}")  # noqa: S311 - to be repeatable, not secret
    benign = hits / trials if trials else 0.0
    baseline = Baseline(rule="", subject="", trials=trials, hits=hits, tau=None, model="", enrolled_at=_AT)
    before = Stream(rule="", subject="")
    for _ in range(CLEAN_BEFORE):
        before = evidence.weigh(before, baseline, hit=draw.random() < benign, at=_AT)
    before = before if not before.alarmed else before.rearmed()
    rate = share + (1 - share) * benign
    waits: list[int | None] = []
    for run in range(_RUNS):
        if run >= _FIRST_RUNS and (not any(waits) or (run >= _FEW_RUNS and (waits[0] is None or waits[0] > _SLOW))):
            break
        waits.append(_one_run(evidence, before, baseline, draw, rate=rate, per_round=per_round, re_asks=re_asks))
    ordered = sorted(waits, key=lambda it: MOST_OBSERVATIONS if it is None else it)
    return Wait(
        share=share,
        half_of_runs=ordered[len(ordered) // 2],
        most_runs=ordered[len(ordered) * 9 // 10],
    )


def _one_run(
    evidence: Evidence,
    stream: Stream,
    baseline: Baseline,
    draw: random.Random,
    *,
    rate: float,
    per_round: int,
    re_asks: int,
) -> int | None:
    rounds, end = 0, stream.trials + MOST_OBSERVATIONS
    while stream.trials < end:
        rounds += 1
        for number in range(1 + re_asks):
            size = per_round * (RE_ASK_FACTOR if number else 1)
            batch = [draw.random() < rate for _ in range(size)]
            for hit in batch:
                stream = evidence.weigh(stream, baseline, hit=hit, at=_AT)
            if stream.alarmed:
                return rounds
            if not any(batch):
                break
    return None
