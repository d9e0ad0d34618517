"""Many lives at once: the rate test of `detectors.sequential` and three others, on arrays with one place per life.

A unit test holds `Ours` to the fold that the watchdog runs, observation by observation.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors import sequential
from intervals import upper_bound

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Hits = NDArray[np.bool_]


class Lives(Protocol):
    """A rule over many lives; each step takes one observation of every life that is still watched."""

    def step(self, hit: Hits) -> Values:
        """Take one observation of each life, and return the statistics; an alarm is one that reaches a threshold."""
        ...

    def keep(self, those: Hits | Counts) -> None:
        """Go on with some of the lives, chosen by a mask or by their places."""
        ...


_SIZE = 40_000
"""More trials than any life has, with those of its enrolment."""


@lru_cache(maxsize=8)
def _log_gamma(size: int, shift: float) -> Values:
    return np.array([math.lgamma(count + shift) for count in range(size)])


@dataclass
class Ours:
    """The evidence that opens incidents."""

    trials: int
    hits: Counts
    most: int
    """Observations that are to come at most."""

    def __post_init__(self) -> None:
        self.watched, self.enrolled = 0, self.trials
        self.wealth = np.zeros((len(self.hits), len(sequential.RATES)))
        self.rates, self.weights = np.array(sequential.RATES), np.array(sequential.WEIGHTS)
        before, size = sequential._BEFORE, self.trials + self.most + 2  # noqa: SLF001 - the same numbers, not copies of them
        self.constant = math.lgamma(before + 1) - math.lgamma(before)
        self.hit_gamma, self.miss_gamma = _log_gamma(size, before), _log_gamma(size, 1.0)
        self.all_gamma = _log_gamma(size, before + 1)
        counts = np.arange(size, dtype=float)
        self.log_power = counts * np.log(np.maximum(counts, 1.0))

    def _best(self, trials: int, hits: Counts) -> Values:
        found: Values = self.log_power[hits] + self.log_power[trials - hits] - self.log_power[trials]
        return found

    def _before(self, trials: int, hits: Counts) -> Values:
        found: Values = self.hit_gamma[hits] + self.miss_gamma[trials - hits] - self.all_gamma[trials] + self.constant
        return found

    def step(self, hit: Hits) -> Values:
        """Take one observation of each life, and return the evidence."""
        # All but the wealth depends on the counts alone, and lives have few different ones: a row for each.
        first, last = int(self.hits.min()), int(self.hits.max())
        seen = np.arange(first, min(last, self.trials) + 1)
        best = self._best(self.trials, seen)
        onset = np.exp(sequential._log_onset(self.watched) + self._before(self.trials, seen) - best)  # noqa: SLF001
        allowed = self.rates * self.trials > seen[:, None]
        missed, struck = (np.exp(best - self._best(self.trials + 1, seen + more))[:, None] for more in (0, 1))
        rows = self.hits - first
        self.wealth += (onset[:, None] * allowed * self.weights)[rows]
        self.wealth *= np.where(hit[:, None], (self.rates * struck)[rows], ((1 - self.rates) * missed)[rows])
        self.trials, self.hits, self.watched = self.trials + 1, self.hits + hit, self.watched + 1
        after = np.arange(first, last + 2)
        later = sequential._log_later(self.watched)  # noqa: SLF001
        still_well = np.exp(later + self._before(self.trials, after) - self._best(self.trials, after))
        evidence: Values = self.wealth.sum(axis=1) + still_well[self.hits - first]
        return evidence

    def keep(self, those: Hits | Counts) -> None:
        """Go on with some of the lives, chosen by a mask or by their places."""
        self.wealth, self.hits = self.wealth[those], self.hits[those]


BET_RATES = np.array([0.1, 0.25, 0.5, 0.75, 0.95])


@dataclass
class Bet:
    """What we had before: bets against the Clopper-Pearson bound of the enrolled rate, a new one after every hit."""

    trials: int
    hits: Counts

    def __post_init__(self) -> None:
        bounds = {hits: upper_bound(hits, self.trials, 0.975) for hits in set(self.hits.tolist())}
        self.null = np.array([bounds[hits] for hits in self.hits.tolist()])[:, None]
        self.wealth = np.ones((len(self.hits), len(BET_RATES)))
        self.seen = np.zeros(len(self.hits))

    def step(self, hit: Hits) -> Values:
        """Take one observation of each life, and return the evidence."""
        factor = np.where(hit[:, None], BET_RATES / self.null, (1 - BET_RATES) / np.maximum(1 - self.null, 1e-12))
        waiting = (1 / (self.seen + 2))[:, None]
        moved = (self.wealth - waiting) * factor + waiting
        self.wealth = np.where(self.null < BET_RATES, moved, self.wealth)
        self.seen = self.seen + hit
        evidence: Values = self.wealth.mean(axis=1)
        return evidence

    def keep(self, those: Hits | Counts) -> None:
        """Go on with some of the lives, chosen by a mask or by their places."""
        self.null, self.wealth, self.seen = self.null[those], self.wealth[those], self.seen[those]


@dataclass
class Cusum:
    """Page's CUSUM from the same bound to one reply in two; the statistic is exp of it."""

    trials: int
    hits: Counts

    def __post_init__(self) -> None:
        bounds = {hits: min(0.49, upper_bound(hits, self.trials, 0.975)) for hits in set(self.hits.tolist())}
        self.null = np.array([bounds[hits] for hits in self.hits.tolist()])
        self.sum = np.zeros(len(self.hits))

    def step(self, hit: Hits) -> Values:
        """Take one observation of each life, and return exp of the CUSUM."""
        self.sum = np.maximum(0.0, self.sum + np.where(hit, np.log(0.5 / self.null), np.log(0.5 / (1 - self.null))))
        return np.exp(np.minimum(self.sum, 700.0))

    def keep(self, those: Hits | Counts) -> None:
        """Go on with some of the lives, chosen by a mask or by their places."""
        self.null, self.sum = self.null[those], self.sum[those]


