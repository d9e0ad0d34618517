"""What a step of an incident changes in the tables that people query."""

from collections.abc import Iterator
from datetime import datetime

import rfc8785
from sqlalchemy import Table

from storage import schema
from storage.codec import instant
from watchdog.domain.actors import Actor
from watchdog.domain.conclusions import Conclusion
from watchdog.domain.decisions import IncidentChanged
from watchdog.domain.findings import Finding
from watchdog.domain.incidents import EventKind, Incident, IncidentEvent


def incident_rows(decision: IncidentChanged) -> Iterator[tuple[Table, dict[str, object]]]:
    """Yield each row that the step writes, with its table."""
    event, incident = decision.event, decision.event.incident
    yield schema.incident, _incident(incident)
    yield schema.incident_event, _event(event)
    if event.finding is not None:
        yield schema.finding, _finding(event, event.finding)
    if event.kind is EventKind.CLOSED and incident.conclusion is not None:
        yield schema.conclusion, _conclusion(incident, incident.conclusion)


def _incident(it: Incident) -> dict[str, object]:
    return {
        "id": it.id,
        "rule": it.rule,
        "subject": it.subject,
        "fingerprint": it.fingerprint,
        "state": it.state,
        "severity": it.severity,
        "summary": it.summary,
        "opened_at": instant(it.opened_at),
        "updated_at": instant(it.updated_at),
        "findings": it.findings,
        "suspect": it.suspect,
        "recovered_by": it.recovered_by,
        "acknowledged_by": None if it.acknowledged_by is None else it.acknowledged_by.name,
        "acknowledged_at": _instant(it.acknowledged_at),
        "proposed_by": None if it.proposal is None else it.proposal.by.name,
        "proposed_at": None if it.proposal is None else instant(it.proposal.concluded_at),
        "closed_at": None if it.conclusion is None else instant(it.updated_at),
    }


def _event(event: IncidentEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "incident_id": event.incident.id,
        "kind": event.kind,
        "at": instant(event.at),
        "severity": event.incident.severity,
        "summary": event.incident.summary,
        **_person("actor", event.actor),
        "note": event.note,
    }


def _finding(event: IncidentEvent, it: Finding) -> dict[str, object]:
    return {
        "id": it.id,
        "incident_id": event.incident.id,
        "event_id": event.id,
        "rule": it.rule,
        "subject": it.subject,
        "severity": it.severity,
        "seen_at": instant(it.seen_at),
        "evidence_value": it.evidence_value,
        "suspect": it.suspect,
        "summary": it.summary,
    }


def _conclusion(incident: Incident, it: Conclusion) -> dict[str, object]:
    return {
        "incident_id": incident.id,
        "disposition": it.disposition,
        "root_cause": it.root_cause,
        "corrective_action": it.corrective_action,
        "affected_from": _instant(it.affected_from),
        "affected_to": _instant(it.affected_to),
        "known_at": _instant(it.known_at),
        "affected": it.affected,
        "reference_list": rfc8785.dumps(list(it.references)).decode(),
        **_person("concluded_by", it.by),
        "concluded_at": instant(it.concluded_at),
        **_person("approved_by", it.approved_by),
        "closed_at": instant(incident.updated_at),
    }


def _person(column: str, it: Actor | None) -> dict[str, object]:
    return {
        column: None if it is None else it.name,
        f"{column}_uid": None if it is None else it.uid,
        f"{column}_login": None if it is None else it.login,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
