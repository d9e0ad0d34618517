"""The table that says who did it: total, with one answer for everything, and one row that beats all others."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog.attribution import Signs, attribute
from watchdog.domain.departures import Departure
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import Suspect

DIRECT, DELIVERED, REFERENCE = ChannelRole.DIRECT, ChannelRole.DELIVERED, ChannelRole.REFERENCE
BOTH = frozenset({DIRECT, DELIVERED})

roles = st.frozensets(st.sampled_from(ChannelRole))
any_signs = st.builds(
    Signs,
    unreachable=st.booleans(),
    control=st.booleans(),
    yardstick=st.sampled_from([DIRECT, REFERENCE]),
    departure=st.sampled_from(Departure),
    calls=st.sampled_from(Departure),
    other_id=st.booleans(),
    reference=st.sampled_from([None, False, True]),
    changed=roles,
    resists=roles,
    complies=roles,
)


def only(*channels: ChannelRole) -> frozenset[ChannelRole]:
    return frozenset(channels)


@given(any_signs)
def test_every_combination_of_signs_names_one_suspect_and_says_why(signs: Signs) -> None:
    who = attribute(signs)
    assert isinstance(who.suspect, Suspect)
    assert who.sentence.startswith(who.why)
    assert who.why.endswith(".")


@given(any_signs)
def test_a_flagged_control_always_means_the_watchdog_itself(signs: Signs) -> None:
    assert attribute(dataclasses.replace(signs, control=True)).suspect is Suspect.OURSELVES


@given(any_signs)
def test_nobody_is_suspected_exactly_where_nothing_is_off(signs: Signs) -> None:
    quiet = (
        not signs.control
        and not signs.unreachable
        and signs.departure is Departure.NONE
        and signs.calls is Departure.NONE
        and signs.reference is not True
        and not signs.changed
        and not signs.resists
    )
    assert (attribute(signs).suspect is Suspect.NOBODY) == quiet


@given(any_signs)
def test_a_wrapper_is_never_suspected_of_what_the_direct_channel_shows_too(signs: Signs) -> None:
    words = dataclasses.replace(signs, departure=Departure.NONE, calls=Departure.NONE)
    if attribute(words).suspect is Suspect.WRAPPER:
        assert DIRECT not in signs.resists
        assert signs.reference is not True


@pytest.mark.parametrize(
    ("signs", "suspect"),
    [
        (Signs(), Suspect.NOBODY),
        (Signs(unreachable=True), Suspect.OURSELVES),
        (Signs(departure=Departure.WORDS), Suspect.WRAPPER),
        (Signs(departure=Departure.WORDS, other_id=True), Suspect.WRAPPER),
        (Signs(departure=Departure.AFTER), Suspect.WRAPPER),
        (Signs(calls=Departure.WORDS), Suspect.WRAPPER),
        (Signs(calls=Departure.WORDS, other_id=True), Suspect.WRAPPER),
        (Signs(calls=Departure.WORDS, departure=Departure.WHOLE), Suspect.PROVIDER),
        (Signs(calls=Departure.WORDS, changed=only(DIRECT)), Suspect.DEPLOYED_MODEL),
        (Signs(calls=Departure.WHOLE, other_id=True), Suspect.PROVIDER),
        (Signs(calls=Departure.WHOLE), Suspect.UNKNOWN),
        (Signs(departure=Departure.WORDS, reference=True), Suspect.WRAPPER),
        (Signs(departure=Departure.WHOLE, other_id=True), Suspect.PROVIDER),
        (Signs(departure=Departure.WHOLE), Suspect.PROVIDER),
        (Signs(departure=Departure.WHOLE, reference=True), Suspect.DEPLOYED_MODEL),
        (Signs(departure=Departure.WHOLE, changed=only(DIRECT)), Suspect.DEPLOYED_MODEL),
        (Signs(yardstick=REFERENCE, departure=Departure.WHOLE), Suspect.PROVIDER),
        (Signs(yardstick=REFERENCE, departure=Departure.WORDS, reference=False), Suspect.WRAPPER),
        (Signs(yardstick=REFERENCE, departure=Departure.WORDS, reference=True), Suspect.DEPLOYED_MODEL),
        (Signs(reference=True), Suspect.DEPLOYED_MODEL),
        (Signs(reference=True, changed=only(REFERENCE)), Suspect.OURSELVES),
        (Signs(resists=BOTH), Suspect.MODEL),
        (Signs(resists=BOTH, complies=only(REFERENCE)), Suspect.DEPLOYED_MODEL),
        (Signs(resists=BOTH | {REFERENCE}), Suspect.MODEL),
        (Signs(resists=BOTH, changed=only(DIRECT)), Suspect.DEPLOYED_MODEL),
        (Signs(resists=only(DELIVERED), complies=only(DIRECT)), Suspect.WRAPPER),
        (Signs(resists=only(DELIVERED), complies=only(DIRECT, REFERENCE)), Suspect.WRAPPER),
        (Signs(resists=only(DELIVERED)), Suspect.UNKNOWN),
        (Signs(resists=only(DELIVERED), complies=only(REFERENCE)), Suspect.UNKNOWN),
        (Signs(resists=only(DELIVERED, REFERENCE)), Suspect.MODEL),
        (Signs(resists=only(DIRECT), complies=only(DELIVERED)), Suspect.MODEL),
        (Signs(resists=only(REFERENCE), complies=BOTH), Suspect.OURSELVES),
        (Signs(changed=only(DIRECT)), Suspect.DEPLOYED_MODEL),
        (Signs(changed=only(REFERENCE)), Suspect.OURSELVES),
    ],
)
def test_the_table(signs: Signs, suspect: Suspect) -> None:
    assert attribute(signs).suspect is suspect


def test_where_two_are_possible_both_are_named_with_what_would_tell_them_apart() -> None:
    sentence = attribute(Signs(departure=Departure.WHOLE)).sentence
    assert "rewrites whole replies" in sentence
    assert "second key" in sentence
