"""Exact intervals of what was counted."""

from scipy.special import betaincinv, gammaincinv

_TAIL = 0.025
"""On each side of a 95 % interval."""


def clopper_pearson(hits: int, trials: int) -> tuple[float, float]:
    """Return the exact two-sided 95 % interval of a rate."""
    return 1 - upper_bound(trials - hits, trials, 1 - _TAIL), upper_bound(hits, trials, 1 - _TAIL)


def upper_bound(hits: int, trials: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided upper bound of a rate."""
    return 1.0 if hits >= trials else float(betaincinv(hits + 1, trials - hits, confidence))


def garwood(count: int) -> tuple[float, float]:
    """Return the exact two-sided 95 % interval of the mean of a Poisson count."""
    low = float(gammaincinv(count, _TAIL)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - _TAIL))
