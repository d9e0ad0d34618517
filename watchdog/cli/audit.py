"""`audit verify`."""

import typer

from watchdog.cli.exits import Exit
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json

app = typer.Typer(help="Check the record itself.", no_args_is_help=True)


@app.callback()
def _audit() -> None:
    """Keep `verify` a subcommand while it is the only one."""


@app.command("verify")
def verify(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Recompute the ledger from its leaves and say what is wrong; exit 0 when it is intact, 1 when not."""
    from storage.audit import audit  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    path = read_config(config).settings.ledger
    result = audit(path)
    if as_json:
        print_json(
            {
                "ledger": str(path),
                "intact": result.intact,
                "leaves": result.leaves,
                "root": result.root,
                "faults": list(result.faults),
            }
        )
    else:
        for fault in result.faults:
            typer.echo(fault)
        state = "intact" if result.intact else f"{len(result.faults)} faults"
        typer.echo(f"{path}: {state}; {result.leaves} leaves, root {result.root}")
    raise typer.Exit(Exit.CLEAN if result.intact else Exit.FINDING)
