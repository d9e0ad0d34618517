"""The bound of what honest gaps may be: it holds for the tails it claims to hold for, and what it is worth."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.divergence.tails import CONFIDENCE, LEVEL, quantile_bound

_GAPS = st.lists(st.floats(0, 20).map(lambda it: round(it, 3)), max_size=60)
_Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


@given(_GAPS)
def test_the_bound_is_finite_and_never_below_the_largest_gap(gaps: list[float]) -> None:
    assert max(gaps, default=0.0) <= quantile_bound(gaps) < math.inf


@given(_GAPS)
def test_the_order_of_the_gaps_does_not_matter(gaps: list[float]) -> None:
    assert quantile_bound(sorted(gaps)) == quantile_bound(gaps)


@given(_GAPS, st.floats(0.01, 100))
def test_gaps_in_another_unit_have_the_bound_in_that_unit(gaps: list[float], unit: float) -> None:
    assert quantile_bound([unit * gap for gap in gaps]) == pytest.approx(unit * quantile_bound(gaps), rel=1e-6)


@given(st.lists(st.floats(0.001, 20), min_size=1, max_size=60), st.floats(0, 20))
def test_a_larger_largest_gap_never_lowers_the_bound(gaps: list[float], more: float) -> None:
    ordered = sorted(gaps)
    assert quantile_bound([*ordered[:-1], ordered[-1] + more]) >= quantile_bound(ordered) * (1 - 1e-9)


@given(_GAPS)
def test_to_be_surer_takes_a_higher_bound_and_so_does_a_rarer_gap(gaps: list[float]) -> None:
    bound = quantile_bound(gaps)
    assert quantile_bound(gaps, confidence=0.99) >= bound
    assert quantile_bound(gaps, level=0.99999) >= bound


@given(st.integers(0, 200))
def test_without_any_gap_there_is_no_tail(count: int) -> None:
    assert quantile_bound([0.0] * count) == 0.0


@settings(max_examples=30)
@given(st.integers(1, 200), st.floats(0.01, 5))
def test_gaps_that_are_all_the_same_are_bounded(count: int, gap: float) -> None:
    assert gap <= quantile_bound([gap] * count) < math.inf


_RARE = 1 - LEVEL
_LAWS: dict[str, tuple[_Draw, float]] = {
    "exponential": (lambda dice, n: dice.exponential(1, n), -math.log(_RARE)),
    "exponential, and half of the gaps 0": (
        lambda dice, n: dice.exponential(1, n) * (dice.random(n) < 0.5),
        -math.log(2 * _RARE),
    ),
    "Pareto of index 4, from 0": (lambda dice, n: dice.pareto(4, n), _RARE**-0.25 - 1),
    "Pareto of index 8, from 0": (lambda dice, n: dice.pareto(8, n), _RARE**-0.125 - 1),
    "half a normal law": (lambda dice, n: np.abs(dice.normal(0, 1, n)), 2.5758),
    "uniform": (lambda dice, n: dice.random(n), LEVEL),
}


@pytest.mark.parametrize("law", _LAWS)
@pytest.mark.parametrize("replies", [24, 96, 400])
def test_the_bound_holds_as_often_as_it_says(law: str, replies: int) -> None:
    draw, quantile = _LAWS[law]
    dice = np.random.default_rng([replies, len(law)])
    runs = 60
    held = sum(quantile_bound(draw(dice, replies).tolist()) >= quantile for _ in range(runs))
    # Three standard deviations below what is promised: the test itself shall not fail by chance.
    assert held / runs >= CONFIDENCE - 3 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / runs)
