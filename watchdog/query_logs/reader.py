"""Reads one query log on a thread of its own, whatever happens to it: a fault is told, and it is opened again."""

import threading
import traceback
from collections.abc import Callable
from datetime import datetime

import structlog

from watchdog import alarm_words, own_faults
from watchdog.domain.queries import DetectorState, LogChunk, LogPosition, Looking
from watchdog.errors import WatchdogError
from watchdog.hatch import AbandonedError, Hatch
from watchdog.ports import Clock
from watchdog.query_logs.sifting import Sifted
from watchdog.query_logs.source import Heard, LogSource
from watchdog.query_logs.streaming import Streaming
from watchdog.status import LogStatus
from watchdog.supervision import Beat

BUDGET_S = 120.0
"""How long one step may take; one that reads four megabytes takes a second, and a commit may wait for half a minute."""

_IDLE_S = 0.2
_AFTER_FAULT_S = 5.0
_MOST_AFTER_FAULT_S = 60.0
_PATIENCE_S = 60.0
"""For how long a log may go unread before people are told."""
_EXCHANGE_S = 10.0
"""For how long the reader before may take to record what it has, before that counts as a fault."""


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
        before: "LogReader | None" = None,
    ) -> None:
        """Read a source; `before` is a reader of the same log that was asked to end."""
        self.source = source
        self.beat = Beat(f"log {source.name}", BUDGET_S, monotonic)
        self._hatch, self._log, self._now = hatch, log.bind(log=source.name), now
        self._before = before
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
        """Wait for its end, and for the end of the one before it; say whether it came."""
        self._thread.join(max(0.0, patience_s))
        return not self._thread.is_alive() and (self._before is None or self._before.join(0.0))

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
        self._take_turn()
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

    def _take_turn(self) -> None:
        """Wait for the end of the reader before: two readers of one log would both move its position."""
        while self._before is not None and not self._over.is_set():
            self.beat.tick()
            if self._before.join(_EXCHANGE_S):
                self._before = None
            else:
                self._failed("the reader that it had before the reload does not end")

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
        self._is_well("")
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
        self._is_well("no line was written to it yet that its format could be told from")
        self._over.wait(1.0)

    def _is_well(self, problem: str) -> None:
        """Take note that nothing failed; what fails from now on is told, also when it was told before."""
        self._problem, self._unread_since, self._failures, self._told = problem, self._now(), 0, None

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
    return f"{it.rule}: {alarm_words.learned(it)}"
