"""The delivery loop: empties the outbox on a thread of its own, so that a receiver which hangs delays no round."""

import threading
from datetime import timedelta

import structlog

from watchdog.delivery import Courier
from watchdog.errors import WatchdogError
from watchdog.ports import Clock
from watchdog.supervision import Beat

_IDLE_S = 10.0
_AFTER_FAULT_S = 5.0
_MOST_AT_ONCE = 10_000


class Post:
    """Delivers what is due, when something is queued and when a retry falls due."""

    def __init__(self, courier: Courier, *, log: structlog.typing.FilteringBoundLogger, now: Clock, beat: Beat) -> None:
        self.courier = courier
        """Replaced as a whole when the configuration changes."""
        self.delivered = 0
        self._log, self._now, self._beat = log, now, beat
        self._news = threading.Event()
        self._over = threading.Event()
        self._behind = timedelta()
        self._thread = threading.Thread(target=self._run, name="post", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a notice may have been queued."""
        self._news.set()

    def clock_moved(self, seconds: float) -> None:
        """Say that the clock was moved: after a step back, what was due on the old clock is tried at once."""
        if seconds < 0:
            self._behind = max(self._behind, timedelta(seconds=-seconds))
        self._news.set()

    def stop(self, patience_s: float) -> None:
        """End after the attempt that is being made, or after `patience_s`; what is left stays in the outbox."""
        self._over.set()
        self._news.set()
        self._thread.join(patience_s)

    def _run(self) -> None:
        while not self._over.is_set():
            self._beat.tick()
            self._news.clear()
            try:
                wait_s = self._deliver()
            except WatchdogError as exc:
                self._log.error("delivery.failed", problem=exc.problem)
                wait_s = _AFTER_FAULT_S
            except Exception as exc:  # noqa: BLE001 - one notifier's fault must not stop the pages of the others
                self._log.error("delivery.fault", fault=type(exc).__name__)
                wait_s = _AFTER_FAULT_S
            if wait_s > 0:
                self._news.wait(wait_s)

    def _deliver(self) -> float:
        """Make one attempt, or one pass after a clock was set back; return how long nothing is due."""
        behind, self._behind = self._behind, timedelta()
        if behind:
            self._note(self.courier.deliver_due(_MOST_AT_ONCE, ahead=behind))
            return 0.0
        due = self.courier.ledger.next_due()
        if due is None:
            return _IDLE_S
        wait_s = (due - self._now()).total_seconds()
        if wait_s > 0:
            return min(wait_s, _IDLE_S)
        self._note(self.courier.deliver_due(1))
        return 0.0

    def _note(self, accepted: int) -> None:
        self.delivered += accepted
        if accepted:
            self._log.info("notice.delivered", notices=accepted)
        else:
            self._log.warning("notice.not_delivered")
