import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from detectors.sequential import RATES, WEIGHTS, RateTest, observe
from tests.builders import NOW, at, baseline
from watchdog.domain.evidence import Baseline, Stream

FRESH = Stream(rule="divergence.gap", subject="t")
TEST = RateTest(alpha=0.001, a_year=0.1)
LIVES = st.lists(st.booleans(), min_size=1, max_size=40)


def seen(hits: list[bool], base: Baseline, stream: Stream = FRESH) -> Stream:
    for hit in hits:
        stream = observe(stream, base, hit=hit, at=NOW)
    return stream


def weighed(hits: list[bool], base: Baseline, stream: Stream = FRESH, test: RateTest = TEST) -> Stream:
    for hit in hits:
        stream = test.weigh(stream, base, hit=hit, at=NOW)
    return stream


def chance_of(hits: int, misses: int, rate: float) -> float:
    return rate**hits * (1 - rate) ** misses


def evidence_by_hand(hits: list[bool], trials: int, before: int) -> float:
    """The definition, summed over every onset and rate, without a recursion and without logarithms."""

    def well(n: int) -> float:
        k = before + sum(hits[:n])
        return 0.02 * math.gamma(k + 0.02) * math.gamma(trials + n - k + 1) / math.gamma(trials + n + 1.02)

    def begins(n: int) -> float:
        return 0.7 if n == 0 else 0.3 * (n**-0.125 - (n + 1) ** -0.125)

    total = well(len(hits)) * 0.3 * len(hits) ** -0.125
    for n, (rate, weight) in itertools.product(range(len(hits)), zip(RATES, WEIGHTS, strict=True)):
        if rate * (trials + n) > before + sum(hits[:n]):
            rest = hits[n:]
            total += begins(n) * weight * well(n) * chance_of(sum(rest), len(rest) - sum(rest), rate)
    every, some = trials + len(hits), before + sum(hits)
    return total / chance_of(some, every - some, some / every)


@given(LIVES, st.integers(0, 5), st.integers(0, 40))
def test_the_evidence_is_the_definition_to_the_digit(hits: list[bool], enrolled_hits: int, misses: int) -> None:
    trials = enrolled_hits + misses
    stream = seen(hits, baseline(trials=trials, hits=enrolled_hits))
    assert stream.evidence == pytest.approx(evidence_by_hand(hits, trials, enrolled_hits), rel=1e-9)


def test_weights_and_onsets_are_shares_of_one() -> None:
    assert sum(WEIGHTS) == pytest.approx(1.0)
    assert 0.7 + sum(0.3 * (n**-0.125 - (n + 1) ** -0.125) for n in range(1, 1000)) < 1.0


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 0.6, 1.0])
def test_from_enrolment_on_its_mean_is_at_most_one_at_every_rate_and_time(rate: float) -> None:
    for trials, n in itertools.product([0, 1, 4], [1, 3, 7]):
        mean = sum(
            math.comb(trials, before)
            * chance_of(before + sum(hits), trials - before + n - sum(hits), rate)
            * seen(list(hits), baseline(trials=trials, hits=before)).evidence
            for before in range(trials + 1)
            for hits in itertools.product([False, True], repeat=n)
        )
        assert mean <= 1 + 1e-12


@pytest.mark.parametrize(("rate", "trials"), [(0.01, 48), (0.2, 24)])
def test_benign_lives_alarm_no_more_often_than_promised(rate: float, trials: int) -> None:
    draw, test = np.random.default_rng(7), RateTest(alpha=0.3, a_year=0.3)
    alarms = 0
    for _ in range(120):
        base = baseline(trials=trials, hits=int(draw.binomial(trials, rate)))
        alarms += weighed(list(draw.random(150) < rate), base, test=test).alarmed
    # The share is 0.3 · 0.61 for the first arming: 22 of 120 on average, and the seed is fixed.
    assert alarms <= 22


@pytest.mark.parametrize(
    ("enrolled", "alpha", "clean", "within"),
    [(48, 0.001, 0, 2), (48, 0.001, 1_000, 3), (96, 0.00025, 0, 2), (96, 0.00025, 1_000, 3), (96, 0.00025, 5_000, 3)],
)
def test_a_wrapper_that_edits_everything_is_seen_soon_however_long_all_was_well(
    enrolled: int, alpha: float, clean: int, within: int
) -> None:
    test, base = RateTest(alpha=alpha, a_year=0.1), baseline(trials=enrolled)
    stream = weighed([False] * clean, base, test=test)
    assert not weighed([True] * (within - 1), base, stream, test).alarmed
    assert weighed([True] * within, base, stream, test).alarmed


@given(st.integers(1, 30), st.integers(1, 60), LIVES)
def test_a_rate_that_falls_is_no_evidence(enrolled_hits: int, misses: int, order: list[bool]) -> None:
    trials = enrolled_hits + misses
    hits = [hit for hit in order if not hit] or [False]
    stream = seen(hits, baseline(trials=trials, hits=enrolled_hits))
    assert stream.evidence <= 1.0


def test_an_enrolled_rate_of_one_in_three_that_stays_is_no_evidence_either() -> None:
    stream = seen([True, False, False] * 200, baseline(trials=48, hits=16))
    assert stream.evidence < 1.0


@given(LIVES, st.integers(0, 48))
def test_a_clean_reply_never_raises_an_alarm(hits: list[bool], enrolled_hits: int) -> None:
    test, base = RateTest(alpha=0.4, a_year=1), baseline(hits=enrolled_hits)
    before = weighed(hits, base, test=test)
    assert test.weigh(before, base, hit=False, at=NOW).alarmed == before.alarmed


