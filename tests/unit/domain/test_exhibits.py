from hypothesis import given
from hypothesis import strategies as st

from watchdog.domain.exhibits import Exhibit


@given(st.binary(max_size=200))
def test_an_exhibit_names_its_body_and_no_other(body: bytes) -> None:
    exhibit = Exhibit.of(body)
    assert exhibit.names(body)
    assert not exhibit.names(body + b"\0")
    assert (exhibit.size, exhibit.body) == (len(body), body)


def test_an_exhibit_read_back_from_a_leaf_is_the_one_that_was_made() -> None:
    made = Exhibit.of(b"scores")
    assert Exhibit(digest=made.digest, size=made.size) == made
    assert "scores" not in repr(made)
