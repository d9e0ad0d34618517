"""Options that several commands share, and the one way to print JSON."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = [Path("/etc/corrigibility-watchdog/config.yaml")]

ConfigOption = Annotated[
    list[Path],
    typer.Option("--config", "-c", help="A configuration file or folder; may be repeated.", envvar="WATCHDOG_CONFIG"),
]
LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", help="The ledger file, instead of the one the configuration names.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
TargetOption = Annotated[str | None, typer.Option("--target", "-t", help="Only this target.")]


def ledger_path(ledger: Path | None, config: list[Path]) -> Path:
    """Return the ledger that the options name.

    Raises ConfigError when it is to be read from a configuration that cannot be.
    """
    if ledger is not None:
        return ledger
    from watchdog.wiring import read_config  # noqa: PLC0415 - heavy, and not needed when the file was named

    return read_config(config).settings.ledger


def print_json(value: object) -> None:
    """Print a value as JSON, ASCII only, so that no model text can move a terminal's cursor."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