@given(LIVES, st.integers(0, 48))
def test_a_clean_reply_raises_evidence_by_no_more_than_the_rate_so_far_explains(
    hits: list[bool], enrolled_hits: int
) -> None:
    base = baseline(hits=enrolled_hits)
    before = seen(hits, base)
    misses = base.trials + before.trials - enrolled_hits - before.hits
    most = math.log((base.trials + before.trials) / misses) if misses else math.inf
    assert seen([False], base, before).log_evidence <= max(0.0, before.log_evidence + most) + 1e-9


@given(LIVES, LIVES)
@example([True] * 3, [False] * 3)
def test_the_state_is_all_that_it_needs(first: list[bool], second: list[bool]) -> None:
    base, kept = baseline(hits=1), TypeAdapter(Stream)
    stored = json.loads(json.dumps(kept.dump_python(seen(first, base), mode="json")))
    assert seen(second, base, kept.validate_python(stored)) == seen(first + second, base)


def test_the_share_decides_when_to_alarm_and_nothing_else() -> None:
    hits = [False] * 30 + [True, False, True, True]
    strict = weighed(hits, baseline(), test=RateTest(alpha=1e-9, a_year=1))
    loose = weighed(hits, baseline(), test=RateTest(alpha=0.4, a_year=1))
    assert (strict.alarmed, loose.alarmed) == (False, True)
    assert replace(loose, alarmed=False, alarms=0) == strict == seen(hits, baseline())


def test_an_alarm_stays_and_counts_once() -> None:
    stream = weighed([True] * 6 + [False] * 200, baseline())
    assert (stream.alarmed, stream.alarms, stream.trials, stream.hits) == (True, 1, 206, 6)


def test_each_arming_of_a_life_needs_more_evidence_than_the_one_before() -> None:
    stream = FRESH
    for k in (1, 2, 3):
        before = stream
        while not stream.alarmed:
            before, stream = stream, TEST.weigh(stream, baseline(), hit=True, at=NOW)
        assert before.evidence < math.pi**2 * k**2 / (6 * TEST.alpha) <= stream.evidence
        assert (stream.alarms, stream.arming) == (k, k)
        stream = stream.rearmed()
    assert sum(1 / TEST.threshold(k) for k in range(1, 10_000)) <= TEST.alpha


def test_another_enrolment_begins_the_evidence_anew_and_spends_the_next_part_of_the_share() -> None:
    stream = weighed([True], baseline())
    later = replace(baseline(hits=3), enrolled_at=at(60))
    again = weighed([False], later, stream)
    assert (again.trials, again.hits, again.arming, again.enrolled_at) == (1, 0, 2, at(60))
    assert again.log_e == seen([False], later).log_e
    assert weighed([False], later, again).arming == 2


def test_another_enrolment_does_not_end_an_alarm() -> None:
    stream = weighed([True] * 6, baseline())
    again = weighed([False], replace(baseline(), enrolled_at=at(60)), stream)
    assert (again.alarmed, again.alarms, again.trials) == (True, 1, 1)


def test_the_first_hit_is_remembered_until_the_stream_starts_again() -> None:
    stream = FRESH
    for second, hit in enumerate([False, True, True]):
        stream = observe(stream, baseline(), hit=hit, at=at(second))
    assert stream.first_hit_at == at(1)
    assert stream.rearmed().first_hit_at is None


@pytest.mark.parametrize("hit", [True, False])
def test_a_very_long_life_stays_finite_and_can_still_alarm(hit: bool) -> None:
    # A state as after ten million replies, and then a thousand more.
    old = replace(seen([hit] * 50, baseline()), trials=10_000_000, hits=10_000_000 * hit)
    stream = weighed([hit] * 1_000, baseline(), old)
    assert all(math.isfinite(log) for log in (*stream.log_e, stream.log_evidence, stream.evidence))
    if not hit:
        assert weighed([True] * 3, baseline(), stream).alarmed


def test_a_long_flood_of_hits_stays_finite() -> None:
    stream = seen([True] * 2_000, baseline())
    assert all(math.isfinite(log) for log in stream.log_e)
    assert 1e30 < stream.evidence < math.inf


@pytest.mark.parametrize("hits", [47, 48])
def test_a_stream_that_was_enrolled_at_a_high_rate_is_blind_and_says_so(hits: int) -> None:
    stream = weighed([True] * 500, baseline(hits=hits))
    assert stream.evidence < 1.0
    assert TEST.promise(stream, baseline(hits=hits)).startswith("blind: enrolled at a rate too high to see a rise")


def test_trouble_that_was_there_from_the_start_is_never_seen_without_an_enrolment() -> None:
    nothing = baseline(trials=0)
    assert seen([True] * 500, nothing).evidence <= 1.0
    assert weighed([False] * 500 + [True] * 4, nothing).alarmed


def test_the_promise_names_the_share_what_it_rests_on_and_the_whole() -> None:
    assert RateTest(alpha=0.00025, a_year=0.1).promise(FRESH, baseline()) == (
        "the evidence passed 6,580 to 1 (arming 1), whatever it is now: at most 1 false alarm in 4,000 lifetimes of "
        "this stream, as long as its benign rate (0 of 48 when enrolled) stays the same, whatever it is; that is its "
        "share of the 0.1 false incidents a year that the whole installation is allowed"
    )
    third = TEST.promise(replace(FRESH, arming=3), baseline())
    assert third.startswith(f"the evidence passed {TEST.threshold(3):,.0f} to 1 (arming 3)")
    assert "lifetimes of this stream, its 2 alarms so far included, as" in TEST.promise(
        replace(FRESH, alarms=2), baseline()
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, -1.0, float("nan")])
def test_a_share_that_promises_nothing_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha must lie between 0 and 0\.5"):
        RateTest(alpha=alpha, a_year=0.1)
