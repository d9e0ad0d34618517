from hypothesis import given
from hypothesis import strategies as st

from detectors.clients.folding import MOST, digest, folded, near, sketch, window, words


def name(text: str) -> bytes:
    return digest(folded(window(text)))


def test_a_retry_is_the_same_request() -> None:
    assert name("Summarise invoice 4711.") == name("summarise  invoice\t4712")
    assert name("Trace 0f3a9c: why?") == name("Trace bb12e0: why?")


def test_other_words_are_another_request() -> None:
    assert name("Summarise this invoice.") != name("Translate this invoice.")


@given(st.text(max_size=200))
def test_every_text_has_a_name_and_words(text: str) -> None:
    assert len(name(text)) == 8
    assert words(window(text)) == words(window(text))


def test_lone_surrogates_do_no_harm() -> None:
    assert len(name("\ud800 hello \udfff")) == 8


def test_of_a_long_text_both_ends_are_looked_at() -> None:
    filling = "x" * 2 * MOST
    assert len(window(filling)) <= MOST + 1
    assert name(f"hello {filling}") != name(f"howdy {filling}")
    assert name(f"{filling} hello") != name(f"{filling} howdy")


def test_sketches_of_near_duplicates_are_near_and_of_others_are_not() -> None:
    text = " ".join(f"word{number}" for number in range(60)).split()
    changed = [*text[:30], "other", *text[31:]]
    others = [f"thing{number}" for number in range(60)]
    one, other, unlike = (sketch([it.encode() for it in them]) for them in (text, changed, others))
    assert near(one, other)
    assert not near(one, unlike)


def test_nothing_has_a_sketch_too() -> None:
    assert sketch([]) == 0
