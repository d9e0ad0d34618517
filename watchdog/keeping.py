"""Keeping the record: what the ledger could not write is told, tried again, and in the worst case the end."""

from collections.abc import Callable

import structlog

from watchdog import own_faults
from watchdog.domain.findings import Severity
from watchdog.hatch import Hatch
from watchdog.ports import Clock, HoldingLedger

LAST_PAGES_S = 20.0
"""For how long pages are tried after the file failed, before the process ends."""

_AGAIN_S = 300.0
"""How often the numbers are told again while it lasts."""


class Keeping:
    """Looks after a ledger that may have to hold decisions in memory."""

    def __init__(
        self,
        ledger: HoldingLedger,
        hatch: Hatch,
        *,
        log: structlog.typing.FilteringBoundLogger,
        now: Clock,
        monotonic: Callable[[], float],
        stop_rounds: Callable[[], None],
    ) -> None:
        """Call `stop_rounds` when the file failed: nothing that is measured from then on could be recorded."""
        self._ledger, self._hatch, self._log, self._now, self._monotonic = ledger, hatch, log, now, monotonic
        self._stop_rounds = stop_rounds
        # An incident of an earlier run may be open, so that all is well is told once.
        self._told: tuple[str, Severity] | None = ("", Severity.INFO)
        self._told_at, self._failed_at = 0.0, float("inf")

    def look(self) -> None:
        """Try again to write what is held, and tell people when it begins, gets worse, and is over."""
        self._ledger.flush()
        state, at = self._ledger.state, self._now()
        if not state.problem:
            if self._told is not None:
                self._told = None
                self._hatch.note([], [], own_faults.ledger_written(at))
            return
        finding = own_faults.ledger_trouble(state, at)
        level = finding.rule, finding.severity
        if level == self._told and self._monotonic() - self._told_at < _AGAIN_S:
            return
        self._told, self._told_at = level, self._monotonic()
        self._log.error("ledger.trouble", rule=finding.rule, problem=state.problem, held=state.held)
        if state.broken:
            self._failed_at = min(self._failed_at, self._monotonic())
            self._stop_rounds()
        self._hatch.note([], [finding])

    @property
    def over(self) -> bool:
        """Whether nothing is left to do but to end: the file failed, and the pages are out or had their time."""
        if not self._ledger.state.broken or self._failed_at == float("inf"):
            return False
        return self._ledger.next_due() is None or self._monotonic() - self._failed_at > LAST_PAGES_S
