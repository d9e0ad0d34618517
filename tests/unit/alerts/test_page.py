"""The page about a client of the API: whom, since when, how sure, what now; and not one word that the client wrote."""

import re

from hypothesis import given, settings

from alerts.page import page
from tests.alarms import ANY_ALARM, alarm
from watchdog import alarm_words
from watchdog.domain.findings import Severity
from watchdog.domain.incidents import absorb
from watchdog.domain.queries import Alarm


def _page(it: Alarm) -> str:
    return page(absorb(None, alarm_words.finding(it, ("a1",))))


def test_the_page_is_in_the_order_in_which_somebody_asks() -> None:
    text = _page(alarm(severity=Severity.CRITICAL))
    order = ["[OPEN] critical boundary_flood", "\nSuspect        client", "\nWho", "\nSince", "\nHow sure"]
    order += ["\nWhat now", "\nPromise", "1 page like this", "incidents show"]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    assert "key-17" in text
    assert "evidence 2,500,000\n" in text


def test_nothing_that_the_client_wrote_is_in_the_page() -> None:
    assert "grandmother" not in _page(alarm(text="my grandmother's secret", said="grandmother"))


@settings(deadline=None, max_examples=60)
@given(ANY_ALARM)
def test_no_name_adds_a_line_to_the_page_or_steers_what_shows_it(it: Alarm) -> None:
    text = _page(it)
    assert text.count("\n") == _page(alarm()).count("\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
