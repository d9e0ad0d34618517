"""Incidents: the findings about the same rule and subject, and the pure rules by which they change."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from watchdog.domain.actors import Actor
from watchdog.domain.conclusions import SHOWN_DIGEST, Conclusion
from watchdog.domain.findings import Finding, Recovery, Severity, Suspect
from watchdog.domain.text import printable, written

_NAMESPACE = uuid.UUID("5f0f2b0e-64a5-5c0e-9a39-2f0f3f6a7c11")
_LONGEST_NOTE = 1000


class RefusedError(ValueError):
    """A step that an incident's life does not allow, and what to do instead."""

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


class IncidentState(StrEnum):
    """Where an incident stands. Rules open it and let it recover; only people close it."""

    OPEN = "open"
    RECOVERED = "recovered"
    CLOSED = "closed"


class EventKind(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    REPEATED = "repeated"
    ESCALATED = "escalated"
    RECOVERED = "recovered"
    ACKNOWLEDGED = "acknowledged"
    CLOSE_PROPOSED = "close_proposed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident as it stands now."""

    id: str
    rule: str
    subject: str
    fingerprint: str
    state: IncidentState
    severity: Severity
    """The highest that it ever reached."""
    summary: str
    opened_at: datetime
    updated_at: datetime
    findings: int
    """How many findings it has taken in."""
    suspect: Suspect = Suspect.UNKNOWN
    """Who did it, as the newest finding says."""
    recovered_by: str | None = None
    acknowledged_by: Actor | None = None
    """Who looks into it; the last one who said so."""
    acknowledged_at: datetime | None = None
    proposal: Conclusion | None = None
    """A closing that a second person has not approved yet."""
    voided_at: datetime | None = None
    """When a finding voided the last proposal; None when none was, or another took its place."""
    conclusion: Conclusion | None = None
    """How it was closed; None while it is not."""

    @property
    def needs_approval(self) -> bool:
        """Whether one person alone cannot close it."""
        return self.severity is Severity.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One step in an incident's life, with the finding, the recovery or the person that caused it."""

    id: str
    kind: EventKind
    at: datetime
    incident: Incident
    """The incident after the step."""
    finding: Finding | None = None
    recovery: Recovery | None = None
    actor: Actor | None = None
    note: str = ""
    """What the person said about it."""

    @property
    def pages(self) -> bool:
        """Whether people are told: of what rules see, but no repetition; and of a closing that no recovery preceded."""
        told = {EventKind.OPENED, EventKind.ESCALATED, EventKind.RECOVERED}
        return self.kind in told or (self.kind is EventKind.CLOSED and self.incident.recovered_by is None)


def evidence_of(events: Iterable[IncidentEvent]) -> list[str]:
    """Return the ids of what an incident's findings rest on, in the order in which they came."""
    return [id_ for event in events if event.finding is not None for id_ in event.finding.evidence]


def absorb(current: Incident | None, finding: Finding) -> IncidentEvent:
    """Take a finding into the open incident about its rule and subject, or open one.

    It voids a proposed closing: whoever proposed it did not know of the finding.
    """
    if current is None or current.state is not IncidentState.OPEN:
        incident = Incident(
            id=_id(finding.fingerprint, finding.seen_at.isoformat(), finding.id),
            rule=finding.rule,
            subject=finding.subject,
            fingerprint=finding.fingerprint,
            state=IncidentState.OPEN,
            severity=finding.severity,
            summary=finding.summary,
            opened_at=finding.seen_at,
            updated_at=finding.seen_at,
            findings=1,
            suspect=finding.suspect,
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
            suspect=finding.suspect,
            proposal=None,
            voided_at=finding.seen_at if current.proposal is not None else current.voided_at,
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


def acknowledge(current: Incident, *, by: Actor, now: datetime, note: str = "") -> IncidentEvent:
    """Note that somebody looks into an incident; whoever comes later takes over.

    Raises RefusedError when it is closed, ValueError when the note is no text.
    """
    _require_not_closed(current, "acknowledged")
    note = written("a note", note, _LONGEST_NOTE, lines=True)
    incident = replace(current, acknowledged_by=by, acknowledged_at=now, updated_at=now)
    return _by_person(EventKind.ACKNOWLEDGED, incident, by, now, note)


def close(current: Incident, conclusion: Conclusion) -> IncidentEvent:
    """Close an incident with a conclusion; a critical one is only proposed to be closed, until `approve`.

    A further proposal takes the place of the one before. Raises RefusedError when it is closed already.
    """
    _require_not_closed(current, "closed again")
    by, now = conclusion.by, conclusion.concluded_at
    if current.needs_approval:
        incident = replace(current, proposal=conclusion, voided_at=None, updated_at=now)
        return _by_person(EventKind.CLOSE_PROPOSED, incident, by, now)
    return _by_person(EventKind.CLOSED, _closed(current, conclusion, now), by, now)


def approve(current: Incident, read: str, *, by: Actor, now: datetime) -> IncidentEvent:
    """Close an incident as somebody else proposed; `read` is the digest of the proposal that the approver read.

    Raises RefusedError when nothing is proposed, a finding voided it, another proposal took the place of the one that
    was read, or the approver is the proposer.
    """
    _require_not_closed(current, "approved")
    proposal = current.proposal
    if proposal is None:
        raise RefusedError(
            f"incident {current.id[:8]} has no proposed closing{_why_none(current)}",
            hint=f"read `incidents show {current.id[:8]}`, then propose one with `incidents close {current.id[:8]}`",
        )
    if len(read) < SHOWN_DIGEST or not proposal.digest.startswith(read):
        raise RefusedError(
            f"{printable(read, 64)!r} is not the closing that is proposed for incident {current.id[:8]} now",
            hint=f"read `incidents show {current.id[:8]}` again, and approve the proposal that stands there",
        )
    same = by.same_as(proposal.by)
    if same:
        raise RefusedError(
            f"incident {current.id[:8]} needs the approval of a second person, and this is taken for the first: {same}",
            hint="let somebody else log in under an account of their own and run `incidents approve` there",
        )
    approved = replace(proposal, approved_by=by)
    return _by_person(EventKind.CLOSED, _closed(current, approved, now), by, now)


def _closed(current: Incident, conclusion: Conclusion, now: datetime) -> Incident:
    return replace(current, state=IncidentState.CLOSED, proposal=None, conclusion=conclusion, updated_at=now)


def _require_not_closed(current: Incident, what: str) -> None:
    if current.state is IncidentState.CLOSED:
        raise RefusedError(
            f"incident {current.id[:8]} is closed and cannot be {what}",
            hint="its conclusion stands; a finding after it opens a new incident (`incidents list`)",
        )


def _why_none(current: Incident) -> str:
    if current.voided_at is None:
        return ""
    return f" any more: a finding of {current.voided_at:%Y-%m-%d %H:%M:%S} UTC came after it, and voided it"


def _by_person(kind: EventKind, incident: Incident, by: Actor, now: datetime, note: str = "") -> IncidentEvent:
    id_ = _id(incident.id, kind, now.isoformat(), by.name)
    return IncidentEvent(id=id_, kind=kind, at=now, incident=incident, actor=by, note=note)


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))
