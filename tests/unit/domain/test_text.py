"""Text from the watched side is shown on one line, and cannot move anything on a screen."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from watchdog.domain.text import printable


@given(st.text(), st.integers(1, 50))
def test_whatever_comes_in_one_harmless_line_of_bounded_length_comes_out(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(alphabet=st.characters(categories=("L", "N", "P")), max_size=40))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert printable(text, 40) == text


def test_escape_sequences_and_reordering_marks_lose_their_power() -> None:
    assert printable("a\x1b[2Jb\u202ec\x00d") == "a\ufffd[2Jb\ufffdc\ufffdd"
    assert printable("two\nlines") == "two lines"
