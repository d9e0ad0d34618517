"""How the daemon is: which of its loops move, and what it tells people who ask."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from watchdog.ports import Clock, LedgerState
from watchdog.rota import Rota
from watchdog.status import LogStatus, LoopStatus, Snapshot
from watchdog.supervision import Beat

ROUND_BUDGET_S = 3600.0
"""How long a round may run; no endpoint's timeouts add up to that, so a longer one hangs."""


@dataclass(slots=True, kw_only=True)
class Vitals:
    """Reads the daemon's state; changes nothing."""

    rota: Rota
    beats: tuple[Beat, ...]
    now: Clock
    monotonic: Callable[[], float]
    readers: Callable[[], Sequence[Beat]] = tuple
    """The beats of the loops that read query logs; they come and go."""
    _started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = self.now()

    def stuck(self) -> list[str]:
        """Name the loops that have not moved within their budgets; the service manager restarts us for them."""
        return [it.name for it in self._loops() if it.age_s > it.budget_s]

    def line(self) -> str:
        """Say it in one line."""
        it, stuck = self.rota.totals(), self.stuck()
        told = f"; stuck: {', '.join(stuck)}" if stuck else ""
        return f"{it.rounds} rounds, {it.running} running, {it.missed} missed{told}"

    def snapshot(
        self,
        *,
        version: str,
        config_digest: str,
        reload_problem: str,
        stopping: bool,
        clock_jumps: int,
        notices_delivered: int,
        logs_dropped: int,
        ledger: LedgerState,
        logs: tuple[LogStatus, ...] = (),
    ) -> Snapshot:
        """Say it in full."""
        it = self.rota.totals()
        return Snapshot(
            written_at=self.now(),
            monotonic_s=self.monotonic(),
            pid=os.getpid(),
            version=version,
            started_at=self._started_at,
            config_digest=config_digest,
            reload_problem=reload_problem,
            stopping=stopping,
            rounds=it.rounds,
            failed=it.failed,
            missed=it.missed,
            clock_jumps=clock_jumps,
            notices_delivered=notices_delivered,
            logs_dropped=logs_dropped,
            ledger=ledger,
            late_p99_s=self.rota.late_p99_s(),
            loops=self._loops(),
            targets=self.rota.targets(),
            logs=logs,
        )

    def _loops(self) -> tuple[LoopStatus, ...]:
        loops = [
            LoopStatus(name=it.name, age_s=it.age_s, budget_s=it.budget_s) for it in (*self.beats, *self.readers())
        ]
        rounds = LoopStatus(name="rounds", age_s=self.rota.longest_running_s(), budget_s=ROUND_BUDGET_S)
        return (*loops, rounds)
