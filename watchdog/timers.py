"""Timers for the daemon: the only module that knows APScheduler."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from watchdog.watch import INSPECTION, PULSE

WORKERS = 32
"""Rounds that run at once; more wait for their turn, and are seen to be late."""


class ApTimers:
    """Timers on APScheduler 3. Satisfies `watch.Timers`.

    It works from the wall clock and sleeps until the next instant, so whoever uses it must arm anew when the clock is
    moved (`watch.ClockWatch`). Each instant is a job of its own, run once, however late.
    """

    def __init__(self, workers: int = WORKERS) -> None:
        self.workers = workers
        self._fire: Callable[[str, datetime], None] = lambda *_: None
        self._scheduler: Any = BackgroundScheduler(
            timezone=UTC,
            # The pulse has a thread of its own: rounds that take all the others must not look like a dead scheduler.
            # So has the inspection: it reads gigabytes at the lowest priority, which its thread cannot leave again.
            executors={
                "default": ThreadPoolExecutor(workers),
                PULSE: ThreadPoolExecutor(1),
                INSPECTION: ThreadPoolExecutor(1),
            },
            # By default a job that comes a second late is dropped, and nobody is told.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self, fire: Callable[[str, datetime], None], refused: Callable[[str], None]) -> None:
        """Begin; `refused` hears of a name whose last call had not ended when the next one was due."""
        self._fire = fire
        self._scheduler.add_listener(lambda event: refused(event.job_id), EVENT_JOB_MAX_INSTANCES)
        self._scheduler.start()

    def arm(self, name: str, at: datetime) -> None:
        """Call back with this name and instant once the clock has reached it."""
        executor = name if name in {PULSE, INSPECTION} else "default"
        self._scheduler.add_job(
            self._fire, "date", run_date=at, args=(name, at), id=name, replace_existing=True, executor=executor
        )

    def disarm(self, name: str) -> None:
        """Forget the name."""
        try:
            self._scheduler.remove_job(name)
        except JobLookupError:
            return

    def stop(self) -> None:
        """Call nobody back any more; calls that run are not waited for."""
        # First the jobs: one that comes due while APScheduler shuts down is looked for in vain, in its own thread.
        self._scheduler.remove_all_jobs()
        self._scheduler.shutdown(wait=False)
