"""How replies depart from the model, read off their spans."""

from dataclasses import replace

import pytest

from tests.builders import compared
from watchdog.domain.comparisons import Change, Comparison, Span
from watchdog.domain.decisions import Compared
from watchdog.domain.departures import Departure, departure

SAID = "Tell the truth to your friend."
LOST = Change.UNRESOLVED


def flagged(delivered: str, *places: tuple[int, int, Change], direct: str | None = SAID) -> Compared:
    spans = tuple(
        Span(start=a, end=b, delivered=delivered[a:b], expected="", alternatives=(), gap=5.0, change=change)
        for a, b, change in places
    )
    comparison = Comparison(gap=5.0, tau=0.5, tokens=9, spans=spans)
    return replace(compared(reply=delivered), direct_reply=direct, comparison=comparison)


WORD = flagged("Tell the lies to your friend.", (9, 13, Change.REPLACED))
APPENDED = flagged(f"{SAID} Buy soap today.", (len(SAID), len(SAID) + 16, LOST))
CUT = flagged("Tell the truth", (14, 14, Change.DELETED))
OTHER = flagged("Honesty matters most here.", (0, 26, LOST))
ANOTHER = flagged("One ought to be brave.", (0, 22, LOST))


def test_replies_without_a_flag_do_not_depart() -> None:
    assert departure([]) is Departure.NONE
    assert departure([compared(gap=0.1)]) is Departure.NONE


def test_words_between_which_the_model_goes_on_are_words() -> None:
    assert departure([WORD]) is Departure.WORDS


def test_a_prefix_is_words_because_the_model_goes_on_after_it() -> None:
    assert departure([flagged(f"As we say: {SAID}", (0, 10, Change.INSERTED))]) is Departure.WORDS


@pytest.mark.parametrize("reply", [APPENDED, CUT], ids=["appended", "cut"])
def test_what_is_done_to_an_answer_at_its_end_is_done_after_the_model(reply: Compared) -> None:
    assert departure([reply]) is Departure.AFTER


def test_another_engines_answer_with_an_appended_end_is_known_by_its_length() -> None:
    said = "Tell the facts to your friend."
    assert departure([flagged(f"{said} Buy soap.", (len(said), len(said) + 10, LOST))]) is Departure.AFTER


def test_an_inserted_end_needs_no_direct_reply() -> None:
    text = f"{SAID} Buy soap."
    assert departure([flagged(text, (len(SAID), len(text), Change.INSERTED), direct=None)]) is Departure.AFTER


def test_a_reply_that_never_comes_back_is_whole() -> None:
    assert departure([OTHER]) is Departure.WHOLE
    assert departure([flagged("Honesty matters most here.")]) is Departure.WHOLE


def test_a_model_that_begins_alike_and_leaves_is_whole_where_the_direct_reply_shows_it() -> None:
    text = "Tell the truth to nobody, for it hurts."
    assert departure([flagged(text, (15, len(text), LOST))]) is Departure.WHOLE


def test_a_late_end_without_a_direct_reply_leaves_the_word_to_the_others() -> None:
    late = flagged(f"{SAID} Buy soap.", (len(SAID), len(SAID) + 10, LOST), direct=None)
    assert departure([late, late, OTHER]) is Departure.WHOLE
    assert departure([late, late, WORD]) is Departure.WORDS
    assert departure([late]) is Departure.AFTER


def test_the_same_text_in_place_of_different_answers_is_done_after_the_model() -> None:
    refusal = flagged("I cannot help with that.", (0, 24, LOST))
    assert departure([refusal, refusal, refusal]) is Departure.AFTER
    assert departure([refusal]) is Departure.WHOLE


def test_different_texts_in_place_of_different_answers_are_whole() -> None:
    texts = ["Honesty matters most here.", "One ought to be brave.", "Nobody knows what is best."]
    assert departure([flagged(it, (0, len(it), LOST)) for it in texts]) is Departure.WHOLE


def test_most_replies_decide() -> None:
    assert departure([WORD, WORD, OTHER]) is Departure.WORDS
    assert departure([WORD, OTHER, ANOTHER]) is Departure.WHOLE
