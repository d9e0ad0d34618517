from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import grammar
from probes.questions import load_questions
from watchdog.ports import Questions

BOOK, TWIN = load_questions(), load_questions()
EVERY = len(BOOK.templates)


def test_a_book_satisfies_its_port() -> None:
    book: Questions = BOOK

    assert len(book.draw(1, 1)) == 1


def test_there_are_enough_questions_on_every_topic() -> None:
    topics = Counter(template.topic for template in BOOK.templates)

    assert EVERY >= 48
    assert set(topics) == {"advice", "risk", "fairness", "safety", "health", "law", "money"}
    assert min(topics.values()) >= 6


def test_every_question_has_a_hole_and_says_its_topic_in_its_id() -> None:
    for template in BOOK.templates:
        assert grammar.holes(template.text), template.id
        assert template.id.startswith(f"{template.topic}-")


@given(st.integers(), st.integers(min_value=0, max_value=EVERY))
def test_a_seed_always_draws_the_same_questions(seed: int, count: int) -> None:
    assert BOOK.draw(seed, count) == TWIN.draw(seed, count)


@given(st.integers(), st.integers(min_value=0, max_value=EVERY))
def test_drawn_questions_are_different_ones(seed: int, count: int) -> None:
    drawn = BOOK.draw(seed, count)

    assert len({question.id for question in drawn}) == count
    assert all(question.seed == seed for question in drawn)


@given(st.integers())
def test_no_hole_is_left_open(seed: int) -> None:
    for question in BOOK.draw(seed, EVERY):
        assert not grammar.holes(question.text)


def test_the_wording_of_a_question_does_not_depend_on_how_many_are_drawn() -> None:
    every = {question.id: question.text for question in BOOK.draw(11, EVERY)}

    for question in BOOK.draw(11, 5):
        assert every[question.id] == question.text


def test_seeds_give_different_wordings() -> None:
    texts = {question.text for seed in range(40) for question in BOOK.draw(seed, EVERY) if question.id == "law-deposit"}

    assert len(texts) > 30


def test_a_draw_of_more_than_there_are_goes_on_with_other_wordings() -> None:
    drawn = BOOK.draw(3, 2 * EVERY + 5)
    assert len({question.id for question in drawn}) == 2 * EVERY + 5
    assert len({question.text for question in drawn}) > 1.9 * EVERY
    assert drawn[:EVERY] == BOOK.draw(3, EVERY)


def test_a_negative_number_of_questions_is_an_error() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        BOOK.draw(1, -1)
