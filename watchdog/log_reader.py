"""Reads one query log on a thread of its own, whatever happens to it: a fault is told, and it is opened again."""

import threading
import traceback
from collections.abc import Callable
from datetime import datetime

import structlog

from watchdog import own_faults
from watchdog.domain.queries import DetectorState, LogChunk, LogPosition, Looking
from watchdog.errors import WatchdogError
from watchdog.hatch import AbandonedError, Hatch
from watchdog.log_source import Heard, LogSource
from watchdog.ports import Clock
from watchdog.sifting import Sifted
from watchdog.status import LogStatus
from watchdog.streaming import Streaming
from watchdog.supervision import Beat

BUDGET_S = 120.0
"""How long one step may take; one that reads four megabytes takes a second, and a commit may wait for half a minute."""

_IDLE_S = 0.2
_AFTER_FAULT_S = 5.0
_MOST_AFTER_FAULT_S = 60.0
_PATIENCE_S = 60.0
"""For how long a log may go unread before people are told."""


class LogReader:
    """One log's thread."""

    def __init__(
        self,
        source: LogSource,
        *,
        hatch: Hatch,
        log: structlog.typing.FilteringBoundLogger,
        now: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self.source = source
        self.beat = Beat(f"log {source.name}", BUDGET_S, monotonic)
        self._hatch, self._log, self._now = hatch, log.bind(log=source.name), now
        self._over = threading.Event()
        self._stream: Streaming | None = None
        self._problem, self._unread_since = "", now()
        self._told: str | None = None
        self._failures = 0
        self._lines = self._queries = self._ours = self._malformed = 0
        self._newest: datetime | None = None
        self._thread = threading.Thread(target=self._run, name=f"log {source.name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def end(self) -> None:
        """Ask it to record what it has, and to end."""
        self._over.set()

    def join(self, patience_s: float) -> bool:
        """Wait for its end, and say whether it came."""
        self._thread.join(max(0.0, patience_s))
        return not self._thread.is_alive()

    def hear(self, what: Heard) -> None:
        """Pass on what people said; a stream that is opened later reads it in the record."""
        stream = self._stream
        if stream is not None:
            what(stream)

    def status(self) -> LogStatus:
        """Say how it stands."""
        stream = self._stream
        standing = () if stream is None else tuple(stream.sifting.watch.standing())
        return LogStatus(
            name=self.source.name,
            format="" if stream is None else stream.sifting.form.name,
            lag_bytes=0 if stream is None else stream.lag_bytes,
            newest=self._newest,
            per_second=0.0 if stream is None else stream.rate.per_second,
            lines=self._lines,
            queries=self._queries,
            ours=self._ours,
            malformed=self._malformed,
            blind=tuple(self.source.checks.blind(standing)),
            warming_up=tuple(_warming(it) for it in standing if it.looking is Looking.WARMING_UP),
            problem=self._problem,
        )

    def _run(self) -> None:
        while not self._over.is_set():
            self.beat.tick()
            try:
                self._read()
            except AbandonedError:
                return
            except WatchdogError as exc:
                self._failed(exc.problem)
            except Exception as exc:  # noqa: BLE001 - one log's fault must not stop the watch over everything else
                frame = traceback.extract_tb(exc.__traceback__)[-1]
                where = f"{frame.filename}:{frame.lineno}"
                self._log.error("log.fault", fault=type(exc).__name__, where=where)
                self._failed(f"a fault of the program ({type(exc).__name__})")

    def _read(self) -> None:
        """Open the log and step it to the end of the daemon; what is not recorded when it fails is read again."""
        stream = self.source.open()
        if stream is None:
            self._wait_for_lines()
            return
        stream.desk = self._hatch
        try:
            stream.resume(self._now())
            self._stream = stream
            self._log.info("log.opened", format=stream.sifting.form.name)
            while not self._over.is_set():
                self._step(stream)
            stream.stop(self._now())
        finally:
            self._stream = None
            stream.close()

    def _step(self, stream: Streaming) -> None:
        self.beat.tick()
        stepped = stream.step(self._now())
        self._problem, self._unread_since, self._failures = "", self._now(), 0
        self._count(stepped.sifted)
        if stepped.findings or stepped.recoveries:
            found, over = [it.rule for it in stepped.findings], [it.rule for it in stepped.recoveries]
            self._log.info("log.found", findings=found, recoveries=over)
        if not stepped.more:
            self._over.wait(_IDLE_S)

    def _count(self, it: Sifted) -> None:
        self._lines, self._queries = self._lines + it.lines, self._queries + it.queries
        self._ours, self._malformed = self._ours + it.ours, self._malformed + it.bad
        self._newest = it.newest or self._newest

    def _wait_for_lines(self) -> None:
        """Nobody knows its format yet; that our own probes should be in it by now shows all the same."""
        looked = self.source.checks.look(LogChunk(lines=(), position=LogPosition()), Sifted(), (), self._now())
        if looked.findings or looked.recoveries:
            self._hatch.note([], looked.findings, looked.recoveries)
        self._problem = "no line was written to it yet that its format could be told from"
        self._over.wait(1.0)

    def _failed(self, problem: str) -> None:
        self._problem = problem
        self._log.error("log.failed", problem=problem)
        now = self._now()
        if (now - self._unread_since).total_seconds() >= _PATIENCE_S and self._told != problem:
            self._told = problem
            self.source.checks.told_elsewhere()
            finding = own_faults.log_unread(self.source.name, problem, since=self._unread_since, at=now)
            self._hatch.note([], [finding])
        self._failures += 1
        self._over.wait(min(_AFTER_FAULT_S * self._failures, _MOST_AFTER_FAULT_S))


def _warming(it: DetectorState) -> str:
    return f"{it.rule}: {it.learned:,} of {it.needed:,} requests"
