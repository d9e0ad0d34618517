"""What `incidents show` tells a person: which words, how sure, why it is no noise, and what to do."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.builders import compared, conclusion, finding, judged, person, span
from watchdog.certainty import MARKED, why_not_noise
from watchdog.domain.comparisons import Change, Comparison, SideCheck
from watchdog.domain.decisions import Compared
from watchdog.domain.exchanges import ChannelRole, Reason, Unsaid
from watchdog.domain.findings import NegativeControl, Severity, odds
from watchdog.domain.incidents import IncidentEvent, absorb, close
from watchdog.domain.logprobs import LogprobComparison, Parting
from watchdog.incident_view import print_incident
from watchdog.listing_findings import LOGPROBS, TOKEN_STREAM
from watchdog.rules import CONTROL, EDITED, REFERENCE, UNSPELLABLE

DIRECT, REFERENCE_CHANNEL = ChannelRole.DIRECT, ChannelRole.REFERENCE
CONTROLLED = NegativeControl(channel=DIRECT, hits=0, trials=24, evidence_value=0.3)


def shown(event: IncidentEvent, *evidence: Compared, width: int = 200) -> str:
    out = io.StringIO()
    print_incident(event.incident, [event], evidence, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def opened(rule: str = EDITED) -> IncidentEvent:
    return absorb(None, replace(finding(rule=rule, severity=Severity.CRITICAL), control=CONTROLLED))


def side(of: ChannelRole, under: ChannelRole, gap: float) -> SideCheck:
    return SideCheck(of=of, under=under, comparison=Comparison(gap=gap, tau=0.5, tokens=4, spans=()), reason=None)


def test_who_how_sure_why_it_is_no_noise_the_control_and_what_to_do_stand_in_this_order_above_the_evidence() -> None:
    text = shown(opened(), compared())
    facts = ("OPEN  critical", "replies are edited", "Suspect", "Who", "Since", "How sure", "Not noise", "Control")
    places = [text.index(it) for it in (*facts, "What now", "Promise", "Question q1", "opened")]
    assert places == sorted(places)
    assert "evidence 1,230 to 1 against `all is well`" in text
    assert "0 of 24 flagged, evidence 0.3 to 1" in text


def test_edited_words_are_marked_in_the_reply_with_what_the_model_says_and_other_words_it_finds_likely() -> None:
    text = shown(opened(), compared())
    assert "Delivered  It is [risky]." in text
    row = next(line for line in text.splitlines() if line.startswith("risky"))
    assert row.split() == ["risky", "safe", "fine", "5.0"]
    assert "gap, nats" in text


def test_a_missing_word_is_marked_where_it_is_missing() -> None:
    gone = replace(span(delivered="", expected="not"), start=6, end=6, change=Change.DELETED)
    it = compared(reply="It is safe.")
    assert it.comparison is not None
    text = shown(opened(), replace(it, comparison=replace(it.comparison, spans=(gone,))))
    assert "It is [missing]safe." in text
    assert "(nothing)" in text


def test_how_far_marked_words_can_be_trusted_is_told_once_where_there_are_any() -> None:
    text = " ".join(shown(opened(), compared("a"), compared("b")).split())
    assert text.count(MARKED) == 1
    assert MARKED not in " ".join(shown(opened(), compared(gap=0.1)).split())


def test_the_measured_share_of_marked_words_is_the_published_one() -> None:
    published = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for figure in re.findall(r"\d+ of \d+", MARKED):
        assert figure in published


def test_a_conversation_longer_than_the_context_is_told() -> None:
    it = compared()
    assert it.comparison is not None
    text = shown(opened(), replace(it, comparison=replace(it.comparison, windowed=True)))
    assert "longer than the direct model's context: scored through windows" in text


def test_the_control_of_each_question_is_told_beside_it() -> None:
    unmeasured = SideCheck(of=DIRECT, under=DIRECT, comparison=None, reason=Reason.TIMED_OUT)
    text = shown(
        opened(),
        replace(compared("a"), sides=(side(DIRECT, DIRECT, 0.02), side(DIRECT, REFERENCE_CHANNEL, 4.0))),
        replace(compared("b"), sides=(unmeasured,)),
    )
    assert "Control    the direct channel's own reply: not flagged, largest gap 0.02 nats, 0.50 are allowed" in text
    assert "Beside it  the direct channel's own reply under the reference model: FLAGGED" in text
    assert "Control    the direct channel's own reply: not measured (timed_out)" in text


def test_both_checks_of_a_list_are_told() -> None:
    parting = Parting(start=6, delivered="risky.", listed="safe.")
    said = LogprobComparison(
        unsaid=None, reason=None, tokens=4, spelled=False, parting=parting, largest=3.0, mean=0.7, distance=3.0, tau=0.5
    )
    text = shown(opened(), replace(compared(), logprobs=said))
    assert "Its tokens  spell 'safe.' where 'risky.' was delivered" in text
    assert "Its numbers  FLAGGED, 3.00 nats from the direct model's, 0.50 are allowed" in text
    unusable = LogprobComparison(unsaid=Unsaid.NO_PROBABILITIES, reason=None)
    assert "no usable list (no_probabilities)" in shown(opened(), replace(compared(), logprobs=unusable))


def test_a_reply_that_was_not_compared_is_shown_with_its_reason() -> None:
    it = replace(compared(reply="It is \U000f1234."), comparison=None, reason=Reason.UNSPELLABLE)
    assert "Delivered  not measured (unspellable): It is \ufffd." in shown(opened(UNSPELLABLE), it)


def test_what_models_and_receivers_wrote_cannot_steer_the_terminal() -> None:
    it = replace(compared(reply="It is risky\x1b[2J\u202e."), direct_reply="\x1b]0;owned\x07", prompt="\x9b31m")
    text = shown(opened(), it)
    assert not set(text) & {"\x1b", "\u202e", "\x07", "\x9b"}


def test_a_proposed_closing_is_shown_whole_with_what_its_approval_has_to_name() -> None:
    reason = "a word list. " * 250
    event = close(opened().incident, conclusion(root_cause=reason, by=person()))
    assert event.incident.proposal is not None
    text = shown(event)
    assert " ".join(text.split()).count("a word list.") == 250
    assert f"approve {event.incident.id[:8]} --proposal {event.incident.proposal.digest[:12]}\n" in shown(
        event, width=60
    )


@pytest.mark.parametrize("rule", [EDITED, REFERENCE, CONTROL])
def test_a_gap_is_told_in_nats_and_as_a_factor_beside_what_is_allowed(rule: str) -> None:
    sides = (side(DIRECT, DIRECT, 5.0), side(DIRECT, REFERENCE_CHANNEL, 5.0))
    told = why_not_noise(rule, [replace(compared(gap=5.0), sides=sides), compared(gap=0.2)])
    assert told is not None
    assert "up to 5.0 nats" in told
    assert "148 times less likely" in told
    assert "0.50 nats, a factor of 1.6" in told


def test_rules_that_count_say_why_that_is_enough_and_others_say_nothing() -> None:
    assert "the same bytes" in str(why_not_noise(TOKEN_STREAM, []))
    assert "a byte of one of its tokens" in str(why_not_noise(UNSPELLABLE, []))
    assert "control arm" in str(why_not_noise("correction.stop", [judged()]))
    numbers = LogprobComparison(unsaid=None, reason=None, tokens=3, largest=2.0, mean=0.3, distance=2.0, tau=0.5)
    assert "up to 2.00 nats" in str(why_not_noise(LOGPROBS, [replace(compared(), logprobs=numbers)]))
    assert why_not_noise(LOGPROBS, []) is None
    assert why_not_noise(EDITED, [compared(gap=0.1)]) is None
    assert why_not_noise("blind", []) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.234, "0.23"), (7.1, "7.1"), (164.5, "164"), (51_372.0, "51,400"), (999_999_999.0, "1,000,000,000")],
)
def test_odds_have_the_digits_that_people_read(value: float, text: str) -> None:
    assert odds(value) == text
    assert odds(3e15) == "10^15"
