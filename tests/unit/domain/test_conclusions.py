"""What a conclusion has to say, and what it may not hold."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.codec import decode, encode
from tests.builders import at, conclusion, finding
from watchdog.domain.conclusions import Conclusion, Disposition
from watchdog.domain.decisions import IncidentChanged
from watchdog.domain.findings import Finding, Severity
from watchdog.domain.incidents import absorb, close


@pytest.mark.parametrize("text", ["false-alarm", "false_alarm", " False-Alarm "])
def test_a_disposition_is_read_as_people_type_it(text: str) -> None:
    assert Disposition.parse(text) is Disposition.FALSE_ALARM


def test_an_unknown_disposition_is_told_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="false-alarm, expected-change, drill"):
        Disposition.parse("wontfix")


@pytest.mark.parametrize("missing", ["corrective_action", "affected_from", "affected_to", "known_at"])
def test_a_true_one_says_what_was_done_and_when(missing: str) -> None:
    with pytest.raises(ValueError, match=missing.replace("_", " ")):
        conclusion(disposition=Disposition.TRUE, **{missing: None if missing != "corrective_action" else " "})


def test_of_a_false_alarm_only_the_cause_is_asked() -> None:
    it = Conclusion(
        disposition=Disposition.FALSE_ALARM, root_cause="tau was too small", by=conclusion().by, concluded_at=at(0)
    )
    assert it.row()["affected_from"] is None
    with pytest.raises(ValueError, match="root cause"):
        conclusion(root_cause=" \n ")


def test_times_are_in_order_aware_and_not_in_the_future() -> None:
    with pytest.raises(ValueError, match="lies after affected to"):
        conclusion(affected_from=at(5), affected_to=at(4))
    with pytest.raises(ValueError, match="after the conclusion itself"):
        conclusion(known_at=at(1e6))
    with pytest.raises(ValueError, match="time zone"):
        conclusion(affected_from=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    elsewhere = at(4).astimezone(timezone(timedelta(hours=5)))
    assert conclusion(known_at=elsewhere).known_at == at(4)


@pytest.mark.parametrize("text", ["a\0b", "a\x1b[2J", "a\ud800b", "x" * 4001])
def test_what_is_no_text_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="root cause"):
        conclusion(root_cause=text)


def test_lines_and_every_script_are_kept_as_typed() -> None:
    text = "first line\nسطر ثان\n\N{ZERO WIDTH NON-JOINER}می\N{ZERO WIDTH NON-JOINER}روم"
    assert conclusion(root_cause=text).root_cause == text


def test_too_many_references_are_refused_and_empty_ones_dropped() -> None:
    assert conclusion(references=(" ", "T-1")).references == ("T-1",)
    with pytest.raises(ValueError, match="references"):
        conclusion(references=("T",) * 21)


@given(cause=st.text(max_size=60), affected=st.text(max_size=30), references=st.lists(st.text(max_size=9), max_size=3))
def test_what_is_accepted_comes_back_from_its_leaf_unchanged(cause: str, affected: str, references: list[str]) -> None:
    try:
        it = conclusion(root_cause=cause, affected=affected, references=tuple(references))
    except ValueError:
        return
    event = close(absorb(None, finding()).incident, it)
    decision = IncidentChanged(at=event.at, event=event)
    assert decode(encode(decision), index=0) == decision


def test_a_findings_id_is_its_source() -> None:
    first = finding(evidence=("a", "b"))
    assert first.id == finding(evidence=("b", "a"), seconds=60).id
    assert len(first.id) == 64
    others = [
        finding(evidence=("a",)),
        finding(evidence=("a", "b"), subject="u"),
        finding(evidence=("a", "b"), rule="correction.stop"),
        finding(evidence=("a", "b"), severity=Severity.INFO),
        finding(seconds=1),
        finding(seconds=2),
    ]
    assert len({it.id for it in (first, *others)}) == 7


def test_the_id_of_a_finding_is_the_documented_hash() -> None:
    import hashlib

    it: Finding = finding(evidence=("b", "a"))
    source = b'["divergence.gap","t","error",["a","b"]]'
    assert it.id == hashlib.sha256(source).hexdigest()
