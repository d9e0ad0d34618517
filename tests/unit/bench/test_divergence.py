"""The pure parts of bench/divergence.py, on values that can be checked by hand."""

import numpy as np
import pytest

from divergence_parts.deck import Deck, conversations, load_deck
from divergence_parts.statistics import at_matched_rate, cramer_von_mises, hamming_kernel, mmd, rank_of
from probes.questions import load_questions


@pytest.fixture(scope="module")
def deck() -> Deck:
    return load_deck()


class TestMmd:
    def test_replies_share_the_positions_with_the_same_token(self) -> None:
        kernel = hamming_kernel([(1, 2, 3, 4), (1, 9, 3), (7,)], None)
        assert kernel[0, 1] == 2 / 4
        assert kernel[0, 2] == 0

    def test_replies_to_different_prompts_share_nothing(self) -> None:
        kernel = hamming_kernel([(1, 2), (1, 2)], ["one", "other"])
        assert kernel[0, 1] == 0

    def test_different_samples_are_told_apart(self) -> None:
        tokens = [(1, 2, 3)] * 20 + [(4, 5, 6)] * 20
        deviation, p_value = mmd(hamming_kernel(tokens, None), 20, np.random.default_rng(1), 199)
        assert p_value == 1 / 200
        assert deviation > 3

    def test_equal_samples_are_not(self) -> None:
        tokens = [(n, 1) for n in range(20)] * 2
        _, p_value = mmd(hamming_kernel(tokens, None), 20, np.random.default_rng(1), 199)
        assert p_value > 0.5


class TestRanks:
    def test_a_score_among_lower_ones_ranks_high(self) -> None:
        assert rank_of(5.0, [1.0, 2.0, 3.0], 0.5) == 3.5 / 4

    def test_ties_are_spread_by_chance(self) -> None:
        assert rank_of(1.0, [1.0, 1.0], 0.0) == 0
        assert rank_of(1.0, [1.0, 1.0], 1.0) == 1

    def test_uniform_ranks_are_the_nearest_to_uniform(self) -> None:
        even = [(n + 0.5) / 10 for n in range(10)]
        assert cramer_von_mises(even) == pytest.approx(1 / 120)
        assert cramer_von_mises([0.99] * 10) > 2


def test_the_power_is_taken_at_the_noisiest_engine() -> None:
    quiet, noisy = np.zeros(100), np.linspace(0, 1, 100)
    assert at_matched_rate([quiet], np.array([0.5, 2.0])) == 1.0
    assert at_matched_rate([quiet, noisy], np.array([0.5, 2.0])) == 0.5


class TestDeck:
    def test_it_holds_more_than_sixty_questions_of_many_kinds(self, deck: Deck) -> None:
        assert len(deck.questions) >= 60
        assert len({question.kind for question in deck.questions}) >= 8

    def test_none_of_its_questions_is_one_that_the_program_asks(self, deck: Deck) -> None:
        book = load_questions()
        assert not {it.text for it in book.templates} & {it.text for it in deck.questions}

    def test_a_seed_always_makes_the_same_conversation(self, deck: Deck) -> None:
        assert conversations(deck, [5, 6]) == [*conversations(deck, [5]), *conversations(deck, [6])]

    def test_replies_are_asked_at_temperature_zero_and_short(self, deck: Deck) -> None:
        requests = [it.request for it in conversations(deck, range(70))]
        assert {it.temperature for it in requests} == {0.0}
        assert all(24 <= it.max_tokens <= 60 for it in requests)
