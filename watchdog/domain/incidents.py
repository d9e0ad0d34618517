"""Incidents: the findings about the same rule and subject, and the pure rules by which they change."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from watchdog.domain.findings import Finding, Recovery, Severity

_NAMESPACE = uuid.UUID("5f0f2b0e-64a5-5c0e-9a39-2f0f3f6a7c11")


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    RECOVERED = "recovered"


class EventKind(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    REPEATED = "repeated"
    ESCALATED = "escalated"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident as it stands now."""

    id: str
    rule: str
    subject: str
    fingerprint: str
    state: IncidentState
    severity: Severity
    summary: str
    opened_at: datetime
    updated_at: datetime
    findings: int
    """How many findings it has taken in."""
    recovered_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One step in an incident's life, with the finding or the recovery that caused it."""

    id: str
    kind: EventKind
    at: datetime
    incident: Incident
    """The incident after the step."""
    finding: Finding | None = None
    recovery: Recovery | None = None

    @property
    def pages(self) -> bool:
        """Whether people are told: everything but a repetition."""
        return self.kind is not EventKind.REPEATED


def absorb(current: Incident | None, finding: Finding) -> IncidentEvent:
    """Take a finding into the open incident about its rule and subject, or open one."""
    if current is None or current.state is not IncidentState.OPEN:
        incident = Incident(
            id=_id(finding.fingerprint, finding.seen_at.isoformat()),
            rule=finding.rule,
            subject=finding.subject,
            fingerprint=finding.fingerprint,
            state=IncidentState.OPEN,
            severity=finding.severity,
            summary=finding.summary,
            opened_at=finding.seen_at,
            updated_at=finding.seen_at,
            findings=1,
        )
        kind = EventKind.OPENED
    else:
        worse = finding.severity.rank > current.severity.rank
        kind = EventKind.ESCALATED if worse else EventKind.REPEATED
        incident = replace(
            current,
            severity=finding.severity if worse else current.severity,
            summary=finding.summary,
            updated_at=finding.seen_at,
            findings=current.findings + 1,
        )
    return IncidentEvent(
        id=_id(incident.id, kind, str(incident.findings)),
        kind=kind,
        at=finding.seen_at,
        incident=incident,
        finding=finding,
    )


def recover(current: Incident, recovery: Recovery) -> IncidentEvent:
    """Mark an open incident as recovered by a named rule.

    Raises ValueError when it is not open.
    """
    if current.state is not IncidentState.OPEN:
        raise ValueError(f"only an open incident recovers; {current.id} is {current.state}")
    incident = replace(current, state=IncidentState.RECOVERED, updated_at=recovery.seen_at, recovered_by=recovery.by)
    return IncidentEvent(
        id=_id(incident.id, EventKind.RECOVERED, str(incident.findings)),
        kind=EventKind.RECOVERED,
        at=recovery.seen_at,
        incident=incident,
        recovery=recovery,
    )


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))
