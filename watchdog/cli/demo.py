"""`demo`."""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from watchdog.cli.exits import Exit


def demo(
    state: Annotated[Path | None, typer.Option(help="Folder to keep everything in; a fresh one by default.")] = None,
    lite: Annotated[bool, typer.Option("--lite", help="Scripted servers instead of a real model; no torch.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was measured to this file.")] = None,
) -> None:
    """Show the main job end to end: a gateway edits a model's replies, is found out, paged, and recovers."""
    from watchdog.rehearsal.demo import run_demo  # noqa: PLC0415 - heavy, and only needed here

    # A polite kill ends like Ctrl-C: everything that was started is stopped again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = run_demo(state=state, lite=lite)
    if json_file is not None:
        json_file.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    failures = result.failures()
    for promise in failures:
        sys.stderr.write(f"this did not happen: {promise}\n")
    raise typer.Exit(Exit.NOT_EVALUATED if failures else Exit.CLEAN)
