"""The daily look at the weights' files, on a thread of its own that gives way to everything else."""

import os
import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from watchdog.hatch import AbandonedError, Hatch
from watchdog.integrity import Integrity
from watchdog.ports import Clock
from watchdog.watch import INSPECTION, Timers

EVERY = timedelta(days=1)
_LOWEST = 19


class Inspecting:
    """Looks at every model's files when its time comes, records what it saw, and sees to it that it comes again."""

    def __init__(
        self,
        *,
        hatch: Hatch,
        timers: Timers,
        log: structlog.typing.FilteringBoundLogger,
        now: Clock,
        yields: Callable[[], None] | None = None,
    ) -> None:
        """Call `yields` on the thread that reads, so that it disturbs nobody."""
        self._hatch, self._timers, self._log, self._now = hatch, timers, log, now
        self._yields = yields or give_way
        self._integrity: Integrity | None = None

    def take_up(self, integrity: Integrity) -> None:
        """Look at these models from now on, for the first time at once."""
        self._integrity = integrity
        if integrity.models:
            self.arm(timedelta())
        else:
            self._timers.disarm(INSPECTION)

    def arm(self, after: timedelta) -> None:
        """Look again after this long, in the place of whatever was armed before; also after the clock was moved."""
        if self._integrity is not None and self._integrity.models:
            self._timers.arm(INSPECTION, self._now() + after)

    def look(self) -> None:
        """Read every file, and record each model as soon as it is read. Never raises."""
        self._yields()
        integrity = self._integrity
        if integrity is None:
            return
        try:
            for it in integrity.inspect():
                self._hatch.report([it.check], it.findings, it.recoveries)
                self._log.info("weights.checked", subject=it.check.subject, digest=it.check.digest[:12])
        except AbandonedError:
            return
        except Exception as exc:  # noqa: BLE001 - it must be tried again tomorrow, whatever was wrong today
            self._log.error("weights.failed", problem=f"{type(exc).__name__}: {exc}")
        self.arm(EVERY)


def give_way() -> None:
    """Let this thread run, and read, only when nothing else wants to; threads have priorities of their own on Linux."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
    except OSError:
        return
