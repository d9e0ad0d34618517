"""Counts in words, and delays of which some are endless."""

import math
from collections import Counter
from collections.abc import Sequence

NEVER = math.inf
"""The delay of an attack that was not found."""


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
