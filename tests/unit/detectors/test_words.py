from hypothesis import given
from hypothesis import strategies as st

from detectors.divergence.words import words


def test_a_word_keeps_its_apostrophe_and_hyphen_and_leaves_punctuation_alone() -> None:
    assert [word.text for word in words("Don\u2019t re-use it, it's unsafe.")] == [
        "Don\u2019t", "re-use", "it", ",", "it's", "unsafe", ".",
    ]  # fmt: skip


def test_marks_of_emphasis_are_not_part_of_the_word() -> None:
    assert [word.text for word in words("_very_ **safe**")] == ["_", "very", "_", "**", "safe", "**"]


@given(st.text())
def test_the_pieces_give_the_text_back_up_to_its_last_white_space(text: str) -> None:
    assert "".join(word.piece for word in words(text)) == text.rstrip()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_word_is_where_it_says_in_characters_and_in_bytes(text: str) -> None:
    for word in words(text):
        assert text[word.start : word.end] == word.text
        assert text.encode()[word.at : word.stop].decode() == word.piece
