"""What people may do about an incident, and that nobody can bend its life."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.builders import at, conclusion, finding, person, recovery
from watchdog.domain.actors import Actor
from watchdog.domain.findings import Severity
from watchdog.domain.incidents import (
    EventKind,
    Incident,
    IncidentEvent,
    IncidentState,
    RefusedError,
    absorb,
    acknowledge,
    approve,
    close,
    recover,
)

ADA, BOB = person("Ada", uid=1000), person("Bob", uid=1001)


def _opened(severity: Severity = Severity.ERROR) -> Incident:
    return absorb(None, finding(severity=severity)).incident


def _proposed() -> Incident:
    return close(_opened(Severity.CRITICAL), conclusion(by=ADA, seconds=10)).incident


def _approve(it: Incident, *, by: Actor, now: datetime) -> IncidentEvent:
    """Approve what is proposed now."""
    return approve(it, "0" * 12 if it.proposal is None else it.proposal.digest[:12], by=by, now=now)


def test_whoever_acknowledges_last_looks_into_it() -> None:
    first = acknowledge(_opened(), by=ADA, now=at(10), note="on it")
    second = acknowledge(first.incident, by=BOB, now=at(20))

    assert (first.kind, first.actor, first.note) == (EventKind.ACKNOWLEDGED, ADA, "on it")
    assert (second.incident.acknowledged_by, second.incident.acknowledged_at) == (BOB, at(20))
    assert first.id != second.id
    assert not first.pages


def test_a_recovered_incident_may_still_be_acknowledged_and_closed() -> None:
    recovered = recover(_opened(), recovery()).incident
    looked_at = acknowledge(recovered, by=ADA, now=at(70)).incident
    assert looked_at.state is IncidentState.RECOVERED
    assert close(looked_at, conclusion(by=ADA)).incident.state is IncidentState.CLOSED


def test_one_person_closes_what_is_not_critical() -> None:
    closed = close(_opened(), conclusion(by=ADA, seconds=10))
    assert closed.kind is EventKind.CLOSED
    assert closed.incident.conclusion == conclusion(by=ADA, seconds=10)
    assert closed.incident.proposal is None


def test_a_closing_pages_only_when_the_incident_was_still_open() -> None:
    assert close(_opened(), conclusion()).pages
    assert not close(recover(_opened(), recovery()).incident, conclusion()).pages
    assert not close(_opened(Severity.CRITICAL), conclusion()).pages


def test_a_critical_incident_is_closed_when_a_second_person_approves() -> None:
    proposed = _proposed()
    assert (proposed.state, proposed.conclusion) == (IncidentState.OPEN, None)
    approved = _approve(proposed, by=BOB, now=at(20))

    assert approved.kind is EventKind.CLOSED
    assert approved.incident.conclusion == replace(conclusion(by=ADA, seconds=10), approved_by=BOB)
    assert approved.incident.proposal is None


def test_what_was_critical_once_stays_a_matter_for_two() -> None:
    critical = absorb(_opened(), finding(severity=Severity.CRITICAL, seconds=1)).incident
    milder = absorb(critical, finding(severity=Severity.INFO, seconds=2)).incident
    assert close(milder, conclusion(seconds=9)).kind is EventKind.CLOSE_PROPOSED


@pytest.mark.parametrize(
    ("approver", "why"),
    [
        (person("Ada", uid=1001), "both are called"),
        (person(" ada", uid=1001), "both are called"),
        (person("A\N{SOFT HYPHEN}da", uid=1001), "both are called"),
        (person("\N{FULLWIDTH LATIN CAPITAL LETTER A}DA", uid=1001), "both are called"),
        (person("Bob", uid=1000), "one account"),
        (person("Bob", uid=0, login=1000), "one account"),
    ],
)
def test_nobody_approves_their_own_proposal_under_another_name(approver: Actor, why: str) -> None:
    with pytest.raises(RefusedError, match=why) as caught:
        _approve(_proposed(), by=approver, now=at(20))
    assert "account of their own" in caught.value.hint


def test_two_people_who_both_became_root_are_two_people_where_the_kernel_knows_who_logged_in() -> None:
    proposed = close(_opened(Severity.CRITICAL), conclusion(by=person("Ada", uid=0, login=1000))).incident
    assert _approve(proposed, by=person("Bob", uid=0, login=1001), now=at(999)).kind is EventKind.CLOSED
    with pytest.raises(RefusedError):
        _approve(proposed, by=person("Bob", uid=0), now=at(999))


def test_a_finding_voids_the_proposal_and_the_approver_hears_of_it() -> None:
    later = absorb(_proposed(), finding(severity=Severity.CRITICAL, seconds=60)).incident
    assert (later.proposal, later.voided_at) == (None, at(60))
    with pytest.raises(RefusedError, match=r"a finding of .* came after it, and voided it") as caught:
        _approve(later, by=BOB, now=at(70))
    assert "incidents close" in caught.value.hint

    again = close(later, conclusion(by=ADA, seconds=80)).incident
    assert again.voided_at is None
    assert _approve(again, by=BOB, now=at(90)).kind is EventKind.CLOSED


def test_without_a_proposal_there_is_nothing_to_approve() -> None:
    with pytest.raises(RefusedError, match=r"has no proposed closing$"):
        _approve(_opened(Severity.CRITICAL), by=BOB, now=at(1))


def test_a_later_proposal_takes_the_place_of_the_one_before() -> None:
    second = close(_proposed(), conclusion(by=BOB, seconds=30)).incident
    assert second.proposal == conclusion(by=BOB, seconds=30)
    assert _approve(second, by=ADA, now=at(40)).kind is EventKind.CLOSED


@pytest.mark.parametrize("change", [{"root_cause": "another"}, {"references": ("T-9",)}, {"affected": "all of them"}])
def test_an_approval_is_of_the_text_that_was_read_and_of_no_later_one(change: dict[str, object]) -> None:
    read = _proposed()
    assert read.proposal is not None
    digest = read.proposal.digest
    changed = close(read, replace(read.proposal, **change)).incident  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="is not the closing that is proposed") as caught:
        approve(changed, digest, by=BOB, now=at(50))
    assert "incidents show" in caught.value.hint
    closed = approve(read, digest[:12], by=BOB, now=at(50)).incident
    assert closed.conclusion is not None
    assert closed.conclusion.digest == digest


@pytest.mark.parametrize("read", ["", "0" * 64, "\x1b[31m"])
def test_an_approval_names_a_proposal(read: str) -> None:
    proposed = _proposed()
    assert proposed.proposal is not None
    for name in (read, proposed.proposal.digest[:11]):
        with pytest.raises(RefusedError, match="is not the closing") as caught:
            approve(proposed, name, by=BOB, now=at(50))
        assert "\x1b" not in str(caught.value)


def test_a_closed_incident_is_done_with_and_the_next_finding_is_another_one() -> None:
    closed = close(_opened(), conclusion(by=ADA)).incident
    for step in (
        lambda: acknowledge(closed, by=BOB, now=at(99)),
        lambda: close(closed, conclusion(by=BOB)),
        lambda: _approve(closed, by=BOB, now=at(99)),
        lambda: recover(closed, recovery()),
    ):
        with pytest.raises(ValueError, match="closed"):
            step()
    again = absorb(closed, finding(seconds=500))
    assert again.kind is EventKind.OPENED
    assert again.incident.id != closed.id


def test_a_late_finding_of_the_very_instant_of_the_first_does_not_reopen_the_closed_one() -> None:
    opened = absorb(None, finding(evidence=("a",))).incident
    closed = close(opened, conclusion()).incident
    assert absorb(closed, finding(evidence=("b",))).incident.id != closed.id


@given(st.text(alphabet=st.characters(), max_size=40))
def test_a_name_is_a_text_or_it_is_refused(name: str) -> None:
    try:
        actor = Actor(name=name, uid=0)
    except ValueError:
        return
    assert actor.name.strip()
    assert "\0" not in actor.name
    actor.name.encode()


class Life(RuleBasedStateMachine):
    """Findings, recoveries and three people, in any order: the incident never leaves the legal states."""

    people = (ADA, BOB, person("Ada", uid=1002), person("Cyd", uid=1000))

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0
        self.events: list[IncidentEvent] = []

    @initialize(severity=st.sampled_from(Severity))
    def opens(self, severity: Severity) -> None:
        self._note(absorb(None, finding(severity=severity)))

    @property
    def current(self) -> Incident:
        return self.events[-1].incident

    def _now(self) -> int:
        self.seconds += 1
        return self.seconds

    def _note(self, event: IncidentEvent) -> None:
        self.events.append(event)

    @precondition(lambda self: self.current.state is IncidentState.OPEN)
    @rule(severity=st.sampled_from(Severity))
    def sees(self, severity: Severity) -> None:
        self._note(absorb(self.current, finding(severity=severity, seconds=self._now())))

    @rule()
    def recovers(self) -> None:
        was = self.current.state
        try:
            self._note(recover(self.current, recovery(seconds=self._now())))
        except ValueError:
            assert was is not IncidentState.OPEN
        else:
            assert was is IncidentState.OPEN

    @rule(who=st.sampled_from(people), what=st.sampled_from(["acknowledge", "close", "approve"]))
    def acts(self, who: Actor, what: str) -> None:
        before, now = self.current, at(self._now())
        try:
            match what:
                case "acknowledge":
                    self._note(acknowledge(before, by=who, now=now))
                case "close":
                    self._note(close(before, replace(conclusion(), by=who, concluded_at=now)))
                case _:
                    self._note(_approve(before, by=who, now=now))
        except RefusedError:
            assert self.current == before
            mistaken = before.proposal is None or before.proposal.by.same_as(who)
            assert before.state is IncidentState.CLOSED or (what == "approve" and mistaken)
            return
        assert before.state is not IncidentState.CLOSED

    @invariant()
    def state_and_conclusion_agree(self) -> None:
        for event in self.events:
            it = event.incident
            assert (it.state is IncidentState.CLOSED) == (it.conclusion is not None)
            assert it.conclusion is None or it.proposal is None
            if it.conclusion is not None and it.severity is Severity.CRITICAL:
                assert it.conclusion.approved_by is not None
                assert not it.conclusion.approved_by.same_as(it.conclusion.by)

    @invariant()
    def nothing_follows_a_closing_and_no_two_steps_share_an_id(self) -> None:
        kinds = [it.kind for it in self.events]
        assert EventKind.CLOSED not in kinds[:-1]
        assert len({it.id for it in self.events}) == len(self.events)
        assert len({it.incident.id for it in self.events}) <= 1

    @invariant()
    def severity_never_falls(self) -> None:
        ranks = [it.incident.severity.rank for it in self.events]
        assert ranks == sorted(ranks)


TestLife = Life.TestCase


def test_the_time_of_a_step_is_part_of_its_name() -> None:
    opened = _opened()
    early, late = (acknowledge(opened, by=ADA, now=at(1) + timedelta(microseconds=it)) for it in (0, 1))
    assert early.id != late.id
