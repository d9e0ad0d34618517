"""The reading of query logs beside the rounds: a thread for each log, exchanged when its configuration changes."""

import time
from collections.abc import Callable, Sequence

import structlog

from watchdog.hatch import Hatch
from watchdog.ports import Clock
from watchdog.query_logs.reader import LogReader
from watchdog.query_logs.source import Heard, LogSource
from watchdog.status import LogStatus
from watchdog.supervision import Beat


class Tailing:
    """Keeps one reader for each log."""

    def __init__(
        self,
        *,
        hatch: Hatch,
        log: structlog.typing.FilteringBoundLogger,
        now: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._hatch, self._log, self._now, self._monotonic = hatch, log, now, monotonic
        self._readers: dict[str, LogReader] = {}

    def take_up(self, sources: Sequence[LogSource]) -> None:
        """Read these logs from now on; a reader whose log is configured as before goes on undisturbed."""
        wanted = {it.name: it for it in sources}
        before = self._readers
        same = {name: it for name, it in before.items() if name in wanted and wanted[name].key == it.source.key}
        over = {name: it for name, it in before.items() if name not in same}
        for it in over.values():
            it.end()
        fresh = {name: self._reader(it, over.get(name)) for name, it in wanted.items() if name not in same}
        self._readers = {name: same.get(name) or fresh[name] for name in wanted}
        for reader in fresh.values():
            reader.start()

    def beats(self) -> tuple[Beat, ...]:
        """Return the beats of the readers, to see whether they move."""
        return tuple(it.beat for it in self._readers.values())

    def status(self) -> tuple[LogStatus, ...]:
        """Say how it stands with each log."""
        return tuple(it.status() for it in self._readers.values())

    def hear(self, log: str | None, what: Heard) -> None:
        """Pass on what people said to the stream of a log, or with None to all."""
        for name, reader in self._readers.items():
            if log in (None, name):
                reader.hear(what)

    def stop(self, patience_s: float) -> None:
        """Record what was read, and read no further; whoever takes longer is left to its fate."""
        deadline = time.monotonic() + patience_s
        for reader in self._readers.values():
            reader.end()
        for reader in self._readers.values():
            reader.join(deadline - time.monotonic())

    def _reader(self, source: LogSource, before: LogReader | None) -> LogReader:
        return LogReader(
            source, hatch=self._hatch, log=self._log, now=self._now, monotonic=self._monotonic, before=before
        )
