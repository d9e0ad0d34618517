"""`logs status`: how it stands with the reading of each query log, as the daemon says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from watchdog.cli.exits import Exit
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.domain.text import printable
from watchdog.errors import ConfigError

if TYPE_CHECKING:
    from watchdog.status import LogStatus

BEHIND = 64 << 20
"""Bytes that wait to be read from which on a log counts as lagging."""


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Say how far each log was read and what nobody can see in it; exit 0 all well, 3 blind or behind, 4 no daemon."""
    from watchdog.cli.status import daemon_of  # noqa: PLC0415 - only needed here
    from watchdog.status import read_snapshot, status_path  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    settings = read_config(config).settings
    if not settings.query_logs:
        raise ConfigError("the configuration names no query log", hint="add `query-logs:`; docs/query-logs.md says how")
    snapshot = read_snapshot(status_path(settings.ledger))
    daemon = daemon_of(snapshot)
    logs = () if snapshot is None or daemon != "running" else snapshot.logs
    if as_json:
        print_json({"daemon": daemon, "logs": [asdict(it) for it in logs]})
    else:
        typer.echo(f"daemon: {daemon}")
        print_logs(logs)
        if daemon == "running" and not logs:
            typer.echo("it reads no query log (--role probes, or its configuration named none when it was read)")
    if not logs:
        raise typer.Exit(Exit.UNREACHABLE)
    raise typer.Exit(Exit.NOT_EVALUATED if any(map(troubled, logs)) else Exit.CLEAN)


def troubled(it: LogStatus) -> bool:
    """Say whether a log is not read, is read too slowly, or hides something that should be looked at."""
    return bool(it.problem or it.blind) or it.lag_bytes >= BEHIND


def print_logs(logs: Sequence[LogStatus]) -> None:
    """Print some lines for each log."""
    for it in logs:
        newest = "no request yet" if it.newest is None else f"newest request {it.newest:%Y-%m-%d %H:%M:%S} UTC"
        typer.echo(
            f"log {it.name} ({it.format or 'format not known yet'}): {it.per_second:,.1f} requests/s, {newest}, "
            f"{it.lag_bytes:,} bytes behind; {it.lines:,} lines, {it.malformed:,} malformed, {it.ours:,} our own probes"
        )
        for text in it.warming_up:
            typer.echo(f"  warming up, and cannot alarm yet: {printable(text, 160)}")
        for text in it.blind:
            typer.echo(f"  BLIND {printable(text, 160)}")
        if it.problem:
            typer.echo(f"  NOT READ: {printable(it.problem, 240)}")
