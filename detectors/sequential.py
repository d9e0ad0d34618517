"""The test of a rate: evidence, valid at any time, that something happens more often than it used to.

**The null.** The N trials of enrolment and the n observations of the watch are independent and happen at *one* rate,
whatever it is. Nothing is assumed about that rate, and no bound on it is estimated.

**The evidence** (universal inference: Wasserman, Ramdas, Balakrishnan 2020, arXiv 1912.11436) is Q / max_p L(p): how
probable the whole sequence is under the alternative Q, over how probable the best constant rate makes it. Q is any
probability of sequences that is settled beforehand. At the true p, Q / L(p) has mean 1 and is a martingale from the
first trial on; the evidence is never above it; so by Ville's inequality it *ever* reaches 1/a with a chance of at most
a, for every p. When to look, ask again or stop may depend on all that was seen.

**The alternative.** Until an unknown moment the rate is drawn from Beta(1/50, 1): near 0, as benign rates are. From
then on it is one of RATES, if that is above the rate seen until that moment: so evidence for a *fall* never counts.
The moment is the very first observation with probability 0.7, and comes before observation n + 1 with probability
0.3 (n^-1/8 - (n + 1)^-1/8), which sums to 0.3: what a late onset costs grows with the logarithm of the time.
What precedes the moment depends on counts alone, so one number for each rate is all there is to carry.

**Alarms.** The k-th arming of a stream spends a_k = 6 / (π²k²) of its share. It begins at a moment T with the ratio
of the enrolment alone, whose mean is at most 1 also where T depends on it; so its chance of an alarm is at most a_k
too, and these sum to the share: the *expected number* of false alarms in a life is at most alpha.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, reduce

from watchdog.domain.evidence import Baseline, Stream

RATES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.97)
"""The rates that are bet on, from a wrapper that edits one reply in twenty to one that edits nearly all."""
WEIGHTS = (0.05, 0.05, 0.1, 0.1, 0.1, 0.6)
"""Most on the highest: there a reply or two have to be enough. Elsewhere a factor of ten is part of one hit."""

AT_ONCE = 0.7
"""The chance that the trouble is there from the first observation, where the enrolment is all there is to go by."""
_FADING = 1 / 8
"""Within a factor of 2 of the best power for onsets between 100 and 10^7 observations."""
_BEFORE = 1 / 50
"""First parameter of the Beta prior on the rate before the onset; the second is 1."""

_NOTHING = -1000.0
"""Stands for the logarithm of 0, for which JSON has no number."""
_LOG_WEIGHTS = tuple(map(math.log, WEIGHTS))
_LOG_FACTORS = {True: tuple(map(math.log, RATES)), False: tuple(math.log1p(-rate) for rate in RATES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTest:
    """Tests whether a rate rose, at a stream's share of false alarms. Satisfies ports.Evidence."""

    alpha: float
    """The stream's share: the largest expected number of false alarms in its whole life."""
    a_year: float
    """The false incidents that the whole installation is allowed in a year; only said, never used."""

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 0.5:
            raise ValueError(f"alpha must lie between 0 and 0.5, got {self.alpha}")

    def threshold(self, arming: int) -> float:
        """Return the evidence value at which the stream alarms when it is armed for the so-manieth time."""
        return (math.pi * arming) ** 2 / (6 * self.alpha)

    def weigh(self, stream: Stream, baseline: Baseline, *, hit: bool, at: datetime) -> Stream:
        """Take one observation into the stream; sets `alarmed` when the evidence passes its threshold."""
        seen = observe(stream, baseline, hit=hit, at=at)
        # Evidence far above the threshold may wobble without a hit; what raises an alarm is something that happened.
        if seen.alarmed or not hit or seen.log_evidence < math.log(self.threshold(seen.arming)):
            return seen
        return replace(seen, alarmed=True, alarms=seen.alarms + 1)

    def promise(self, stream: Stream, baseline: Baseline) -> str:
        """Say in one sentence how often an alarm of this stream would be false, and what that rests on."""
        enrolled = f"{baseline.hits} of {baseline.trials} when enrolled"
        if baseline.trials and baseline.hits >= RATES[-1] * baseline.trials:
            return f"blind: enrolled at a rate too high to see a rise ({enrolled})"
        earlier = f", its {stream.alarms} alarms so far included" if stream.alarms > 1 else ""
        passed = f"{self.threshold(stream.arming):,.0f} to 1 (arming {stream.arming})"
        return (
            f"the evidence passed {passed}, whatever it is now: at most 1 false alarm in "
            f"{math.floor(1 / self.alpha + 1e-6):,} lifetimes of this stream{earlier}, as long as its benign rate "
            f"({enrolled}) stays the same, whatever it is; that is its share of the {self.a_year:g} false incidents a "
            "year that the whole installation is allowed"
        )


def observe(stream: Stream, baseline: Baseline, *, hit: bool, at: datetime) -> Stream:
    """Take one observation into the evidence; the same whatever the stream's share, and raises no alarm."""
    stream = stream.held_against(baseline)
    trials, hits = baseline.trials + stream.trials, baseline.hits + stream.hits
    shift = _log_best(trials, hits) - _log_best(trials + 1, hits + hit)
    onset = _log_onset(stream.trials) + _log_before(trials, hits) - _log_best(trials, hits)
    log_e = tuple(
        max(_NOTHING, (_log_add(old, onset + weight) if rate * trials > hits else old) + factor + shift)
        for old, rate, weight, factor in zip(
            stream.log_e or (_NOTHING,) * len(RATES), RATES, _LOG_WEIGHTS, _LOG_FACTORS[hit], strict=True
        )
    )
    still_well = _log_later(stream.trials + 1) + _log_before(trials + 1, hits + hit) - _log_best(trials + 1, hits + hit)
    return replace(
        stream,
        log_e=log_e,
        log_evidence=reduce(_log_add, log_e, still_well),
        trials=stream.trials + 1,
        hits=stream.hits + hit,
        first_hit_at=at if hit and stream.first_hit_at is None else stream.first_hit_at,
    )


def _log_onset(n: int) -> float:
    """Return the log of the chance that the trouble begins right after n observations."""
    if n == 0:
        return math.log(AT_ONCE)
    # n^-c - (n+1)^-c, without losing its digits when n is large.
    return math.log1p(-AT_ONCE) - _FADING * math.log(n) + math.log(-math.expm1(-_FADING * math.log1p(1 / n)))


def _log_later(n: int) -> float:
    """Return the log of the chance that the trouble has not begun after n observations, for n of at least 1."""
    return math.log1p(-AT_ONCE) - _FADING * math.log(n)


@lru_cache(maxsize=8)
def _log_before(trials: int, hits: int) -> float:
    """Return the log probability of a sequence with so many hits at a rate drawn from the prior."""
    misses = trials - hits
    sequence = math.lgamma(hits + _BEFORE) + math.lgamma(misses + 1) - math.lgamma(trials + _BEFORE + 1)
    return sequence - math.lgamma(_BEFORE) + math.lgamma(_BEFORE + 1)


@lru_cache(maxsize=8)
def _log_best(trials: int, hits: int) -> float:
    """Return the log probability of a sequence with so many hits at the constant rate that fits it best."""
    misses = trials - hits
    return (hits * math.log(hits / trials) if hits else 0.0) + (misses * math.log(misses / trials) if misses else 0.0)


def _log_add(one: float, other: float) -> float:
    """Return log(exp(one) + exp(other)), whose terms may be too large or too small for a float."""
    return max(one, other) + math.log1p(math.exp(-abs(one - other)))
