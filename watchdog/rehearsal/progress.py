"""How far a demo is, said while it runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@dataclass
class Steps:
    """Says what is going on: a moving line at a terminal, plain lines elsewhere."""

    console: Console
    _exchanges: int = 0
    _update: Callable[[], None] = field(default=lambda: None)

    def tick(self) -> None:
        """Count an exchange."""
        self._exchanges += 1
        self._update()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say what is done in the block, and how long it took."""
        started, before = time.monotonic(), self._exchanges
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            with Progress(*columns, console=self.console, transient=True) as progress:
                task = progress.add_task(what, total=None)
                self._update = lambda: progress.update(
                    task, description=f"{what} ({self._exchanges - before} exchanges)"
                )
                yield
                self._update = lambda: None
        else:
            yield
        exchanges = self._exchanges - before
        count = f", {exchanges} exchanges" if exchanges else ""
        self.console.print(f"✓ {what}{count}, {time.monotonic() - started:.1f} s", markup=False)
