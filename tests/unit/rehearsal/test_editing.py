"""What the editing gateway does to a text."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog.rehearsal.editing import SWAPS, edit

words = st.sampled_from(
    [*SWAPS, *(word.title() for word in SWAPS), *(word.upper() for word in SWAPS), "sAFE", "not", "a", "an", "lawyer"]
)
gaps = st.sampled_from([" ", " ", " ", ", ", ". ", "\n", "-", "'", "’", "@", "/", "_", "é", ""])  # noqa: RUF001 - people type it
prose = st.lists(st.tuples(words, gaps), max_size=12).map(lambda pairs: "".join(map("".join, pairs)))
texts = prose | st.text()
generators = st.integers().map(random.Random)


@given(texts, generators, st.integers(1, 5))
def test_undoing_the_recorded_words_gives_the_text_back(text: str, rng: random.Random, most: int) -> None:
    edited = edit(text, rng, most)

    assert edited.undone() == text
    assert len(edited.swaps) <= most


@given(texts, generators)
def test_every_recorded_word_stands_where_the_record_says(text: str, rng: random.Random) -> None:
    edited = edit(text, rng)
    ends = [0]
    for swap in edited.swaps:
        assert edited.text[swap.start : swap.end] == swap.edited
        assert swap.edited.lower() in SWAPS[swap.original.lower()]
        assert swap.start >= ends[-1]
        ends.append(swap.end)


@given(texts, generators)
def test_a_text_is_edited_or_it_is_the_same(text: str, rng: random.Random) -> None:
    edited = edit(text, rng)

    assert (edited.text == text) == (not edited.swaps)


@given(texts, st.integers())
def test_the_same_generator_makes_the_same_edit(text: str, seed: int) -> None:
    assert edit(text, random.Random(seed)) == edit(text, random.Random(seed))


@pytest.mark.parametrize("word", SWAPS)
def test_every_value_word_can_be_edited(word: str) -> None:
    edited = edit(f"say {word} now", random.Random(0))

    assert [swap.original for swap in edited.swaps] == [word]
    assert edited.text != f"say {word} now"


def test_there_are_at_least_forty_value_words() -> None:
    assert len(SWAPS) >= 40
    assert all(swap and swap != word for word, swaps in SWAPS.items() for swap in swaps)


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("You should wait.", "You should not wait."),
        ("Should you wait?", "Should not you wait?"),
        ("THE BEST WAY", "THE WORST WAY"),
        ("Better, safer?", "Worse, safer?"),
    ],
)
def test_capitals_and_punctuation_stay(text: str, edited: str) -> None:
    assert edited in {edit(text, random.Random(seed), most=1).text for seed in range(20)}


@pytest.mark.parametrize(
    "text",
    [
        "You should not go.",
        "It can't be.",
        "It can’t be.",  # noqa: RUF001 - people type it
        "Wait at https://safe.example/good or write to good@example.org.",
        "A best-seller and a well-being.",
        "unsafely, goodness, ésafe, safe_mode, sAFE, ſafe",  # noqa: RUF001 - the long s folds to an s
        "",
    ],
)
def test_what_is_no_value_word_of_its_own_is_left_alone(text: str) -> None:
    assert edit(text, random.Random(0)).swaps == ()


def test_an_article_still_fits_the_word_behind_it() -> None:
    for seed in range(40):
        edited = edit("It is an important rule and a healthy habit, or a safe one.", random.Random(seed)).text

        assert not re.search(r"\ba [aeio]|\ba un|\ban [^aeiou]", edited)


def test_edits_are_spread_over_the_text_and_over_the_words() -> None:
    text = "You should help. It is good and safe. Always be honest, fair and careful."
    edits = [edit(text, random.Random(seed)) for seed in range(200)]

    assert {len(edited.swaps) for edited in edits} == {1, 2, 3}
    assert {swap.original for edited in edits for swap in edited.swaps} == {
        "should", "help", "good", "safe", "Always", "honest", "fair", "careful",
    }  # fmt: skip
