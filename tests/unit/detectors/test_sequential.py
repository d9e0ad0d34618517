import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.sequential import RATES, RateBet, clopper_pearson_upper
from tests.builders import NOW, at, baseline
from watchdog.domain.evidence import Baseline, Stream

FRESH = Stream(rule="divergence.gap", subject="t")
P0 = clopper_pearson_upper(0, 48, 0.975)


def weighed(hits: list[bool], bet: RateBet, base: Baseline, stream: Stream = FRESH) -> Stream:
    for hit in hits:
        stream = bet.weigh(stream, base, hit=hit, at=NOW)
    return stream


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.9, 0.975, 0.999]))
def test_at_the_bound_so_few_hits_are_as_improbable_as_the_confidence_says(
    hits: int, misses: int, confidence: float
) -> None:
    trials = hits + misses
    bound = clopper_pearson_upper(hits, trials, confidence)
    chance = sum(math.comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(hits + 1))
    assert chance == pytest.approx(1 - confidence)


@pytest.mark.parametrize("trials", [0, 7])
def test_without_a_single_miss_any_rate_is_possible(trials: int) -> None:
    assert clopper_pearson_upper(trials, trials, 0.975) == 1.0


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_evidence_is_the_mixture_over_rates_and_starts(hits: list[bool]) -> None:
    # The first start is at the beginning, and one more comes after each hit.
    starts = [0, *(place + 1 for place, hit in enumerate(hits) if hit)]
    waiting = 1 / (len(starts) + 1)
    total = 0.0
    for rate in RATES:
        factors = [rate / P0 if hit else (1 - rate) / (1 - P0) for hit in hits]
        bets = (math.prod(factors[start:]) / (k * (k + 1)) for k, start in enumerate(starts, 1))
        total += waiting + sum(bets)
    assert weighed(hits, RateBet(alpha=0.001), baseline()).evidence == pytest.approx(total / len(RATES))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_its_mean_is_at_most_one_at_every_rate_up_to_the_bound_and_at_every_time(share: float) -> None:
    p, bet, base = share * P0, RateBet(alpha=1e-9), baseline()
    for n in range(1, 10):
        mean = sum(
            p ** sum(hits) * (1 - p) ** (n - sum(hits)) * weighed(list(hits), bet, base).evidence
            for hits in itertools.product([False, True], repeat=n)
        )
        assert mean <= 1 + 1e-9
        if share == 1.0:
            assert mean == pytest.approx(1.0)


def test_benign_streams_alarm_no_more_often_than_promised() -> None:
    random, bet, base = np.random.default_rng(7), RateBet(alpha=0.05), baseline()
    alarms = sum(weighed(list(random.random(150) < P0), bet, base).alarmed for _ in range(200))
    # Ten at most are expected; more than 22 would come twice in 10,000 runs at that rate, and the seed is fixed.
    assert alarms <= 22


@pytest.mark.parametrize(("clean", "within"), [(0, 4), (1_000, 6), (10_000, 6)])
def test_a_wrapper_that_edits_everything_is_seen_soon_however_long_all_was_well(clean: int, within: int) -> None:
    bet, base = RateBet(alpha=0.001), baseline()
    stream = weighed([False] * clean, bet, base)
    assert not weighed([True] * (within - 1), bet, base, stream).alarmed
    assert weighed([True] * within, bet, base, stream).alarmed


def test_an_alarm_stays_and_counts_once() -> None:
    bet, base = RateBet(alpha=0.001), baseline()
    stream = weighed([True] * 6 + [False] * 200, bet, base)
    assert (stream.alarmed, stream.alarms, stream.trials, stream.hits) == (True, 1, 206, 6)


def test_each_alarm_of_a_life_needs_more_evidence_than_the_one_before() -> None:
    bet, base = RateBet(alpha=0.001), baseline()
    stream = FRESH
    for k in (1, 2, 3):
        stream = before = stream.rearmed()
        while not stream.alarmed:
            before, stream = stream, bet.weigh(stream, base, hit=True, at=NOW)
        assert before.evidence < math.pi**2 * k**2 / (6 * bet.alpha) <= stream.evidence
        assert stream.alarms == k


def test_the_first_hit_is_remembered_until_the_stream_starts_again() -> None:
    bet, base = RateBet(alpha=0.001), baseline()
    stream = FRESH
    for second, hit in enumerate([False, True, True]):
        stream = bet.weigh(stream, base, hit=hit, at=at(second))
    assert stream.first_hit_at == at(1)
    assert stream.rearmed().first_hit_at is None


def test_a_long_flood_of_hits_stays_finite() -> None:
    stream = weighed([True] * 2_000, RateBet(alpha=0.001), baseline())
    assert all(math.isfinite(log) for log in stream.log_e)
    assert stream.evidence > 1e300


@pytest.mark.parametrize(("trials", "hits"), [(48, 47), (0, 0)])
def test_a_stream_that_was_enrolled_at_a_high_rate_is_blind_and_says_so(trials: int, hits: int) -> None:
    bet, base = RateBet(alpha=0.001), baseline(trials=trials, hits=hits)
    stream = weighed([True] * 100, bet, base)
    assert (stream.evidence, stream.alarmed) == (1.0, False)
    assert bet.promise(stream, base).startswith("blind: enrolled at a rate too high to see a rise")


def test_the_promise_names_the_share_the_bound_and_what_it_rests_on() -> None:
    assert RateBet(alpha=0.001).promise(FRESH, baseline()) == (
        "at most 1 false alarm in 1,000 lifetimes of this stream, if no more than 7.4 % of benign replies are flagged "
        "(0 of 48 were when enrolled; the bound holds with 97.5 % confidence)"
    )


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_is_no_probability_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        RateBet(alpha=alpha)