@dataclass
class Repeated:
    """Fisher's exact test of watch against enrolment, made again after every round as if it were the only one."""

    trials: int
    hits: Counts
    per_round: int = 3

    def __post_init__(self) -> None:
        self.watched, self.seen = 0, np.zeros_like(self.hits)

    def step(self, hit: Hits) -> Values:
        """Take one observation of each life, and return 1 / p at the end of a round, 0 within it."""
        self.watched, self.seen = self.watched + 1, self.seen + hit
        if self.watched % self.per_round:
            return np.zeros(len(self.seen))
        pairs, places = np.unique(np.stack([self.hits, self.seen]), axis=1, return_inverse=True)
        found = np.array([1 / fisher(h, self.trials, k, self.watched) for h, k in pairs.T.tolist()])
        return found[places.ravel()]

    def keep(self, those: Hits | Counts) -> None:
        """Go on with some of the lives, chosen by a mask or by their places."""
        self.hits, self.seen = self.hits[those], self.seen[those]


@dataclass
class KnowingBinomial:
    """A binomial test against the true benign rate, made again after every round as if it were the only one."""

    rate: float
    lives: int
    per_round: int = 3

    def __post_init__(self) -> None:
        self.watched, self.seen = 0, np.zeros(self.lives, dtype=np.int64)

    def step(self, hit: Hits) -> Values:
        """Take one observation of each life, and return 1 / p at the end of a round, 0 within it."""
        self.watched, self.seen = self.watched + 1, self.seen + hit
        if self.watched % self.per_round:
            return np.zeros(len(self.seen))
        counts = np.arange(self.seen.max() + 1)
        fewer = np.concatenate([[0.0], np.cumsum(_chances(counts, self.watched, self.rate))])
        found: Values = 1 / np.maximum(1e-12, 1 - fewer[self.seen])
        return found

    def keep(self, those: Hits | Counts) -> None:
        """Go on with some of the lives, chosen by a mask or by their places."""
        self.seen = self.seen[those]


@lru_cache(maxsize=200_000)
def fisher(hits: int, trials: int, seen: int, watched: int) -> float:
    """Return the chance of at least so many of all the hits in the watch, when every place is as likely."""
    total, both = hits + seen, trials + watched

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = log_choose(both, total)
    terms = range(seen, min(total, watched) + 1)
    return min(1.0, sum(math.exp(log_choose(watched, k) + log_choose(trials, total - k) - whole) for k in terms))


def _chances(counts: Counts, trials: int, rate: float) -> Values:
    gamma = _log_gamma(_SIZE, 1.0)
    choose = gamma[trials] - gamma[counts] - gamma[trials - counts]
    found: Values = np.exp(choose + counts * math.log(rate) + (trials - counts) * math.log1p(-rate))
    return found
