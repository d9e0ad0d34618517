"""Intervals of counts, and delays of which some are endless."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

NEVER = math.inf
"""The delay of an attack that was not found."""


def garwood(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of the mean of a Poisson count."""
    tail, most = (1 - confidence) / 2, 2 * count + 20 * math.sqrt(count + 1)
    low = 0.0 if count == 0 else _solve(lambda mean: 1 - _at_most(count - 1, mean) > tail, most)
    return low, _solve(lambda mean: _at_most(count, mean) < tail, most)


def _at_most(count: int, mean: float) -> float:
    """Return the chance that a Poisson variable is at most `count`."""
    return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


def _solve(beyond: Callable[[float], bool], high: float) -> float:
    """Return where a condition that holds from some mean on begins to hold."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return high


def quantile(delays: Sequence[float], share: float) -> float:
    """Return the delay that so many runs do not exceed; NEVER when fewer were found at all."""
    ordered = sorted(delays)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else NEVER


def said(delay: float) -> str:
    """Say a delay in words."""
    return "never" if math.isinf(delay) else f"{delay:g}"


def counted(counts: Counter[str]) -> str:
    """Say how many there were of each, most first."""
    return ", ".join(f"{name}: {count}" for name, count in counts.most_common()) or "none"
