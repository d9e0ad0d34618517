"""`incidents`: read the record of incidents, and say what became of them."""

from dataclasses import asdict
from typing import Annotated

import typer

from watchdog.alarm_tree import alarm_tree
from watchdog.cli import casework
from watchdog.cli.export import export
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.domain.comparisons import SideCheck
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.incidents import Incident, IncidentEvent, IncidentState, evidence_of
from watchdog.domain.text import printable

app = typer.Typer(help="Read the record of incidents; acknowledge and close them.", no_args_is_help=True)
app.command("ack")(casework.ack)
app.command("close")(casework.close)
app.command("approve")(casework.approve)
app.command("export")(export)


@app.command("list")
def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    state: Annotated[IncidentState | None, typer.Option(help="Only incidents in this state.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List incidents, newest first."""
    from storage.reader import open_reader  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    with open_reader(read_config(config).settings.ledger) as reader:
        found = reader.incidents(state)
    if as_json:
        print_json([_row(it) for it in found])
        return
    if not found:
        typer.echo("no incidents")
    for it in found:
        typer.echo(
            f"{it.id[:8]}  {it.opened_at:%Y-%m-%d %H:%M:%S}Z  {it.state:<9} {it.severity:<8} {it.rule:<16} "
            f"{printable(it.summary, 120)}{_people(it)}"
        )


@app.command("show")
def show(
    incident: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    show_text: Annotated[
        bool, typer.Option("--show-text", help="Show what customers wrote whole, with nothing blacked out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one incident: what happened, how sure, the edited words side by side, and every step of its life."""
    from storage.reader import open_reader  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.incident_view import print_incident  # noqa: PLC0415 - loads rich
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    with open_reader(read_config(config).settings.ledger) as reader:
        found = reader.incident(incident)
        events = reader.events(found.id)
        ids = evidence_of(events)
        evidence, alarms = reader.evidence(ids), reader.alarms(ids)
    if as_json:
        print_json(
            _row(found)
            | {
                "events": [_event_row(it) for it in events],
                "evidence": [_evidence_row(it) for it in evidence],
                "alarms": [alarm_tree(it, show_text=show_text) for it in alarms],
            }
        )
        return
    print_incident(found, events, evidence, alarms=alarms, show_text=show_text)


def _people(it: Incident) -> str:
    if it.conclusion is not None:
        return f" [{it.conclusion.disposition.replace('_', ' ')}, by {printable(it.conclusion.by.name, 40)}]"
    if it.proposal is not None:
        return f" [{printable(it.proposal.by.name, 40)} proposed to close it: awaits a second person]"
    return "" if it.acknowledged_by is None else f" [{printable(it.acknowledged_by.name, 40)} looks into it]"


def _row(it: Incident) -> dict[str, object]:
    return {
        "id": it.id,
        "rule": it.rule,
        "subject": it.subject,
        "state": it.state,
        "severity": it.severity,
        "suspect": it.suspect,
        "summary": it.summary,
        "opened_at": it.opened_at.isoformat(),
        "updated_at": it.updated_at.isoformat(),
        "findings": it.findings,
        "recovered_by": it.recovered_by,
        "acknowledged_by": None if it.acknowledged_by is None else str(it.acknowledged_by),
        "acknowledged_at": None if it.acknowledged_at is None else it.acknowledged_at.isoformat(),
        "proposal": None if it.proposal is None else it.proposal.proposed(),
        "proposal_voided_at": None if it.voided_at is None else it.voided_at.isoformat(),
        "conclusion": None if it.conclusion is None else it.conclusion.row(),
    }


def _event_row(it: IncidentEvent) -> dict[str, object]:
    row: dict[str, object] = {"id": it.id, "kind": it.kind, "at": it.at.isoformat()}
    if it.finding is not None:
        row |= {
            "summary": it.finding.summary,
            "evidence_value": it.finding.evidence_value,
            "suspect": it.finding.suspect,
            "attribution": it.finding.attribution,
            "control": None if it.finding.control is None else it.finding.control.row(),
            "promise": it.finding.promise,
            "next_step": it.finding.next_step,
            "since": it.finding.since.isoformat(),
        }
    if it.recovery is not None:
        row |= {"by": it.recovery.by}
    if it.actor is not None:
        row |= {"by": it.actor.name, "uid": it.actor.uid, "login": it.actor.login, "note": it.note}
    return row


def _side_row(it: SideCheck) -> dict[str, object]:
    comparison = it.comparison
    return {
        "of": it.of,
        "under": it.under,
        "gap": None if comparison is None else comparison.gap,
        "tau": None if comparison is None else comparison.tau,
        "flagged": it.flagged,
        "reason": it.reason,
    }


def _evidence_row(it: Compared | Judged) -> dict[str, object]:
    if isinstance(it, Judged):
        return {
            "id": it.id,
            "kind": it.kind,
            "family": it.family,
            "arm": it.arm,
            "channel": it.channel,
            "grade": it.verdict.grade,
            "why": it.verdict.why,
            "reply": it.reply,
        }
    spans = () if it.comparison is None else it.comparison.spans
    return {
        "id": it.id,
        "kind": it.kind,
        "question": it.question,
        "prompt": it.prompt,
        "direct_reply": it.direct_reply,
        "delivered_reply": it.delivered_reply,
        "gap": None if it.comparison is None else it.comparison.gap,
        "tau": None if it.comparison is None else it.comparison.tau,
        "windowed": it.comparison is not None and it.comparison.windowed,
        "sides": [_side_row(side) for side in it.sides],
        "logprobs": None if it.logprobs is None else asdict(it.logprobs),
        "calls": None if it.calls is None else asdict(it.calls) | {"flagged": it.calls.flagged},
        "edited": [
            {
                "start": span.start,
                "end": span.end,
                "delivered": span.delivered,
                "expected": span.expected,
                "alternatives": list(span.alternatives),
                "change": span.change,
            }
            for span in spans
        ],
    }
