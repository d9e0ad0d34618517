import itertools
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.clients import edetector
from detectors.clients.edetector import NONE, RATES, Evidence

EVIDENCE = st.tuples(*[st.floats(0.0, 1e15)] * len(RATES))
BASE = st.floats(0.001, 0.99)


def after(hits: tuple[bool, ...], p0: float) -> Evidence:
    evidence = NONE
    for is_hit in hits:
        evidence = edetector.hit(evidence, p0) if is_hit else edetector.miss(evidence, p0)
    return evidence


def chance(hits: tuple[bool, ...], rate: float) -> float:
    return rate ** sum(hits) * (1 - rate) ** (len(hits) - sum(hits))


@given(EVIDENCE, BASE)
def test_a_miss_never_raises_the_evidence(evidence: Evidence, p0: float) -> None:
    assert edetector.value(edetector.miss(evidence, p0)) <= edetector.value(evidence)


@given(EVIDENCE, BASE)
def test_a_hit_never_lowers_it(evidence: Evidence, p0: float) -> None:
    assert edetector.value(edetector.hit(evidence, p0)) >= edetector.value(evidence)


@given(EVIDENCE, BASE)
def test_a_unit_adds_at_most_one_on_average_under_the_null(evidence: Evidence, p0: float) -> None:
    expected = p0 * edetector.value(edetector.hit(evidence, p0)) + (1 - p0) * edetector.value(
        edetector.miss(evidence, p0)
    )
    assert expected <= (1 + edetector.value(evidence)) * (1 + 1e-12)


@pytest.mark.parametrize("p0", [0.02, 0.1, 0.3, 0.7])
def test_its_mean_after_n_units_is_at_most_n_at_every_benign_rate(p0: float) -> None:
    for n, rate in itertools.product((1, 4, 9), (0.0, p0 / 2, p0)):
        mean = sum(
            chance(hits, rate) * edetector.value(after(hits, p0)) for hits in itertools.product((False, True), repeat=n)
        )
        assert mean <= n + 1e-9


@given(EVIDENCE, st.floats(0.001, 0.5), st.floats(0.001, 0.49))
def test_a_higher_base_rate_never_makes_a_hit_say_more(evidence: Evidence, p0: float, more: float) -> None:
    lower, higher = edetector.hit(evidence, p0), edetector.hit(evidence, p0 + more)
    assert all(one >= other or q <= p0 + more for one, other, q in zip(lower, higher, RATES, strict=True))


def test_nothing_is_evidence_without_a_hit() -> None:
    assert after((False,) * 50, 0.1) == NONE


def test_kinds_are_averaged_and_not_multiplied() -> None:
    one, other = after((True,) * 3, 0.1), after((True,) * 2, 0.1)
    mean = edetector.mean_over_kinds([one, other], 4)
    assert mean == pytest.approx((edetector.value(one) + edetector.value(other)) / 4)


def requests_until(threshold: float, p0: float, dice: random.Random) -> int:
    """Return how many requests an attack takes of which four of five are refused."""
    evidence = NONE
    for count in itertools.count(1):
        evidence = edetector.hit(evidence, p0) if dice.random() < 0.8 else edetector.miss(evidence, p0)
        if edetector.value(evidence) >= threshold:
            return count
    raise AssertionError


@pytest.mark.parametrize(("p0", "requests"), [(0.04, 12), (0.25, 35)])
def test_what_a_high_base_rate_costs(p0: float, requests: int) -> None:
    dice = random.Random(1)
    assert median(requests_until(8.5e9, p0, dice) for _ in range(200)) == requests
