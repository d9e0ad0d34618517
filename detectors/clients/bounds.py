"""Upper bounds on rates that differ from client to client; standard library only."""

import math
from collections.abc import Sequence
from typing import NamedTuple

_STEPS = 60
_TINY = 1e-300


class Counted(NamedTuple):
    """Hits among the trials of one client."""

    hits: int
    trials: int


def beta_below(x: float, a: float, b: float) -> float:
    """Return how probable a Beta(a, b) variable is below x: the regularised incomplete beta function."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_below(1.0 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) * _continued(x, a, b) / a


def _continued(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction of the incomplete beta function (Lentz; Abramowitz and Stegun 26.5.8)."""
    c, d = 1.0, 1.0 / max(_TINY, 1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / (1.0 + term * d or _TINY)
            c = 1.0 + term / c or _TINY
            value *= d * c
        if abs(d * c - 1.0) < 1e-12:
            break
    return value


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return x so that a Beta(a, b) variable is below it with this probability."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_below(middle, a, b) < probability else (low, middle)
    return high


def upper_rate(hits: float, trials: float, confidence: float) -> float:
    """Return the upper bound of Clopper and Pearson on a rate; takes counts that were scaled down, too."""
    return 1.0 if hits >= trials else beta_quantile(confidence, hits + 1, trials - hits)


def lower_rate(hits: float, trials: float, confidence: float) -> float:
    """Return the lower bound of Clopper and Pearson on a rate."""
    return 0.0 if hits <= 0 else beta_quantile(1.0 - confidence, hits, trials - hits + 1)


def chance_of_as_many(hits: int, trials: int, rate: float) -> float:
    """Return how probable at least so many hits are at a rate."""
    return 1.0 if hits <= 0 else beta_below(rate, hits, trials - hits + 1)


def rate_of_most(clients: Sequence[Counted], *, share: float, confidence: float) -> float:
    """Return a rate that all but (1 - share) of clients stay below, when they are like these.

    Rates of clients are taken for Beta distributed. How much they differ is estimated by the analysis of variance of
    proportions (Kleinman 1973), their mean is bounded with the confidence asked for, at the number of independent
    trials that the differences leave, and the distribution's quantile at `share` is returned.
    """
    trials = sum(it.trials for it in clients)
    hits = sum(it.hits for it in clients)
    if not trials:
        return 1.0
    alike = _likeness(clients, trials, hits / trials)
    per_client = sum(it.trials**2 for it in clients) / trials
    effective = trials / (1.0 + (per_client - 1.0) * alike)
    mean = upper_rate(hits * effective / trials, effective, confidence)
    if mean >= 1.0 or alike <= 1e-6:
        return mean
    spread = (1.0 - alike) / alike
    return max(mean, beta_quantile(share, mean * spread, (1.0 - mean) * spread))


def _likeness(clients: Sequence[Counted], trials: int, mean: float) -> float:
    """Return the correlation of two trials of one client: 0 where all clients have one rate, towards 1 otherwise."""
    groups = [it for it in clients if it.trials]
    if len(groups) < 2 or trials <= len(groups) or mean in {0.0, 1.0}:
        return 0.0
    between = sum(it.trials * (it.hits / it.trials - mean) ** 2 for it in groups) / (len(groups) - 1)
    within = sum(it.hits * (1 - it.hits / it.trials) for it in groups) / (trials - len(groups))
    typical = (trials - sum(it.trials**2 for it in groups) / trials) / (len(groups) - 1)
    total = between + (typical - 1.0) * within
    return min(0.98, max(0.0, (between - within) / total)) if total > 0 else 0.0
