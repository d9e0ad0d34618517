"""How large an honest gap may be: an upper confidence bound of a quantile that lies far beyond what was seen.

Peaks over a threshold (Pickands 1975; Coles 2001, "An Introduction to Statistical Modeling of Extreme Values",
chapter 4): above a high threshold u, excesses follow nearly a generalised Pareto law with a scale and a shape. Some
hundred replies say little about the shape and much about the scale. So the shape is not estimated: it is taken to be
SHAPE, a tail like that of a Pareto law of index 1 / SHAPE, and the bound is exact for such a tail and on the safe side
for lighter ones. Gaps come from rounding, which adds up many small errors, and their tails are lighter.

With the shape x settled, x^-1 log(1 + x y / scale) of an excess y is exponential with mean 1. The sum over k excesses
is then Gamma(k, 1) whatever the scale is, which turns into an exact confidence bound of the scale. The part of replies
above u has a bound of its own (Clopper and Pearson), and the two share the risk.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.99
"""Of 100 honest replies one may have a larger gap: it is flagged, and the decision layer counts that rate as benign."""
CONFIDENCE = 0.95
SHAPE = 0.25
PART = 0.1
"""The part of the replies whose gaps are taken for the tail."""
LEAST = 10
"""Gaps that are taken for the tail at least, where there are so many above 0."""


def quantile_bound(gaps: Sequence[float], *, level: float = LEVEL, confidence: float = CONFIDENCE) -> float:
    """Return an upper confidence bound of a quantile of the gaps, never below the largest one.

    Where no gap is above 0 there is no tail to go by, and it is 0.
    """
    seen = np.sort(np.asarray(gaps, dtype=np.float64))[::-1]
    if not seen.size or seen[0] <= 0:
        return 0.0
    rank = max(LEAST, math.ceil(PART * seen.size))
    threshold = float(seen[rank]) if rank < seen.size else 0.0
    excesses = seen[seen > threshold] - threshold
    if not excesses.size:
        return float(seen[0])
    risk = (1 - confidence) / 2
    above = _share_bound(excesses.size, seen.size, risk)
    beyond = ((above / (1 - level)) ** SHAPE - 1) / SHAPE
    return max(float(seen[0]), float(threshold + _scale_bound(excesses, risk) * max(beyond, 0.0)))


def _scale_bound(excesses: NDArray[np.float64], risk: float) -> float:
    """Return the scale above which excesses that small in sum are as rare as the risk."""
    wanted = _gamma_quantile(excesses.size, risk)
    largest = float(excesses.max())
    return largest * _falling(lambda scale: float(np.log1p(SHAPE * excesses / largest / scale).sum()) / SHAPE, wanted)


@lru_cache(maxsize=64)
def _share_bound(hits: int, trials: int, risk: float) -> float:
    """Return the share at which so few hits among the trials, or fewer, are as rare as the risk."""
    if hits >= trials:
        return 1.0
    odds = _falling(lambda ratio: _binomial_below(hits, trials, ratio / (1 + ratio)), risk)
    return odds / (1 + odds)


def _binomial_below(hits: int, trials: int, share: float) -> float:
    steps = np.arange(hits + 1)
    choose = np.array([math.lgamma(trials + 1) - math.lgamma(n + 1) - math.lgamma(trials - n + 1) for n in steps])
    return float(np.exp(choose + steps * math.log(share) + (trials - steps) * math.log1p(-share)).sum())


@lru_cache(maxsize=64)
def _gamma_quantile(shape: int, risk: float) -> float:
    """Return the quantile of Gamma(shape, 1): the mean at which `shape` events of a Poisson law have that chance."""
    steps = np.arange(shape)
    factorials = np.array([math.lgamma(n + 1) for n in steps])
    return _falling(lambda mean: float(np.exp(steps * math.log(mean) - mean - factorials).sum()), 1 - risk)


def _falling(function: Callable[[float], float], wanted: float) -> float:
    """Return where a falling function of a positive number takes a value, to ten digits."""
    low, high = 1e-9, 1e9
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if function(middle) > wanted else (low, middle)
    return high
