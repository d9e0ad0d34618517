"""`run`."""

import os
import signal
import sys
from typing import Annotated, Literal

import typer

from watchdog.cli.exits import Exit, exit_code
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption
from watchdog.cli.unwritten import require_recorded
from watchdog.errors import LedgerError

_START_S = 600.0
"""What the service manager is asked for while weights are loaded."""


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    log_format: Annotated[
        Literal["auto", "json", "console"] | None,
        typer.Option("--log-format", help="How log lines look, whatever the configuration says."),
    ] = None,
) -> None:
    """Watch every target until told to stop: SIGTERM and SIGINT end it, SIGHUP reads the configuration again."""
    from watchdog.daemon import Daemon, Order  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.logs import open_logs  # noqa: PLC0415 - the same
    from watchdog.supervision import supervisor_of  # noqa: PLC0415 - the same
    from watchdog.wiring import build, read_config  # noqa: PLC0415 - the same

    supervisor = supervisor_of(os.environ)
    loaded = read_config(config)
    supervisor.starting(_START_S)
    reason = ["the daemon ended"]
    form = log_format or loaded.settings.logs.format
    with open_logs(form, loaded.settings.logs.level) as logs, build(loaded, ending=lambda: reason[0]) as app:
        daemon = Daemon(app, config, logs=logs, supervisor=supervisor)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda it, _: daemon.tell(Order.STOP, f"signal {signal.Signals(it).name}"))
        signal.signal(signal.SIGHUP, lambda *_: daemon.tell(Order.RELOAD, "signal SIGHUP"))
        daemon.run()
        reason[0] = daemon.why
    code = Exit.CLEAN
    try:
        require_recorded(app)
    except LedgerError as exc:
        typer.echo(f"Error: {exc.problem}\nTry:   {exc.hint}", err=True)
        code = exit_code(exc)
    sys.stdout.flush()
    # Not sys.exit: it would wait for the threads of abandoned rounds, and an endpoint can hold one for minutes.
    os._exit(code)
