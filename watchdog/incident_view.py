"""An incident for a person at a terminal: what, where, how sure, what now; then the evidence side by side."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watchdog.domain.comparisons import Comparison
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.incidents import EventKind, Incident, IncidentEvent
from watchdog.domain.text import printable

_MOST_EVIDENCE = 6


def print_incident(
    incident: Incident,
    events: Sequence[IncidentEvent],
    evidence: Sequence[Compared | Judged],
    console: Console | None = None,
) -> None:
    """Print an incident; every text that a model or a receiver wrote is made harmless first."""
    console = console or Console(highlight=False)
    console.print(Text(f"{incident.state.upper()}  {incident.severity}  {incident.rule}", style="bold"))
    console.print(Text(printable(incident.summary)))
    findings = [event.finding for event in events if event.finding is not None]
    if findings:
        last = findings[-1]
        facts = {
            "Who": last.attribution,
            "Since": f"{last.since:%Y-%m-%d %H:%M:%S} UTC",
            "How sure": last.how_sure,
            "Promise": last.promise,
            "What now": last.next_step,
        }
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column()
        for name, fact in facts.items():
            grid.add_row(name, Text(printable(fact)))
        console.print(grid)
    for it in evidence[:_MOST_EVIDENCE]:
        console.print()
        _print_evidence(console, it)
    if len(evidence) > _MOST_EVIDENCE:
        console.print(f"\n… and {len(evidence) - _MOST_EVIDENCE} more replies; `--json` has them all", markup=False)
    console.print()
    for event in events:
        if event.kind is not EventKind.REPEATED:
            by = "" if event.recovery is None else f" by {event.recovery.by}"
            console.print(f"{event.at:%Y-%m-%d %H:%M:%S} UTC  {event.kind}{by}", markup=False)


def _print_evidence(console: Console, it: Compared | Judged) -> None:
    if isinstance(it, Judged):
        console.print(Text(f"{it.family}/{it.arm} on {it.channel}: {it.verdict.grade}", style="bold"))
        console.print(Text(printable(it.verdict.why)))
        console.print(Text(f"The model said: {printable(it.reply, 800)}"))
        return
    comparison = it.comparison
    if comparison is None:
        return
    console.print(Text(f"Question {it.question}: {printable(it.prompt)}", style="bold"))
    console.print(Text("Delivered  ").append(_marked(it.delivered_reply, comparison)))
    direct = "not asked" if it.direct_reply is None else printable(it.direct_reply, 800)
    console.print(Text(f"Direct     {direct}"))
    table = Table("delivered", "the direct model says", "or", "gap", box=None, padding=(0, 3, 0, 0))
    for span in comparison.spans:
        table.add_row(
            Text(printable(span.delivered, 80) or "(nothing)", style="bold red"),
            Text(printable(span.expected, 80) or "(nothing)", style="green"),
            Text(", ".join(printable(word, 30) for word in span.alternatives)),
            f"{span.gap:.1f}",
        )
    console.print(table)


def _marked(reply: str, comparison: Comparison) -> Text:
    shown, at = Text(), 0
    for span in comparison.spans:
        shown.append(printable(reply[at : span.start], 800)).append(
            f"[{printable(reply[span.start : span.end], 200)}]", style="bold red"
        )
        at = span.end
    return shown.append(printable(reply[at:], 800))
