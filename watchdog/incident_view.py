"""An incident for a person at a terminal: what, where, how sure, what now; then the evidence side by side."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watchdog.alarm_view import grid, print_alarm
from watchdog.certainty import MARKED, why_not_noise
from watchdog.domain.calls import CallComparison
from watchdog.domain.comparisons import Comparison, SideCheck
from watchdog.domain.conclusions import LONGEST, SHOWN_DIGEST, Conclusion
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.findings import Finding
from watchdog.domain.incidents import EventKind, Incident, IncidentEvent
from watchdog.domain.logprobs import LogprobComparison
from watchdog.domain.queries import Alarm
from watchdog.domain.text import printable
from watchdog.domain.times import when

_MOST_EVIDENCE = 6
_WORDS = {EventKind.CLOSE_PROPOSED: "closing proposed"}


def print_incident(
    incident: Incident,
    events: Sequence[IncidentEvent],
    evidence: Sequence[Compared | Judged],
    console: Console | None = None,
    *,
    alarms: Sequence[Alarm] = (),
    show_text: bool = False,
) -> None:
    """Print an incident; every text that a model, a customer or a receiver wrote is made harmless first.

    What customers wrote is redacted as well, unless `show_text`.
    """
    console = console or Console(highlight=False)
    console.print(Text(f"{incident.state.upper()}  {incident.severity}  {incident.rule}", style="bold"))
    console.print(Text(printable(incident.summary)))
    findings = [event.finding for event in events if event.finding is not None]
    if alarms:
        print_alarm(alarms[-1], console, show_text=show_text)
        if len(alarms) > 1:
            console.print(f"The newest of {len(alarms)} alarms; `--json` has them all", markup=False)
    elif findings:
        _print_facts(console, findings[-1], evidence)
    _print_people(console, incident)
    for it in evidence[:_MOST_EVIDENCE]:
        console.print()
        _print_evidence(console, it)
    if any(isinstance(it, Compared) and _has_spans(it) for it in evidence[:_MOST_EVIDENCE]):
        console.print(f"\n{MARKED}", markup=False)
    if len(evidence) > _MOST_EVIDENCE:
        console.print(f"\n… and {len(evidence) - _MOST_EVIDENCE} more replies; `--json` has them all", markup=False)
    console.print()
    for event in events:
        if event.kind is not EventKind.REPEATED:
            note = f": {printable(event.note)}" if event.note else ""
            console.print(f"{when(event.at)}  {_WORDS.get(event.kind, event.kind)}{_by(event)}{note}", markup=False)


def _print_facts(console: Console, last: Finding, evidence: Sequence[Compared | Judged]) -> None:
    facts = {
        "Suspect": last.suspect.replace("_", " "),
        "Who": last.attribution,
        "Since": when(last.since),
        "How sure": last.how_sure,
        "Not noise": why_not_noise(last.rule, evidence),
        "Control": None if last.control is None else str(last.control),
        "What now": last.next_step,
        "Promise": last.promise,
    }
    console.print(grid((name, printable(fact, 600)) for name, fact in facts.items() if fact is not None))


def _has_spans(it: Compared) -> bool:
    return bool(it.comparison and it.comparison.spans) or any(side.flagged for side in it.sides)


def _print_people(console: Console, incident: Incident) -> None:
    """Print what people made of it, and what is still missing."""
    short = incident.id[:8]
    if incident.acknowledged_by is not None and incident.acknowledged_at is not None:
        who = printable(str(incident.acknowledged_by))
        console.print(f"\nAcknowledged by {who}, {when(incident.acknowledged_at)}", markup=False)
    if incident.proposal is not None:
        console.print("\nClosing proposed, but a critical incident is closed by two people:", style="bold")
        _print_conclusion(console, incident.proposal)
        which = incident.proposal.digest[:SHOWN_DIGEST]
        console.print("Somebody else has to approve exactly this:", markup=False)
        approve = f"  corrigibility-watchdog incidents approve {short} --proposal {which}"
        console.print(approve, markup=False, soft_wrap=True)
    elif incident.voided_at is not None and incident.conclusion is None:
        voided = f"\nA finding of {when(incident.voided_at)} came after the closing was proposed, and voided it."
        console.print(voided, markup=False)
    if incident.conclusion is not None:
        console.print("\nConclusion", style="bold")
        _print_conclusion(console, incident.conclusion)


def _print_conclusion(console: Console, it: Conclusion) -> None:
    rows = {
        "Disposition": it.disposition.replace("_", " "),
        "Root cause": it.root_cause,
        "Done": it.corrective_action,
        "Affected": it.affected,
        "From": it.affected_from and when(it.affected_from),
        "To": it.affected_to and when(it.affected_to),
        "Known at": it.known_at and when(it.known_at),
        "References": ", ".join(it.references),
        "By": f"{it.by}, {when(it.concluded_at)}",
        "Approved by": str(it.approved_by or ""),
    }
    # Whole: whoever approves it approves all of it.
    whole = (
        (name, "\n".join(printable(line, LONGEST) for line in row.splitlines())) for name, row in rows.items() if row
    )
    console.print(grid(whole))


def _by(event: IncidentEvent) -> str:
    if event.recovery is not None:
        return f" by {event.recovery.by}"
    return "" if event.actor is None else f" by {printable(str(event.actor))}"


def _print_evidence(console: Console, it: Compared | Judged) -> None:
    if isinstance(it, Judged):
        console.print(Text(f"{it.family}/{it.arm} on {it.channel}: {it.verdict.grade}", style="bold"))
        console.print(Text(printable(it.verdict.why)))
        console.print(Text(f"The model said: {printable(it.reply, 800)}"))
        return
    console.print(Text(f"Question {it.question}: {printable(it.prompt)}", style="bold"))
    if it.calls is not None:
        _print_calls(console, it.calls)
        return
    if it.comparison is not None:
        console.print(Text("Delivered  ").append(_marked(it.delivered_reply, it.comparison)))
        if it.comparison.windowed:
            console.print(Text("The conversation is longer than the direct model's context: scored through windows."))
    else:
        console.print(Text(f"Delivered  not measured ({it.reason}): {printable(it.delivered_reply, 800)}"))
    direct = "not asked" if it.direct_reply is None else printable(it.direct_reply, 800)
    console.print(Text(f"Direct     {direct}"))
    if it.comparison is not None:
        console.print(_spans(it.comparison, "delivered"))
    for side in it.sides:
        _print_side(console, side)
    if it.logprobs is not None:
        _print_listing(console, it.logprobs)


def _print_calls(console: Console, it: CallComparison) -> None:
    """Print the calls side by side, and where they differ."""
    for whose, calls in (("Delivered", it.delivered), (str(it.against).capitalize(), it.direct)):
        shown = [f"{printable(call.name, 80)}({printable(call.arguments)})" for call in calls]
        console.print(Text(f"{whose:<10} {', '.join(shown) or 'no call'}"))
    if it.reason is not None:
        console.print(Text(f"Calls      not measured ({it.reason})"))
        return
    table = Table("where", "delivered", f"the {it.against} model says", box=None, padding=(0, 3, 0, 0))
    for one in it.differences:
        said = Text(printable(one.delivered), style="bold red"), Text(printable(one.direct), style="green")
        table.add_row(Text(printable(one.path)), *said)
    if it.differences:
        console.print(table)
    if it.gap is not None and it.tau is not None:
        console.print(Text(f"The model's gap to these calls is {it.gap:.2f} nats, {it.tau:.2f} are allowed"))


def _print_listing(console: Console, it: LogprobComparison) -> None:
    """Print what came of the channel's own list of tokens."""
    if it.unsaid is not None:
        console.print(Text(f"Its tokens  no usable list ({it.unsaid})"))
        return
    if it.parting is not None:
        listed, delivered = printable(it.parting.listed, 48), printable(it.parting.delivered, 48)
        console.print(Text(f"Its tokens  spell {listed!r} where {delivered!r} was delivered", style="bold red"))
    elif it.spelled:
        console.print(Text("Its tokens  spell the delivered text"))
    if it.distance is None:
        console.print(Text(f"Its numbers  not measured ({it.reason})"))
        return
    allowed = "not weighed" if it.tau is None else f"{it.tau:.2f} are allowed"
    flagged = "FLAGGED" if it.flagged else "not flagged"
    away = f"{it.distance:.2f} nats from the direct model's, {allowed}"
    console.print(Text(f"Its numbers  {flagged}, {away}; the mean difference is {it.mean or 0.0:.3f}"))


