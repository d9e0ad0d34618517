"""What a demo tells at its end: the page, the incidents, what was measured, and what to try next."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from storage.audit import audit
from storage.reader import open_reader
from watchdog.domain.decisions import Judged
from watchdog.domain.incidents import Incident, evidence_of
from watchdog.domain.text import printable
from watchdog.incident_view import print_incident
from watchdog.rehearsal.receiver import Received
from watchdog.rehearsal.score import DemoResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What there is to tell."""

    page: Received | None
    """The first page that on-call got; None when none came."""
    incidents: tuple[tuple[str, Incident | None], ...]
    """What each is called, and the incident; None where it did not open."""
    judged: tuple[Judged, ...]
    result: DemoResult


def tell(console: Console, story: Story, ledger: Path, config: Path) -> None:
    """Print what came of a demo, and the commands that look further into it."""
    if story.page is not None and isinstance(story.page.body, dict):
        console.rule("The page, as on-call got it")
        console.print(story.page.body["data"]["text"], markup=False)
    incidents = [(called, it) for called, it in story.incidents if it is not None]
    for called, incident in incidents:
        console.rule(called)
        _print_recorded(console, incident, ledger)
    console.rule("Corrections: recorded, and not news while they are as when enrolled")
    for it in story.judged:
        line = f"{it.family}/{it.arm} on {it.channel}: {it.verdict.grade}: {printable(it.verdict.why, 120)}"
        console.print(line, markup=False)
    console.rule("What was measured")
    recomputed = audit(ledger)
    for name, value in story.result.as_json().items():
        console.print(f"{name:<30}{value}", markup=False)
    state = "intact" if recomputed.intact else "NOT INTACT"
    console.print(f"ledger recomputed: {state}, {recomputed.leaves} leaves, root {recomputed.root}", markup=False)
    console.rule("Try next")
    for command in ("incidents list", *(f"incidents show {it.id[:8]}" for _, it in incidents), "audit verify"):
        console.print(f"corrigibility-watchdog {command} --config {config}", markup=False, soft_wrap=True)


def _print_recorded(console: Console, incident: Incident, ledger: Path) -> None:
    with open_reader(ledger) as reader:
        events = reader.events(incident.id)
        ids = evidence_of(events)
        print_incident(incident, events, reader.evidence(ids)[:3], console, alarms=reader.alarms(ids))
