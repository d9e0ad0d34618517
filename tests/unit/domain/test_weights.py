"""The files of a model as values."""

from hypothesis import given
from hypothesis import strategies as st

from watchdog.domain.weights import Difference, WeightsFile, difference, digest_of

names = st.text("abc/.", min_size=1, max_size=5)
files = st.dictionaries(names, st.sampled_from(["0" * 64, "1" * 64])).map(
    lambda it: tuple(WeightsFile(path=path, sha256=sha256) for path, sha256 in it.items())
)


@given(files, files)
def test_the_digest_is_the_same_exactly_where_nothing_differs(
    one: tuple[WeightsFile, ...], other: tuple[WeightsFile, ...]
) -> None:
    assert (digest_of(one) == digest_of(other)) == (not difference(one, other))


@given(files)
def test_the_order_of_the_files_and_where_links_lead_do_not_count(of: tuple[WeightsFile, ...]) -> None:
    linked = tuple(WeightsFile(path=it.path, sha256=it.sha256, link="/elsewhere") for it in reversed(of))
    assert digest_of(linked) == digest_of(of)
    assert not difference(of, linked)


@given(files, files)
def test_what_is_missing_one_way_is_added_the_other_way(
    one: tuple[WeightsFile, ...], other: tuple[WeightsFile, ...]
) -> None:
    there, back = difference(one, other), difference(other, one)
    assert (there.missing, there.added, there.changed) == (back.added, back.missing, back.changed)


def test_a_difference_names_five_files_of_each_kind_and_counts_the_rest() -> None:
    named = str(Difference(changed=("a", "b", "c", "d", "e", "f", "g"), added=("x",)))
    assert named == "changed: a, b, c, d, e and 2 more; added: x"
