"""How many replies an incident takes, through the evidence that the daemon keeps."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

from detectors.sequential import RateTest
from watchdog.domain.evidence import Baseline, Stream

ALPHA = 0.1 * 0.75 / 300
"""The share of one of 300 streams: a hundred targets of the starter configuration, one false incident in ten years."""
ENROLLED = 96
CLEAN_BEFORE = 1000
RUNS = 400
MOST = 200

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_TEST = RateTest(alpha=ALPHA, a_year=0.1)
_BASELINE = Baseline(rule="bench", subject="", trials=ENROLLED, hits=0, tau=0.5, model="", enrolled_at=_AT)
HOW = f"{RUNS} draws of replies, {CLEAN_BEFORE:,} clean ones before, enrolled with 0 of {ENROLLED}, share {ALPHA:g}"


def replies_to_incident(flags: Sequence[bool]) -> tuple[int | None, int | None]:
    """Return after how many replies half, and nine of ten, of the draws have an incident; None for none in 200."""
    rng = random.Random(len(flags))  # noqa: S311 - no secret
    delays = sorted(_delay(flags, rng) for _ in range(RUNS))
    return _seen(delays[RUNS // 2]), _seen(delays[RUNS * 9 // 10])


def _delay(flags: Sequence[bool], rng: random.Random) -> int:
    stream = _clean()
    for count in range(1, MOST + 1):
        stream = _TEST.weigh(stream, _BASELINE, hit=rng.choice(flags), at=_AT)
        if stream.alarmed:
            return count
    return MOST + 1


def _seen(delay: int) -> int | None:
    return delay if delay <= MOST else None


@cache
def _clean() -> Stream:
    stream = Stream(rule="bench", subject="")
    for _ in range(CLEAN_BEFORE):
        stream = _TEST.weigh(stream, _BASELINE, hit=False, at=_AT)
    return stream
