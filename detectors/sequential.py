"""The bet on a rate: evidence, valid at any time, that replies are flagged more often than when all was well.

**One bet.** A bet on the rate q, with q above the null rate p0, multiplies its wealth by q / p0 on a hit and by
(1 - q) / (1 - p0) otherwise. If the chance of a hit is p, whatever the past was, the factor's mean is
p·q/p0 + (1 - p)·(1 - q)/(1 - p0). That is linear in p, equals 1 at p = p0, and rises with p because q > p0; so it is
at most 1 for every p up to p0, and the wealth is a supermartingale that starts at 1. A mean of such bets is one again;
a rate that is not above p0 stays out of the game and keeps its 1.

**Late onset.** A bet that started with the daemon has lost nearly everything by the time the wrapper appears. So
each q bets a mixture over starts: the first at the beginning, and another one after every hit, because a hit is when
there is something to find out. The k-th start gets 1 / (k(k + 1)) of the money, which sums to 1; each is a bet that
begins at a time that depends on the past alone. After h hits, h + 1 starts are in play and r = 1 / (h + 2) waits
untouched. What bets next is all wealth but r: W_n = (W_{n-1} - r)·factor + r, constant memory, and still a
supermartingale from 1, because r is not at stake. What late onset costs grows with the number of hits there were
before, not with the time: after 10,000 clean replies it is one hit and a factor of 6.

**Alarm.** By Ville's inequality the chance that the evidence ever reaches 1 / a is at most a. The k-th alarm of a
stream's life spends alpha·6 / (π²k²), and these sum to alpha over all k.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from watchdog.domain.evidence import Baseline, Stream

RATES = (0.1, 0.25, 0.5, 0.75, 0.95)
"""The flag rates that are bet on: from a wrapper that edits one reply in ten to one that edits nearly all."""


@lru_cache(maxsize=64)
def clopper_pearson_upper(hits: int, trials: int, confidence: float) -> float:
    """Return the exact one-sided upper bound of a rate; 1 when there is nothing to rest a smaller one on."""
    if hits >= trials:
        return 1.0
    # The bound is where at most this many hits become too improbable. The probability falls with the rate, so halving
    # finds it; the upper end of the last interval is returned, so rounding never makes the bound smaller.
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(hits, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class RateBet:
    """Bets that the flag rate rose above what enrolment allows. Satisfies ports.Evidence."""

    alpha: float
    """The stream's share: the largest chance of a false alarm in its whole life."""
    confidence: float = 0.975
    """Of the bound on the benign rate. Where the bound is wrong, alpha is not promised; so the promise names both."""

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"alpha must lie between 0 and 1, got {self.alpha}")
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(f"confidence must lie between 0 and 1, got {self.confidence}")

    def weigh(self, stream: Stream, baseline: Baseline, *, hit: bool, at: datetime) -> Stream:
        """Take one observation into the stream; sets `alarmed` when the evidence passes its threshold."""
        p0 = self._null_rate(baseline)
        starts = stream.hits + 1
        before = stream.log_e or (0.0,) * len(RATES)
        weighed = replace(
            stream,
            log_e=tuple(
                _log_wealth(old, _log_factor(rate, p0, hit=hit), starts) if rate > p0 else old
                for old, rate in zip(before, RATES, strict=True)
            ),
            trials=stream.trials + 1,
            hits=stream.hits + hit,
            first_hit_at=at if hit and stream.first_hit_at is None else stream.first_hit_at,
        )
        if stream.alarmed or weighed.evidence < self._threshold(stream):
            return weighed
        return replace(weighed, alarmed=True, alarms=stream.alarms + 1)

    def promise(self, stream: Stream, baseline: Baseline) -> str:
        """Say in one sentence how often an alarm of this stream would be false, and what that rests on."""
        p0 = self._null_rate(baseline)
        enrolled = f"{baseline.hits} of {baseline.trials} were when enrolled"
        if p0 >= max(RATES):
            return f"blind: enrolled at a rate too high to see a rise ({enrolled})"
        earlier = f", its {stream.alarms} alarms so far included" if stream.alarms > 1 else ""
        return (
            f"at most 1 false alarm in {math.floor(1 / self.alpha):,} lifetimes of this stream{earlier}, "
            f"if no more than {100 * p0:.1f} % of benign replies are flagged "
            f"({enrolled}; the bound holds with {100 * self.confidence:g} % confidence)"
        )

    def _null_rate(self, baseline: Baseline) -> float:
        return clopper_pearson_upper(baseline.hits, baseline.trials, self.confidence)

    def _threshold(self, stream: Stream) -> float:
        return (math.pi * (stream.alarms + 1)) ** 2 / (6 * self.alpha)


def _at_most(hits: int, trials: int, rate: float) -> float:
    """Return the probability of at most `hits` hits, for a rate strictly between 0 and 1."""
    log_odds = math.log(rate) - math.log1p(-rate)
    term = trials * math.log1p(-rate)
    total = math.exp(term)
    for k in range(1, hits + 1):
        term += math.log((trials - k + 1) / k) + log_odds
        total += math.exp(term)
    return total


def _log_factor(rate: float, p0: float, *, hit: bool) -> float:
    return math.log(rate / p0) if hit else math.log((1 - rate) / (1 - p0))


def _log_wealth(before: float, log_factor: float, starts: int) -> float:
    """Return log((W - r)·factor + r) for r = 1 / (starts + 1), without leaving log space: W may pass any float."""
    waiting = -math.log(starts + 1)
    share = -math.expm1(waiting - before)
    if share <= 0:
        # What was staked is lost to rounding; to leave it out can only lower the evidence.
        return waiting
    staked = before + math.log(share) + log_factor
    high, low = max(staked, waiting), min(staked, waiting)
    return high + math.log1p(math.exp(low - high))
