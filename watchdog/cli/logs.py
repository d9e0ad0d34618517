"""`logs`: recorded query logs, and how it stands with the live ones."""

import typer

from watchdog.cli import log_clients, log_status, replay

app = typer.Typer(help="Read query logs: recorded ones, and how it stands with the live ones.", no_args_is_help=True)
app.command("replay")(replay.replay)
app.command("status")(log_status.status)
app.command("expect")(log_clients.expect)
app.command("erase")(log_clients.erase)
