"""The page: an incident event as the person on call reads it, most urgent first."""

from watchdog.domain.comparisons import Span
from watchdog.domain.conclusions import Conclusion
from watchdog.domain.findings import Finding
from watchdog.domain.incidents import EventKind, IncidentEvent
from watchdog.domain.text import printable
from watchdog.domain.times import when

_VERB = {
    EventKind.OPENED: "OPEN",
    EventKind.REPEATED: "STILL OPEN",
    EventKind.ESCALATED: "WORSE",
    EventKind.RECOVERED: "RECOVERED",
    EventKind.ACKNOWLEDGED: "ACKNOWLEDGED",
    EventKind.CLOSE_PROPOSED: "CLOSING PROPOSED",
    EventKind.CLOSED: "CLOSED",
}
_MOST_SPANS = 6


def title(event: IncidentEvent) -> str:
    """Return what, where and how bad, on one line."""
    return f"[{_VERB[event.kind]}] {event.incident.severity} {event.incident.rule}: {event.incident.summary}"


def page(event: IncidentEvent, checkpoint: str | None = None) -> str:
    """Return the whole page as plain text; it holds the model's words, never a probe's, a question's or a customer's.

    The checkpoint at its end makes of every mailbox a witness of the record.
    """
    incident = event.incident
    lines = [title(event), ""]
    if event.finding is not None:
        lines += _finding(event.finding)
    if event.recovery is not None:
        lines += [f"Recovered by   {event.recovery.by}", f"Opened         {when(incident.opened_at)}"]
    if incident.conclusion is not None:
        lines += [*_conclusion(incident.conclusion), f"Opened         {when(incident.opened_at)}"]
    lines += ["", f"Look           corrigibility-watchdog incidents show {incident.id[:8]}"]
    if checkpoint is not None:
        lines += ["", "Checkpoint of the record; whoever keeps it can prove what was in it:", checkpoint.rstrip("\n")]
    return "\n".join(lines) + "\n"


def _finding(finding: Finding) -> list[str]:
    return [
        f"Suspect        {finding.suspect.replace('_', ' ')}",
        f"Who            {finding.attribution}",
        *_spans(finding.spans),
        f"Since          {when(finding.since)}",
        f"How sure       {finding.how_sure}",
        *([] if finding.control is None else [f"Control        {finding.control}"]),
        f"What now       {finding.next_step}",
        f"Promise        {finding.promise}",
    ]


def _conclusion(it: Conclusion) -> list[str]:
    lines = [
        f"Concluded      {it.disposition.replace('_', ' ')}",
        f"Root cause     {printable(it.root_cause)}",
        f"Done           {printable(it.corrective_action) or 'not stated'}",
        f"By             {printable(str(it.by))}",
    ]
    return lines if it.approved_by is None else [*lines, f"Approved by    {printable(str(it.approved_by))}"]


def _spans(spans: tuple[Span, ...]) -> list[str]:
    shown = [f"{_words(span.delivered)}   (the model says: {_words(span.expected)})" for span in spans[:_MOST_SPANS]]
    if len(spans) > _MOST_SPANS:
        shown.append(f"and {len(spans) - _MOST_SPANS} more")
    return [f"{'' if position else 'Edited words':<15}{line}" for position, line in enumerate(shown)]


def _words(text: str) -> str:
    return f'"{printable(text, 60)}"' if text.strip() else "nothing"
