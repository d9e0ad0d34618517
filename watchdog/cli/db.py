"""`db`: the ledger's tables: bring them up to date, make them again from the leaves, and say what they mean."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchdog.cli.exits import Exit
from watchdog.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    LedgerOption,
    ledger_path,
    print_json,
)

if TYPE_CHECKING:
    from storage.rebuilding import Rebuilt

app = typer.Typer(help="The tables of the ledger; docs/ledger-tables.md explains each.", no_args_is_help=True)

_EVERY = 100_000
"""Leaves between two lines about how far it has come."""


@app.command("upgrade")
def upgrade(config: ConfigOption = DEFAULT_CONFIG, ledger: LedgerOption = None) -> None:
    """Bring the tables to this version, and make their rows again. Stop the daemon first, and back the file up."""
    from storage.rebuilding import rebuild  # noqa: PLC0415 - heavy, and only needed here
    from storage.rebuilding import upgrade as upgrade_  # noqa: PLC0415 - the same

    path = ledger_path(ledger, config)
    before, after = upgrade_(path)
    if before == after:
        typer.echo(f"{path}: the schema is {after}, which is this version's")
        return
    typer.echo(f"{path}: the schema was {before} and is {after}")
    _print(path, rebuild(path, progress=_progress))


@app.command("rebuild")
def rebuild(config: ConfigOption = DEFAULT_CONFIG, ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Make every row again from the leaves, and say what was different; exit 0 if nothing was, 1 if something.

    Stop the daemon first. Leaves that were altered are refused, so that nothing is made from them.
    """
    from storage.rebuilding import rebuild as rebuild_  # noqa: PLC0415 - heavy, and only needed here

    path = ledger_path(ledger, config)
    done = rebuild_(path, progress=_progress)
    if as_json:
        row = {"leaves": done.leaves, "rows": done.rows, "differed": list(done.differed), "left": list(done.left)}
        print_json({"ledger": str(path)} | row)
    else:
        _print(path, done)
    raise typer.Exit(Exit.FINDING if done.differed else Exit.CLEAN)


@app.command("describe")
def describe(
    datasette: Annotated[
        bool, typer.Option("--datasette", help="Metadata for `datasette LEDGER --metadata FILE`, as JSON.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    ledger: LedgerOption = None,
) -> None:
    """Print what every table, view and column means."""
    from storage.describing import datasette as metadata  # noqa: PLC0415 - heavy, and only needed here
    from storage.describing import markdown, relations  # noqa: PLC0415 - the same

    if datasette:
        print_json(metadata(relations(), database=ledger_path(ledger, config).stem))
    else:
        sys.stdout.write(markdown(relations()))


def _progress(leaves: int) -> None:
    if leaves % _EVERY == 0:
        sys.stderr.write(f"{leaves:,} leaves\n")


def _print(path: Path, done: "Rebuilt") -> None:
    for fault in done.differed:
        typer.echo(fault)
    state = f"{len(done.differed)} differences mended" if done.differed else "the same as before"
    typer.echo(f"{path}: {done.rows:,} rows made from {done.leaves:,} leaves; {state}")
    for it in done.left:
        typer.echo(f"  left as it is: {it}")
