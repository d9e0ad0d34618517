"""The life of an incident, as pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import at, finding, recovery
from watchdog.domain.findings import Severity, fingerprint
from watchdog.domain.incidents import EventKind, Incident, IncidentEvent, IncidentState, absorb, recover
from watchdog.domain.notices import Notice


@given(st.lists(st.sampled_from(Severity), min_size=1, max_size=12))
def test_severity_only_rises_and_every_rise_is_told(severities: list[Severity]) -> None:
    current: Incident | None = None
    told: list[IncidentEvent] = []
    for second, severity in enumerate(severities):
        event = absorb(current, finding(severity=severity, seconds=second))
        assert current is None or event.incident.severity.rank >= current.severity.rank
        current = event.incident
        told += [event] if event.pages else []
    assert current is not None
    assert current.severity.rank == max(it.rank for it in severities)
    assert current.findings == len(severities)
    assert [it.incident.severity.rank for it in told] == sorted({it.incident.severity.rank for it in told})


def test_ids_of_events_differ_and_the_same_event_has_the_same_id() -> None:
    first = absorb(None, finding())
    second = absorb(first.incident, finding(seconds=1))
    assert first.id == absorb(None, finding()).id
    assert first.id != second.id
    assert Notice.of(first, "a").id == Notice.of(first, "a").id != Notice.of(first, "b").id


def test_only_an_open_incident_recovers() -> None:
    recovered = recover(absorb(None, finding()).incident, recovery()).incident
    assert recovered.state is IncidentState.RECOVERED
    with pytest.raises(ValueError, match="only an open incident"):
        recover(recovered, recovery(seconds=99))


def test_a_finding_after_the_recovery_is_a_new_incident() -> None:
    recovered = recover(absorb(None, finding()).incident, recovery()).incident
    again = absorb(recovered, finding(seconds=500))
    assert again.kind is EventKind.OPENED
    assert again.incident.id != recovered.id
    assert again.incident.opened_at == at(500)


def test_rule_and_subject_cannot_be_shifted_into_each_other() -> None:
    assert fingerprint("a", "bc") != fingerprint("ab", "c")
