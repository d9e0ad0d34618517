"""`incidents ack`, `close` and `approve`: what a person says about an incident, put on the record."""

from pathlib import Path
from typing import Annotated

import typer

from watchdog.cli.instants import TIME, instant
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.domain.acts import Acknowledge, Act, Approve, Close
from watchdog.domain.conclusions import Disposition
from watchdog.domain.incidents import EventKind, IncidentEvent
from watchdog.domain.text import printable
from watchdog.errors import ConfigError

IncidentArgument = Annotated[str, typer.Argument(help="Its id, or the beginning of it.")]
ByOption = Annotated[
    str | None, typer.Option(help="Name of the person who acts; by default that of the account that logged in.")
]


def ack(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    by: ByOption = None,
    note: Annotated[str, typer.Option(help="What there is to say.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say that you look into an incident; whoever comes later takes over."""
    _perform(Acknowledge(incident=incident, note=note), config, by, as_json=as_json)


def close(
    incident: IncidentArgument,
    disposition: Annotated[
        str, typer.Option(help="What it was: true, false-alarm, expected-change, drill or undetermined.")
    ],
    root_cause: Annotated[str, typer.Option(help="Why it happened.")],
    corrective_action: Annotated[str, typer.Option(help="What was done about it.")] = "",
    from_: Annotated[str | None, typer.Option("--from", help=f"Since when somebody was affected. {TIME}")] = None,
    to: Annotated[str | None, typer.Option(help="Until when.")] = None,
    known_at: Annotated[str | None, typer.Option(help="When the operator knew of it.")] = None,
    affected: Annotated[str, typer.Option(help="Estimate: 'about 1,200 requests of 3 customers'.")] = "",
    reference: Annotated[list[str] | None, typer.Option(help="A ticket, a report; may be repeated.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close an incident with a conclusion; a critical one closes when somebody else approves.

    A `true` one also needs --corrective-action, --from, --to and --known-at.
    """
    act = Close(
        incident=incident,
        disposition=_disposition(disposition),
        root_cause=root_cause,
        corrective_action=corrective_action,
        affected_from=instant("--from", from_),
        affected_to=instant("--to", to),
        known_at=instant("--known-at", known_at),
        affected=affected,
        references=tuple(reference or ()),
    )
    _perform(act, config, by, as_json=as_json)


def approve(
    incident: IncidentArgument,
    proposal: Annotated[str, typer.Option(help="Which proposal you read: its name, as `incidents show` prints it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve the closing of a critical incident that somebody else proposed; read it first with `incidents show`."""
    _perform(Approve(incident=incident, proposal=proposal.strip().lower()), config, by, as_json=as_json)


def _perform(act: Act, config: list[Path], by: str | None, *, as_json: bool) -> None:
    from watchdog.accounts import this_actor  # noqa: PLC0415 - only needed here
    from watchdog.clerk import act as perform  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    event, by_daemon = perform(read_config(config).settings, act, this_actor(by))
    if as_json:
        print_json(_row(event))
        return
    typer.echo(_said(event))
    if event.pages and not by_daemon:
        typer.echo("no daemon runs: the notice waits in the outbox until one does, or until `once`")


def _said(event: IncidentEvent) -> str:
    incident = event.incident
    return f"{incident.id[:8]}: {_step(event)}\n  {printable(incident.summary, 120)}"


def _step(event: IncidentEvent) -> str:
    incident = event.incident
    who = "" if event.actor is None else printable(str(event.actor))
    match event.kind:
        case EventKind.CLOSE_PROPOSED:
            return (
                f"closing proposed by {who}; it is critical, so somebody else has to read and approve it:\n"
                f"  corrigibility-watchdog incidents show {incident.id[:8]}"
            )
        case EventKind.CLOSED if incident.conclusion is not None:
            it = incident.conclusion
            also = "" if it.approved_by is None else f",\n  approved by {who}"
            return f"closed as {it.disposition.replace('_', ' ')} by {printable(str(it.by))}{also}"
        case _:
            return f"{event.kind} by {who}"


def _row(event: IncidentEvent) -> dict[str, object]:
    incident = event.incident
    row: dict[str, object] = {
        "event": event.id,
        "kind": event.kind,
        "at": event.at.isoformat(),
        "incident": incident.id,
        "state": incident.state,
        "proposal": None if incident.proposal is None else incident.proposal.proposed(),
        "conclusion": None if incident.conclusion is None else incident.conclusion.row(),
    }
    if event.actor is not None:
        row |= {"by": event.actor.name, "uid": event.actor.uid, "login": event.actor.login, "note": event.note}
    return row


def _disposition(text: str) -> Disposition:
    try:
        return Disposition.parse(text)
    except ValueError as exc:
        raise ConfigError(f"--disposition: {exc}", hint="say what the incident turned out to be") from exc
