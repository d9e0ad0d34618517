import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.clients.bounds import (
    Counted,
    beta_below,
    beta_quantile,
    chance_of_as_many,
    lower_rate,
    rate_of_most,
    upper_rate,
)

SHAPE = st.floats(0.3, 200.0)


@given(st.floats(0.01, 0.99), SHAPE, SHAPE)
def test_a_quantile_is_where_the_distribution_reaches_it(share: float, a: float, b: float) -> None:
    # Where the distribution is steep at an end, a quantile is as near to it as a float can say.
    assert beta_below(beta_quantile(share, a, b), a, b) == pytest.approx(share, abs=1e-6)


def test_the_incomplete_beta_function_has_its_known_values() -> None:
    assert beta_below(0.3, 1, 1) == pytest.approx(0.3)
    assert beta_below(0.5, 7, 7) == pytest.approx(0.5)
    assert beta_below(0.2, 2, 3) == pytest.approx(0.1808)


def test_no_hit_of_48_leaves_a_rate_of_up_to_7_per_cent() -> None:
    assert upper_rate(0, 48, 0.975) == pytest.approx(0.0740, abs=1e-4)
    assert lower_rate(0, 48, 0.975) == 0.0


def test_as_many_hits_are_as_probable_as_the_binomial_says() -> None:
    assert chance_of_as_many(2, 3, 0.5) == pytest.approx(0.5)
    assert chance_of_as_many(0, 9, 0.1) == 1.0


def test_where_all_clients_have_one_rate_the_bound_is_that_of_the_mean() -> None:
    alike = [Counted(2, 50)] * 40
    assert 0.04 < rate_of_most(alike, share=0.9, confidence=0.95) < 0.06


def test_where_clients_differ_the_bound_covers_most_of_them() -> None:
    dice = random.Random(4)
    for _ in range(5):
        rates = [dice.betavariate(1, 20) for _ in range(60)]
        clients = [Counted(sum(dice.random() < rate for _ in range(60)), 60) for rate in rates]
        bound = rate_of_most(clients, share=0.9, confidence=0.95)
        assert sum(rate <= bound for rate in rates) >= 0.8 * len(rates)
        assert bound < 0.35


def test_without_a_trial_every_rate_is_possible() -> None:
    assert rate_of_most([], share=0.9, confidence=0.95) == 1.0
