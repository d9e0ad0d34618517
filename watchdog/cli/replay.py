"""`logs replay`: needs no configuration, no ledger and no network."""

import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from watchdog.cli.exits import Exit
from watchdog.cli.options import JsonOption
from watchdog.domain.text import printable
from watchdog.errors import ConfigError, LogFileError

if TYPE_CHECKING:
    from watchdog.replay.report import Report

Form = Literal["text", "json", "html"]
_WIDTH = 110


def replay(
    files: Annotated[list[str], typer.Argument(help="Recorded logs, compressed or not; - reads a pipe.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="How they are written; guessed when it is not said.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A YAML file that says where a line of your own format has what.")
    ] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", help="Judge as this configuration says; may be repeated.")
    ] = None,
    log: Annotated[str | None, typer.Option(help="Which of its query logs, where there are several.")] = None,
    warm_up: Annotated[
        int | None, typer.Option(min=1, help="Distinct requests to learn from before anything can alarm.")
    ] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="Ordinary traffic to learn from first; may be repeated.")
    ] = None,
    form: Annotated[
        Form, typer.Option("--report", help="text, json or html (one file that needs no network).")
    ] = "text",
    output: Annotated[Path | None, typer.Option(help="Write the report to this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite that file.")] = False,
    show_text: Annotated[
        bool, typer.Option("--show-text", help="Show what clients wrote whole, with nothing blacked out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read recorded requests with the detectors that watch live, and explain what they find.

    Exit codes: 0 nothing found, 1 something found, 2 usage, 3 nobody could look, 4 a file cannot be read.
    """
    form = "json" if as_json else form
    _writable(output, force=force)
    if form == "html" and output is None and sys.stdout.isatty():
        raise ConfigError("HTML is not for a terminal", hint="name a file with --output report.html")
    report = _replayed(
        files, format_=format_, mapping=mapping, config=config, log=log, warm_up=warm_up, reference=reference or []
    )
    if output is None:
        _print(report, form, show_text=show_text)
    else:
        _write(output, _rendered(report, form, show_text=show_text))
        _say(report, output)
    raise typer.Exit(_exit(report))


def _replayed(
    files: list[str],
    *,
    format_: str | None,
    mapping: Path | None,
    config: list[Path] | None,
    log: str | None,
    warm_up: int | None,
    reference: list[str],
) -> "Report":
    from rich.console import Console  # noqa: PLC0415 - heavy, and only needed here

    from watchdog.replay.manner import Manner, configured, manner_of  # noqa: PLC0415 - the same
    from watchdog.replay.opening import is_small, open_sources, total_of  # noqa: PLC0415 - the same
    from watchdog.replay.progress import shown  # noqa: PLC0415 - the same
    from watchdog.replay.report import merged, shorter_warm_up  # noqa: PLC0415 - the same
    from watchdog.replay.run import Replay  # noqa: PLC0415 - the same

    base = Manner()
    if config is not None:
        from watchdog.wiring import read_config  # noqa: PLC0415 - the same

        base = configured(read_config(config).settings, log)
    elif log is not None:
        raise ConfigError("--log chooses among the query logs of a configuration", hint="name it with --config")
    manner = manner_of(base, format_=format_, mapping=mapping, warm_up=warm_up)

    def run(manner: Manner) -> "Report":
        references, sources = open_sources(reference, manner), open_sources(files, manner)
        with shown(total_of([*references, *sources]), Console(stderr=True)) as told:
            return Replay(manner.watch, manner.log, told).run(sources, references)

    report = run(manner)
    shorter = shorter_warm_up(report) if manner.warm_up is None and not reference and is_small(files) else None
    return report if shorter is None else merged(report, run(replace(manner, warm_up=shorter)), shorter)


def _rendered(report: "Report", form: Form, *, show_text: bool) -> str:
    """Return the report as it goes into a file; text in no colours, and as wide as a page."""
    match form:
        case "json":
            from watchdog.replay.tree import tree  # noqa: PLC0415 - only needed here

            return json.dumps(tree(report, show_text=show_text), indent=2) + "\n"
        case "html":
            from watchdog.replay.html import html  # noqa: PLC0415 - jinja2, and only needed here

            return html(report, show_text=show_text)
        case "text":
            from rich.console import Console  # noqa: PLC0415 - heavy, and only needed here

            from watchdog.replay.text import print_report  # noqa: PLC0415 - the same

            page = io.StringIO()
            print_report(report, Console(file=page, width=_WIDTH, highlight=False), show_text=show_text)
            return "".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines())


def _print(report: "Report", form: Form, *, show_text: bool) -> None:
    """Print the report; at a terminal in colours, and as wide as that is."""
    if form != "text" or not sys.stdout.isatty():
        sys.stdout.write(_rendered(report, form, show_text=show_text))
        return
    from rich.console import Console  # noqa: PLC0415 - heavy, and only needed here

    from watchdog.replay.text import print_report  # noqa: PLC0415 - the same

    print_report(report, Console(highlight=False), show_text=show_text)


def _writable(output: Path | None, *, force: bool) -> None:
    """Refuse what would be overwritten before an hour is spent on reading. Raises ConfigError."""
    if output is None:
        return
    if output.is_dir():
        raise ConfigError(f"{output} is a folder", hint="name a file in it")
    if output.exists() and not force:
        raise ConfigError(f"{output} is there already", hint="--force overwrites it")
    if not output.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {output.absolute().parent}", hint="make it first")


def _write(output: Path, page: str) -> None:
    try:
        # For nobody else: even redacted, it is what customers wrote.
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(page)
    except OSError as exc:
        raise LogFileError(f"{output} cannot be written: {exc.strerror}", hint="name another file") from exc


def _say(report: "Report", output: Path) -> None:
    from watchdog.replay.words import verdict  # noqa: PLC0415 - only needed here

    typer.echo(f"{verdict(report)}\nThe report is in {printable(str(output), 400)}.")


def _exit(report: "Report") -> Exit:
    from watchdog.replay.report import Outcome  # noqa: PLC0415 - only needed here

    return {
        Outcome.FOUND: Exit.FINDING,
        Outcome.CLEAN: Exit.CLEAN,
        Outcome.NOT_EVALUATED: Exit.NOT_EVALUATED,
        Outcome.UNREADABLE: Exit.UNREACHABLE,
    }[report.outcome]