def _print_side(console: Console, it: SideCheck) -> None:
    """Print what came of one of our own channels' replies to the same question, by the same test."""
    name, under = ("Control", "") if it.of is it.under else ("Beside it", f" under the {it.under} model")
    whose = f"{name:<9}  the {it.of} channel's own reply{under}"
    if it.comparison is None:
        console.print(Text(f"{whose}: not measured ({it.reason})"))
        return
    flagged = "FLAGGED" if it.flagged else "not flagged"
    gap = f"largest gap {it.comparison.gap:.2f} nats, {it.comparison.tau:.2f} are allowed"
    console.print(Text(f"{whose}: {flagged}, {gap}"))
    if it.flagged:
        console.print(_spans(it.comparison, it.of, it.under))


def _spans(comparison: Comparison, whose: str, model: str = "direct") -> Table:
    table = Table(whose, f"the {model} model says", "or", "gap, nats", box=None, padding=(0, 3, 0, 0))
    for span in comparison.spans:
        table.add_row(
            Text(printable(span.delivered, 80) or "(nothing)", style="bold red"),
            Text(printable(span.expected, 80) or "(nothing)", style="green"),
            Text(", ".join(printable(word, 30) for word in span.alternatives)),
            f"{span.gap:.1f}",
        )
    return table


def _marked(reply: str, comparison: Comparison) -> Text:
    shown, at = Text(), 0
    for span in comparison.spans:
        words = printable(reply[span.start : span.end], 200) or "missing"
        shown.append(printable(reply[at : span.start], 800)).append(f"[{words}]", style="bold red")
        at = span.end
    return shown.append(printable(reply[at:], 800))
