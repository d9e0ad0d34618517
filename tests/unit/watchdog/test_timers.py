"""The timers that the daemon has from APScheduler."""

from datetime import UTC, datetime, timedelta

from tests.daemons import until
from watchdog.timers import ApTimers


def test_real_timers_come_true_once_each_and_late_ones_too() -> None:
    timers, fired = ApTimers(workers=2), []
    timers.start(lambda name, at: fired.append(name), lambda name: None)
    try:
        at = datetime.now(UTC)
        timers.arm("late", at - timedelta(hours=1))
        timers.arm("gone", at + timedelta(seconds=0.2))
        timers.arm("soon", at + timedelta(seconds=0.3))
        timers.arm("moved", at + timedelta(hours=1))
        timers.arm("moved", at + timedelta(seconds=0.3))
        timers.disarm("gone")
        timers.disarm("never")
        assert until(lambda: sorted(fired) == ["late", "moved", "soon"])
    finally:
        timers.stop()
