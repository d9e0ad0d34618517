"""What a command says at its end when the ledger could not take everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from watchdog.domain.text import printable
from watchdog.errors import LedgerError

if TYPE_CHECKING:
    from watchdog.app import App


def require_recorded(app: App) -> None:
    """See to it that nothing ends with this process unsaid; warn of a disk that is nearly full.

    Raises LedgerError when decisions are only in memory.
    """
    it = app.ledger.state
    if it.held:
        raise LedgerError(
            f"{app.loaded.settings.ledger}: {it.problem}\n"
            f"NOT RECORDED: {it.held + it.dropped:,} decisions could not be written, and end with this process; "
            "what pages was sent from memory",
            hint=it.hint,
        )
    if it.problem:
        typer.echo(f"the ledger's disk is full, or nearly: {printable(it.problem)}; everything was recorded", err=True)
