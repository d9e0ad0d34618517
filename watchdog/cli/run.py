"""`run`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from watchdog.cli.exits import Exit, exit_code
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption
from watchdog.cli.unwritten import require_recorded
from watchdog.domain.role import Role
from watchdog.errors import ConfigError, LedgerError, LedgerHeldError

_START_S = 600.0
"""What the service manager is asked for while weights are loaded."""


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    log_format: Annotated[
        Literal["auto", "json", "console"] | None,
        typer.Option("--log-format", help="How log lines look, whatever the configuration says."),
    ] = None,
    role: Annotated[
        Role, typer.Option(help="probes: no query logs; stream: only these, in a process and ledger of its own.")
    ] = Role.ALL,
) -> None:
    """Watch targets and query logs until told to stop: SIGTERM and SIGINT end it, SIGHUP reads the configuration again.

    Two processes cannot hold one ledger: a role of its own needs a configuration with a ledger of its own.
    """
    from watchdog.daemon import Daemon, Order  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.logs import open_logs  # noqa: PLC0415 - the same
    from watchdog.supervision import supervisor_of  # noqa: PLC0415 - the same
    from watchdog.wiring import build, read_config  # noqa: PLC0415 - the same

    supervisor = supervisor_of(os.environ)
    loaded = read_config(config)
    if role is Role.STREAM and not loaded.settings.query_logs:
        raise ConfigError("--role stream reads query logs, and none is configured", hint="add `query-logs:`")
    supervisor.starting(_START_S)
    reason = ["the daemon ended"]
    form = log_format or loaded.settings.logs.format
    with (
        open_logs(form, loaded.settings.logs.level) as logs,
        _own_ledger(role),
        build(loaded, ending=lambda: reason[0], role=role) as app,
    ):
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


@contextmanager
def _own_ledger(role: Role) -> Iterator[None]:
    """Say what to do when two roles were to share a ledger."""
    try:
        yield
    except LedgerHeldError as exc:
        if role is Role.ALL:
            raise
        raise LedgerHeldError(
            f"{exc.problem}, and two processes cannot share one, whatever their roles",
            hint="give each role a configuration with a `ledger:` of its own, or run one process with --role all",
        ) from exc
