"""`incidents export`."""

from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, LedgerOption, ledger_path
from watchdog.domain.incidents import IncidentState

_DAY = ["%Y-%m-%d"]


def export(
    to: Annotated[Path, typer.Option(help="A new folder to write everything to.")],
    form: Annotated[
        Literal["jsonl", "csv", "parquet"], typer.Option("--format", help="parquet needs the extra `export`.")
    ] = "jsonl",
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=_DAY, help="Incidents that something happened to from this day on."),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--until", formats=_DAY, help="Up to this day, included; days are UTC.")
    ] = None,
    state: Annotated[IncidentState | None, typer.Option(help="Only incidents that are in this state now.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    ledger: LedgerOption = None,
) -> None:
    """Write incidents with every step of theirs to a folder, and a proof for each that needs no ledger."""
    from storage.exporting import Wanted, incidents_in  # noqa: PLC0415 - heavy, and only needed here
    from storage.exporting import export as export_  # noqa: PLC0415 - the same
    from watchdog.wiring import DISTRIBUTION, now  # noqa: PLC0415 - the same

    wanted = Wanted(
        first=date.min if first is None else first.date(), last=date.max if last is None else last.date(), state=state
    )
    steps = export_(ledger_path(ledger, config), to, form=form, wanted=wanted, now=now(), version=version(DISTRIBUTION))
    found = f"{incidents_in(steps)} incidents with {len(steps)} steps"
    typer.echo(f"{to}: {found}, each with its proof; README.txt says how to verify them")
