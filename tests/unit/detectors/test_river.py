import random

from detectors._river import Level, Oddness

LIMITS = ((0.0, 1.0), (0.0, 1.0))


def learned(most_of_one: int = 250, *, suspicious: bool = False, clients: int = 1_000) -> Oddness:
    dice, trees = random.Random(1), Oddness(limits=LIMITS, window=100, most_of_one=most_of_one)
    for number in range(400):
        trees.learn(f"c{number % clients}", (dice.gauss(0.3, 0.03), dice.gauss(0.3, 0.03)), suspicious=suspicious)
    return trees


def test_what_is_unlike_all_that_was_learned_is_odd() -> None:
    trees = learned()
    assert trees.score((0.95, 0.95)) > trees.score((0.3, 0.3)) + 0.1


def test_values_outside_of_the_limits_count_as_the_nearest() -> None:
    trees = learned()
    assert trees.score((99.0, -5.0)) == trees.score((1.0, 0.0))


def test_nothing_is_learned_from_what_is_suspicious() -> None:
    assert learned(suspicious=True).score((0.95, 0.95)) == 0.0


def test_one_client_cannot_fill_a_window() -> None:
    assert learned(most_of_one=12, clients=1).score((0.95, 0.95)) == 0.0


def test_a_level_that_changes_is_noticed_and_one_that_stays_is_not() -> None:
    dice, level = random.Random(1), Level()
    assert not any(level.changed(dice.gauss(0.0, 1.0)) for _ in range(500))
    assert any(level.changed(dice.gauss(3.0, 1.0)) for _ in range(100))
