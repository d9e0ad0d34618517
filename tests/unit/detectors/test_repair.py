import pytest

from detectors.divergence.gap import GapTest
from tests.builders import exchange, request
from tests.unit.detectors.parrot import Parrot
from watchdog.domain.comparisons import Change, Span
from watchdog.domain.exchanges import FinishReason

TEXT = (
    *("You", " should", " always", " tell", " the", " truth", " to", " good", " friends", "."),
    *("\n", "\n", "Lying", " may", " harm", " them", " and", " you", "."),
)
EDITORS_WORDS = (" never", " not", " bad", " enemies", " help", "\n\n", " Trust", " me", " now", "Sure", "!")
MODEL = Parrot((TEXT,), more=EDITORS_WORDS)
REPLY = "".join(TEXT)


def spans(
    reply: str, model: Parrot = MODEL, finish: FinishReason = FinishReason.STOP, steps: int = 12
) -> tuple[Span, ...]:
    comparison = GapTest(scorer=model, steps=steps).compare(request(), exchange(reply, finish), tau=0.5).comparison
    assert comparison.flagged == bool(comparison.spans)
    return comparison.spans


def found(reply: str) -> list[tuple[Change, str, str]]:
    return [(span.change, span.delivered, span.expected) for span in spans(reply)]


def test_an_unedited_reply_has_no_spans() -> None:
    assert spans(REPLY) == ()


@pytest.mark.parametrize(("word", "edited"), [("always", "never"), ("good", "bad"), ("harm", "help")])
def test_a_replaced_word_is_found_with_the_models_word(word: str, edited: str) -> None:
    assert found(REPLY.replace(word, edited)) == [(Change.REPLACED, edited, word)]


def test_several_edits_are_found_one_after_the_other() -> None:
    edited = REPLY.replace("always", "never").replace("good", "bad").replace("harm", "help")
    assert found(edited) == [
        (Change.REPLACED, "never", "always"),
        (Change.REPLACED, "bad", "good"),
        (Change.REPLACED, "help", "harm"),
    ]


def test_two_replaced_words_in_a_row_are_found() -> None:
    [span] = spans(REPLY.replace("good friends", "bad enemies"))
    assert (span.delivered, span.expected) == ("bad enemies", "good friends")


def test_an_inserted_word_is_found() -> None:
    assert found(REPLY.replace("should", "should not")) == [(Change.INSERTED, "not", "")]


def test_a_deleted_word_is_shown_where_it_is_missing() -> None:
    [span] = spans(REPLY.replace(" good", ""))
    assert (span.change, span.start, span.end, span.expected) == (
        Change.DELETED, REPLY.index("good"), REPLY.index("good"), "good",
    )  # fmt: skip


def test_an_inserted_sentence_is_found_whole() -> None:
    assert found(REPLY.replace(".\n", ". Trust me now.\n")) == [(Change.INSERTED, "Trust me now.", "")]


def test_a_sentence_put_in_front_is_found_whole() -> None:
    assert found("Sure! " + REPLY)[0] == (Change.INSERTED, "Sure!", "")


def test_an_appended_sentence_is_found_whole() -> None:
    assert found(REPLY + " Trust me now.") == [(Change.INSERTED, "Trust me now.", "")]


def test_a_reply_that_was_cut_short_shows_how_the_model_goes_on() -> None:
    [span] = spans(REPLY.removesuffix(" and you."))
    assert (span.change, span.delivered, span.expected) == (Change.DELETED, "", "and")
    assert span.start == span.end == len(REPLY) - len(" and you.")


def test_the_last_word_of_a_reply_that_was_cut_at_its_length_can_be_repaired() -> None:
    edited = REPLY[: REPLY.index(" friends")].replace("good", "bad")
    [span] = spans(edited, finish=FinishReason.LENGTH)
    assert (span.change, span.delivered, span.expected) == (Change.REPLACED, "bad", "good")


def test_a_reply_of_another_model_is_one_unresolved_span() -> None:
    reply = "You should xyzzy plugh frotz gnusto rezrov nitfol."
    [span] = spans(reply)
    assert (span.change, span.delivered) == (Change.UNRESOLVED, "xyzzy plugh frotz gnusto rezrov nitfol.")


def test_without_steps_everything_from_the_first_excess_on_is_unresolved() -> None:
    [span] = spans(REPLY.replace("good", "bad"), steps=0)
    assert span.change is Change.UNRESOLVED
    assert span.start == REPLY.index("good")
    assert span.end == len(REPLY) - 1


def test_when_a_repaired_reply_is_too_long_for_the_model_the_reply_is_flagged_all_the_same() -> None:
    edited = REPLY.removesuffix(" and you.")
    model = Parrot((TEXT,), more=EDITORS_WORDS, context=len(MODEL.encode(edited)) + 1)
    [span] = spans(edited, model)
    assert span.change in {Change.DELETED, Change.UNRESOLVED}


def test_the_alternatives_are_other_words_and_at_most_four() -> None:
    model = Parrot((TEXT,), more=EDITORS_WORDS, rivals={" good": (" close", 2.0)})
    [span] = spans(REPLY.replace("good", "bad"), model)
    assert span.alternatives[0] == "close"
    assert len(span.alternatives) <= 4
    assert not {"good", "bad"} & set(span.alternatives)
    assert span.gap > 10
