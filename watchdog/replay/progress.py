"""How far a replay is, as a moving line on a terminal; nothing anywhere else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from watchdog.replay.run import Told, silent


@contextmanager
def shown(total: int | None, console: Console) -> Iterator[Told]:
    """Yield what a replay tells its progress to; `total` is the bytes there are, None when nobody knows."""
    if not console.is_terminal:
        yield silent
        return
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TextColumn("{task.description}"),
        TimeRemainingColumn(compact=True),
    )
    started = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def told(*, taken: int, requests: int, alarms: int) -> None:
            speed = requests / max(time.monotonic() - started, 1e-3)
            said = f"{speed:,.0f} requests/s, {alarms:,} alarm{'' if alarms == 1 else 's'} so far"
            bar.update(task, completed=taken, description=said)

        yield told
