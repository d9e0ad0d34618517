"""The way to the desk, which can be shut: what comes after the end is abandoned whole, never half recorded."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from watchdog.domain.decisions import Decision
from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.streamed import StreamState
from watchdog.errors import WatchdogError
from watchdog.ports import FindingSink

T = TypeVar("T")


class AbandonedError(Exception):
    """A report came after the end: the round it is from is abandoned, whole."""


class Hatch:
    """Hands reports on to the desk until it is shut. Satisfies `ports.FindingSink`."""

    def __init__(
        self, desk: FindingSink, queued: Callable[[], None], log: structlog.typing.FilteringBoundLogger
    ) -> None:
        """Call `queued` after each report that may have put a notice in the outbox."""
        self.desk = desk
        """Replaced as a whole when the configuration changes."""
        self._log = log
        self._queued = queued
        self._lock = threading.Lock()
        self._shut = False

    def report(
        self,
        decisions: Sequence[Decision],
        findings: Sequence[Finding] = (),
        recoveries: Sequence[Recovery] = (),
        state: StreamState | None = None,
    ) -> None:
        """Hand on; raises AbandonedError when shut."""
        with self._lock:
            if self._shut:
                raise AbandonedError
            self.desk.report(decisions, findings, recoveries, state)
        if findings or recoveries:
            self._queued()

    def let(self, work: Callable[[], T]) -> T:
        """Let something else write that may put a notice in the outbox; raises AbandonedError when shut."""
        with self._lock:
            if self._shut:
                raise AbandonedError
            result = work()
        self._queued()
        return result

    def note(
        self,
        decisions: Sequence[Decision],
        findings: Sequence[Finding] = (),
        recoveries: Sequence[Recovery] = (),
    ) -> None:
        """Hand on what the daemon has to say about itself. Never raises: watching goes on without it."""
        try:
            self.report(decisions, findings, recoveries)
        except AbandonedError:
            return
        except WatchdogError as exc:
            self._log.error("ledger.failed", problem=exc.problem)

    def shut(self) -> None:
        """Let the report that is being written end, and no other begin."""
        with self._lock:
            self._shut = True
