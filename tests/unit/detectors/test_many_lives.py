"""The bench weighs many lives at once; here it is held to the fold that the watchdog runs."""

import math

import numpy as np
import pytest

from decision_lives import Bet, KnowingBinomial, Ours, fisher
from detectors.sequential import observe
from tests.builders import NOW, baseline
from watchdog.domain.evidence import Stream


@pytest.mark.parametrize(("trials", "rate"), [(0, 0.3), (48, 0.0), (48, 0.02), (24, 0.3), (10, 0.9)])
def test_many_lives_at_once_are_the_fold_of_each(trials: int, rate: float) -> None:
    draw = np.random.default_rng(3)
    enrolled = draw.binomial(trials, rate, 6)
    hits = draw.random((150, 6)) < np.linspace(rate, 1, 150)[:, None]
    lives = Ours(trials, enrolled.copy(), 150)
    streams = [Stream(rule="r", subject=str(place)) for place in range(6)]
    for row in hits:
        found = lives.step(row)
        for place, hit in enumerate(row.tolist()):
            base = baseline(trials=trials, hits=int(enrolled[place]))
            streams[place] = observe(streams[place], base, hit=hit, at=NOW)
        assert found == pytest.approx([it.evidence for it in streams], rel=1e-9)


def test_a_life_that_is_no_longer_watched_leaves_the_others_as_they_were() -> None:
    one, both = Ours(48, np.zeros(1, dtype=int), 9), Ours(48, np.zeros(2, dtype=int), 9)
    both.step(np.array([True, False]))
    both.keep(np.array([True, False]))
    one.step(np.array([True]))
    assert both.step(np.array([True])) == pytest.approx(one.step(np.array([True])))


def test_the_bets_we_had_before_are_what_they_were() -> None:
    # Four edited replies after 48 clean ones passed 1,000 · π²/6, and three did not.
    bet = Bet(48, np.zeros(1, dtype=int))
    evidence = [bet.step(np.array([True]))[0] for _ in range(4)]
    assert evidence[2] < 1_000 * math.pi**2 / 6 < evidence[3]


def test_fisher_counts_the_places_that_hits_can_take() -> None:
    # Three hits, all of them among the last four of ten places.
    assert fisher(0, 6, 3, 4) == pytest.approx(math.comb(4, 3) / math.comb(10, 3))
    assert fisher(1, 6, 0, 4) == pytest.approx(1.0)


def test_the_binomial_test_is_one_over_the_chance_of_so_many_hits() -> None:
    test = KnowingBinomial(0.1, 1)
    values = [test.step(np.array([hit]))[0] for hit in (True, False, True)]
    assert values[:2] == [0.0, 0.0]
    assert values[2] == pytest.approx(1 / (3 * 0.1**2 * 0.9 + 0.1**3))
