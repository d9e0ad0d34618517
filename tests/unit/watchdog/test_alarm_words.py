"""What an alarm says to people: plain, redacted, and nothing in it that does anything to a terminal."""

import doctest
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.alarms import ANY_ALARM, HOSTILE, alarm
from tests.builders import at
from watchdog import alarm_words
from watchdog.alarm_view import headline, print_alarm
from watchdog.domain import times
from watchdog.domain.findings import Severity, Suspect
from watchdog.domain.incidents import absorb
from watchdog.domain.queries import Alarm, EvidencePoint
from watchdog.domain.text import printable
from watchdog.incident_view import print_incident
from watchdog.redaction import redacted
from watchdog.sparkline import points, spark

STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves a cursor, colours or turns a line; a line feed ends a line and is ours."""


def _printed(it: Alarm, *, show_text: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors="strict" if encoding == "utf-8" else "replace")
    console = Console(file=file, width=100, highlight=False)
    console.print(headline(it))
    print_alarm(it, console, show_text=show_text)
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (2.5, "at most 2.5 tickets like this in a week by chance"),
        (1.0, "at most 1 ticket like this in a week by chance"),
        (0.125, "at most 1 ticket like this in 8 weeks by chance"),
        (1 / 522, "at most 1 ticket like this in 10 years by chance"),
        (0.0, "no ticket like this by chance"),
    ],
)
def test_expected_false_alarms_are_said_in_the_unit_that_fits(expected: float, said: str) -> None:
    assert alarm_words.how_often(expected, "ticket") == said


def test_the_examples_in_the_docstrings_are_true() -> None:
    for module in (alarm_words, times):
        assert doctest.testmod(module).failed == 0


def test_an_alarm_is_explained_in_the_order_in_which_it_is_asked_about() -> None:
    text = _printed(alarm())
    order = ["TICKET", "key-17", "9 of 11", "most alike", "\nWho", "Since", "Evidence", "▁", "\nWhat now", "Promise"]
    order += ["8 weeks", "Blind", "key_sharing: address", "\nrefused requests", "characters in a prompt", "[e-mail]"]
    places = [text.index(word) for word in order]
    assert places == sorted(places), list(zip(order, places, strict=True))
    assert "bob@example.com" not in text


def test_the_clients_text_is_shown_whole_only_when_that_is_asked_for() -> None:
    assert "bob@example.com" in _printed(alarm(), show_text=True)


def test_a_terminal_without_unicode_gets_a_line_of_ascii() -> None:
    text = _printed(alarm(), encoding="ascii")
    assert re.search(r"Evidence +[._=+*#@-]+ ", text)


def test_an_incident_about_a_client_shows_its_newest_alarm() -> None:
    made = [absorb(None, alarm_words.finding(alarm(), ("a1",)))]
    page = io.StringIO()
    console = Console(file=page, width=100, highlight=False)
    print_incident(made[0].incident, made, (), console, alarms=[alarm(), alarm(evidence=9e9)])
    text = page.getvalue()
    said = ("OPEN", "key-17", "most alike", "Since", "9e+09", "[e-mail]", "What now", "newest of 2 alarms", "opened")
    for told in said:
        assert told in text
    assert "bob@example.com" not in text


def test_an_erased_example_says_so() -> None:
    assert "it was erased" in _printed(alarm(text=""))


def test_the_finding_of_an_alarm_names_the_client_and_holds_nothing_it_wrote() -> None:
    secret = "a very particular sentence"
    made = alarm_words.finding(alarm(text=secret, severity=Severity.CRITICAL), ("a1",))
    assert (made.subject, made.suspect, made.severity) == ("gateway/key-17", Suspect.CLIENT, Severity.CRITICAL)
    assert secret not in repr(made)
    assert "page like this" in made.promise


@settings(deadline=None, max_examples=60)
@given(ANY_ALARM)
def test_nothing_in_an_alarm_steers_a_terminal(it: Alarm) -> None:
    for show_text in (False, True):
        assert not STEERING.search(_printed(it, show_text=show_text))


@settings(deadline=None, max_examples=60)
@given(ANY_ALARM)
def test_every_finding_of_an_alarm_fits_in_a_page_of_plain_lines(it: Alarm) -> None:
    made = alarm_words.finding(it, ("a1",))
    for said in (made.attribution, made.promise, made.next_step):
        assert not STEERING.search(printable(said, 2000))
        assert "\n" not in printable(said, 2000)


PRIVATE = st.sampled_from(
    [
        ("bob.o'neil+x@mail.example.co.uk", "mail.example"),
        ("bob (at) example.com", "example.com"),
        ("b\u200bob@exam\u200bple.com", "ple.com"),
        ("+49 (0)30 1234-5678", "1234"),
        ("4111 1111 1111 1111", "4111"),
        ("sk-proj-Abcdefgh1234567890", "Abcdefgh"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "c2lnb"),
        ("Bearer abcdef.ghijkl", "ghijkl"),
        ("password: hunter2", "hunter2"),
        ("my password is hunter2", "hunter2"),
        ("https://x.example/a?token=abc&b=1", "abc"),
        ("https://user:pass@x.example/", "user:pass"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "MIIEvQ"),
    ]
)


@given(PRIVATE, st.text("abc xyz.,!", max_size=40), st.text(" abc.,", max_size=40))
def test_what_names_a_person_or_opens_a_door_is_blacked_out(private: tuple[str, str], before: str, after: str) -> None:
    text, secret = private
    assert secret not in redacted(f"{before} {text} {after}", 400)


def test_ordinary_words_stay() -> None:
    said = "Summarise RFC 9110 in one line, well-known as state-of-the-art-documentation-of-protocols, by 2027."
    assert redacted(said) == said


@given(HOSTILE, st.integers(2, 300))
def test_redacted_text_is_one_short_harmless_line(text: str, limit: int) -> None:
    shown = redacted(text, limit)
    assert len(shown) <= limit
    assert not STEERING.search(shown)
    assert "\n" not in shown


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300), st.integers(1, 80))
def test_a_sparkline_is_never_wider_than_asked_and_keeps_its_peak(values: list[float], width: int) -> None:
    line = spark(values, width=width)
    assert len(line) == min(len(values), width)
    if any(value > 1 for value in values):
        assert "█" in line


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(allow_nan=True, allow_infinity=True)), max_size=64),
    st.floats(allow_nan=True, allow_infinity=True),
)
def test_a_drawn_path_stays_inside_its_box(drawn: list[tuple[int, float]], threshold: float) -> None:
    path = [EvidencePoint(at=at(seconds), evidence=value) for seconds, value in sorted(drawn, key=lambda it: it[0])]
    line, limit = points(path, threshold, (640.0, 120.0))
    for point in line.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= 640
        assert 0 <= y <= 120
    assert 0 <= limit <= 120
