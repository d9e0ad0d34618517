"""Structured logs that cannot stop the program: events with ids, through a bounded queue, to standard error.

A terminal or a journal that does not read blocks whoever writes to it. So only one thread writes; everybody else hands
a finished line to a queue, and when that is full the line is dropped and counted.
"""

import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from watchdog.domain.text import printable

_MOST_WAITING = 10_000
_FLUSH_S = 1.0
_LONGEST_VALUE = 400


LogFormat = Literal["auto", "json", "console"]
"""How log lines look; `auto` is for people at a terminal and for programs elsewhere."""


@dataclass(slots=True)
class Sink:
    """Takes finished lines from any thread and never waits. Satisfies what structlog asks of a logger."""

    descriptor: int
    limit: int = _MOST_WAITING
    dropped: int = 0
    """Lines that were thrown away because nobody read them."""
    _lines: "queue.Queue[str | None]" = field(init=False)

    def __post_init__(self) -> None:
        self._lines = queue.Queue(self.limit)

    def msg(self, line: str) -> None:
        """Take one line, or drop it when too many wait already."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    debug = info = warning = error = critical = msg

    def write_all(self) -> None:
        """Write lines until told to stop; the work of the one writing thread."""
        told = 0
        while (line := self._lines.get()) is not None:
            self._write(line)
            if self.dropped > told:
                told = self.dropped
                self._write(f'{{"event": "logs.dropped", "lines": {told}}}')

    def stop(self, thread: threading.Thread) -> None:
        """Let what waits be written, for a moment; a reader that is stuck is not waited for."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        thread.join(_FLUSH_S)

    def _write(self, line: str) -> None:
        data = line.encode("utf-8", "replace") + b"\n"
        with contextlib.suppress(OSError):  # whoever reads us has gone; watching goes on
            while data:
                data = data[os.write(self.descriptor, data) :]


@dataclass(frozen=True, slots=True)
class Logs:
    """The log, and how many lines of it were dropped."""

    log: structlog.typing.FilteringBoundLogger
    sink: Sink


@contextmanager
def open_logs(form: LogFormat, level: str = "info", descriptor: int | None = None) -> Iterator[Logs]:
    """Log to a descriptor, standard error by default, while the block runs."""
    sink = Sink(sys.stderr.fileno() if descriptor is None else descriptor)
    if form == "auto":
        form = "console" if os.isatty(sink.descriptor) else "json"
    writer = threading.Thread(target=sink.write_all, name="logs", daemon=True)
    writer.start()
    log = make_log(form, sink, level)
    handler = _Library(log)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield Logs(log, sink)
    finally:
        root.removeHandler(handler)
        sink.stop(writer)


def make_log(form: LogFormat, sink: Sink, level: str = "info") -> structlog.typing.FilteringBoundLogger:
    """Return a log of its own: nothing here is set for the whole process."""
    renderer = (
        structlog.processors.JSONRenderer(default=lambda value: printable(repr(value)))
        if form != "console"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        sink,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _on_one_line,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
    )
    return log


def _on_one_line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make every text safe to show: an answer from outside may be quoted in an error."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value, _LONGEST_VALUE)
    return event


class _Library(logging.Handler):
    """Passes on what libraries warn of, through the same queue."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's record as an event; without its traceback, which may hold anything."""
        self._log.warning("library.said", logger=record.name, text=record.getMessage())
