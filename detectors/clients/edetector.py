"""Shiryaev-Roberts e-detectors: evidence that something began to happen more often, for any number of clients.

**Null.** Given all that came before, each unit of a client (a distinct request that could be a hit) is a hit with a
chance of at most p0. Nothing else: units need not be independent, and clients may be as many as they like, and new.

**Evidence.** For a rate q the likelihood ratio of one unit is L = q / p0 for a hit and (1 - q) / (1 - p0) for a miss;
where q > p0 its mean is at most 1 under the null. R <- (1 + R) L is the e-detector of Shiryaev and Roberts (Shin,
Ramdas and Rinaldo 2022, arXiv 2203.03532); R is the mean over RATES. A miss never raises it (it would, when it is
small), and it is dropped to 0 when it is next to nothing. Both only lower it, so the promise stays.

**Promise.** Let the threshold c of each unit depend on earlier units only, and never fall. Then R/c - sum(1/c) is a
supermartingale, and an alarm begins R again at 0, which takes at least 1 off it. So (Doob; optional stopping)
E[false alarms] <= E[sum over all units of 1/c], over all clients. With c = W / s, where W is at least the number of
units of a week, that is at most s in a week. A rule of several kinds of hits takes the mean of their R, never the
product: each obeys the inequality, so their mean does, however they depend on each other.
"""

from collections.abc import Sequence

RATES = (0.2, 0.4, 0.6, 0.8, 0.95)
"""The rates that are bet on, evenly."""

USUAL = 0.8
"""A client that is hit so often by its own base rate is not looked at: what it always does says nothing."""

NEXT_TO_NOTHING = 2.0
"""Evidence below this is dropped: a client whose last hit is long past needs no memory."""

Evidence = tuple[float, ...]
"""R for each rate. Plain numbers, no logarithms: R ends at its threshold, far from what a float can hold."""

NONE: Evidence = (0.0,) * len(RATES)


def hit(evidence: Evidence, p0: float) -> Evidence:
    """Take a hit into the evidence."""
    return tuple([(1.0 + r) * (q / p0) if q > p0 else r for r, q in zip(evidence, RATES, strict=True)])


def miss(evidence: Evidence, p0: float) -> Evidence:
    """Take a miss into the evidence; never raises it."""
    rest = 1.0 - p0
    return tuple(
        [min(r, (1.0 + r) * ((1.0 - q) / rest)) if q > p0 else r for r, q in zip(evidence, RATES, strict=True)]
    )


def value(evidence: Evidence) -> float:
    """Return the evidence over all rates."""
    return sum(evidence) / len(RATES)


def mean_over_kinds(of_kinds: Sequence[Evidence], kinds: int) -> float:
    """Return the evidence of a rule with so many kinds of hits, those without evidence included."""
    return sum(map(sum, of_kinds)) / (len(RATES) * kinds)
