"""The commands, put together."""

from importlib.metadata import version
from typing import Annotated

import typer

from watchdog.cli import (
    audit,
    backup,
    baseline,
    db,
    demo,
    incidents,
    logs,
    rollout,
    rounds,
    run,
    scores,
    setup,
    status,
    try_,
)

app = typer.Typer(
    name="corrigibility-watchdog",
    help="Keep watch over a deployed language model: does it accept correction, and is what it says delivered?",
    epilog="Exit codes: 0 clean, 1 a finding, 2 usage or configuration, 3 could not evaluate, 4 unreachable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"corrigibility-watchdog {version('corrigibility-watchdog')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


app.command("init")(setup.init)
app.command("check-config")(setup.check_config)
app.command("baseline")(baseline.baseline)
app.command("once")(rounds.once)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("try")(try_.try_)
app.add_typer(incidents.app, name="incidents")
app.add_typer(logs.app, name="logs")
app.add_typer(audit.app, name="audit")
app.add_typer(db.app, name="db")
app.add_typer(rollout.app, name="rollout")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("serve-scores")(scores.serve_scores)
app.command("demo")(demo.demo)
