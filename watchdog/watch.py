"""Rounds when they are due: one at a time for each target, whatever the clock does."""

import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from watchdog import own_faults
from watchdog.blind_findings import kept_recovery, missed_finding
from watchdog.clockwatch import ClockWatch
from watchdog.domain.decisions import RoundsMissed
from watchdog.enrolment import Enrolling
from watchdog.errors import WatchdogError
from watchdog.hatch import AbandonedError, Hatch
from watchdog.ports import Clock
from watchdog.renewing import Renewing
from watchdog.rota import Rota
from watchdog.rounds import RoundReport, Rounds
from watchdog.supervision import Beat
from watchdog.targets import Target

PULSE = "*pulse*"
"""What is armed besides the targets, to see that times still come true; no target can be called this."""
PULSE_EVERY = timedelta(seconds=5)
INSPECTION = "*inspection*"
"""What is armed for the next look at the weights' files."""

FAILURE_THRESHOLD = 3
"""Rounds in a row that fail before people are told."""

ON_TIME = timedelta(minutes=30)
"""For how long every round has to begin when it is due, until missed ones count as over."""

APART_S = 3.0
"""The longest that one channel waits after the other in a round that nobody is waiting for."""

_LOST_S = 10.0
_MOST_NAMED = 20


class Timers(Protocol):
    """Calls back at an instant of the wall clock, on a thread of its own choosing."""

    def arm(self, name: str, at: datetime) -> None:
        """Call back with this name and instant once the clock has reached it; takes the place of the name's last."""
        ...

    def disarm(self, name: str) -> None:
        """Forget the name."""
        ...

    @property
    def workers(self) -> int:
        """How many calls can run at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is watched, and with what; swapped as one."""

    rounds: Renewing
    targets: Mapping[str, Target]


class Watch:
    """Begins rounds when their time comes, and sees to it that a time always comes."""

    def __init__(
        self,
        *,
        rota: Rota,
        hatch: Hatch,
        timers: Timers,
        log: structlog.typing.FilteringBoundLogger,
        now: Clock,
        clock: ClockWatch,
        pulse: Beat,
    ) -> None:
        self._rota, self._hatch, self._timers, self._log, self._now = rota, hatch, timers, log, now
        self._clock, self._pulse = clock, pulse
        self._watched: Watched | None = None
        self._missed_since: datetime | None = None
        # An incident of an earlier run may be open, so the first time without a miss is told too.
        self._missed_last: datetime | None = now()
        self._over, self._missing = threading.Event(), threading.Lock()
        self._moved_s = 0.0
        self.clock_jumps = 0

    def watch(
        self,
        rounds: Rounds,
        targets: Sequence[Target],
        every: Mapping[str, timedelta],
        *,
        enrolling: Enrolling | None = None,
    ) -> None:
        """Watch these targets from now on; running rounds go on as they began."""
        before = () if self._watched is None else tuple(self._watched.targets)
        apart = replace(rounds.measuring, apart_s=APART_S)
        renewing = Renewing(
            rounds=replace(rounds, desk=self._hatch, measuring=apart),
            enrolling=None if enrolling is None else replace(enrolling, desk=self._hatch, measuring=apart),
        )
        self._watched = Watched(rounds=renewing, targets={it.name: it for it in targets})
        changed = self._rota.plan(every)
        for name in set(before) - set(every):
            self._timers.disarm(name)
        for name in changed:
            self._arm(name)
        self._timers.arm(PULSE, self._now() + PULSE_EVERY)

    def fire(self, name: str, due: datetime) -> None:
        """Run the round that is due, record it, and arm the next one. Never raises: a fault becomes an event."""
        if name == PULSE:
            self._pulse.tick()
            self._timers.arm(PULSE, self._now() + PULSE_EVERY)
            return
        watched = self._watched
        target = None if watched is None else watched.targets.get(name)
        if watched is None or target is None or self._over.is_set():
            return
        # A time that comes true because the clock was set forward is none: nobody drew this instant.
        self._check_clock()
        late_s = self._rota.begin(name, due)
        if late_s is None:
            return
        log = self._log.bind(target=name)
        log.info("round.started", due=due.isoformat(), late_s=round(late_s, 3))
        try:
            self._run(watched.rounds, target, log)
        except AbandonedError:
            log.info("round.abandoned")
            return
        self._arm(name)

    def look(self) -> float:
        """Notice a moved clock and lost times, and put both right; returns by how much the clock jumped."""
        self._check_clock()
        with self._missing:
            moved_s, self._moved_s = self._moved_s, 0.0
        if not moved_s and self._rota.totals().running < self._timers.workers:
            # Nothing else holds these rounds up, so their time was lost on the way: run them now.
            for name, due in self._rota.overdue(_LOST_S):
                self._timers.arm(name, due)
        for name in self._rota.unarmed():
            self._arm(name)
        self._keep()
        return moved_s

    def stop(self) -> None:
        """Begin no further round."""
        self._over.set()

    def _run(self, rounds: Renewing, target: Target, log: structlog.typing.FilteringBoundLogger) -> None:
        try:
            report = rounds.run(target, renewed=lambda _: log.warning("target.enrolled", why="a declared rollout"))
        except AbandonedError:
            raise
        except WatchdogError as exc:
            self._failed(target.name, exc.problem, log)
        except Exception as exc:  # noqa: BLE001 - one target's fault must not stop the watch over the others
            frame = traceback.extract_tb(exc.__traceback__)[-1]
            where = f"{frame.filename}:{frame.lineno}"
            log.error("round.fault", fault=type(exc).__name__, where=where)  # noqa: TRY400 - a traceback may hold a reply
            self._failed(target.name, f"a fault of the program ({type(exc).__name__})", log)
        else:
            self._recorded(report, log)

    def _recorded(self, report: RoundReport, log: structlog.typing.FilteringBoundLogger) -> None:
        done = report.done
        log.info(
            "round.finished",
            round=done.id,
            compared=done.compared,
            flagged=done.flagged,
            judged=done.judged,
            unmeasured=done.unmeasured,
            findings=[it.rule for it in report.findings],
            recoveries=[it.rule for it in report.recoveries],
        )
        if report.skipped is not None:
            skipped = report.skipped
            log.warning("round.skipped", what=skipped.what, spent=skipped.spent, budget=skipped.budget)
        self._end(done.target, report.blind, recorded=True)

    def _failed(self, name: str, problem: str, log: structlog.typing.FilteringBoundLogger) -> None:
        log.error("round.failed", problem=problem)
        self._end(name, problem, recorded=False)

    def _end(self, name: str, blind: str, *, recorded: bool) -> None:
        failed_before = self._rota.failures(name)
        missed = self._rota.end(name, blind, recorded=recorded)
        at = self._now()
        if missed:
            self._miss(_missed("busy", {name: missed}, 0.0, at))
        findings, recoveries = [], []
        if recorded and failed_before >= FAILURE_THRESHOLD:
            recoveries.append(own_faults.round_recorded(name, at))
        if not recorded and failed_before + 1 >= FAILURE_THRESHOLD:
            findings.append(own_faults.rounds_unrecorded(name, blind, failures=failed_before + 1, at=at))
        if findings or recoveries:
            self._hatch.note([], findings, recoveries)

    def _check_clock(self) -> None:
        with self._missing:
            moved_s = self._clock.moved_s()
            self._moved_s += moved_s
        if not moved_s:
            return
        self.clock_jumps += 1
        skipped = self._rota.skip_passed()
        self._log.warning("clock.moved", by_s=round(moved_s, 1), rounds_missed=sum(skipped.values()))
        self._timers.arm(PULSE, self._now() + PULSE_EVERY)
        self._missed_last = None if self._missed_last is None else self._now()
        self._miss(_missed("clock", skipped, moved_s, self._now()))

    def _miss(self, missed: RoundsMissed) -> None:
        """Record it; when rounds were missed, and not only the clock moved, people are told."""
        if not missed.missed:
            self._hatch.note([missed])
            return
        with self._missing:
            self._missed_since, self._missed_last = self._missed_since or missed.at, missed.at
            finding = missed_finding(missed, since=self._missed_since)
        self._hatch.note([missed], [finding])

    def _keep(self) -> None:
        """Say that missed rounds are over, once none was missed for long enough."""
        with self._missing:
            if self._missed_last is None or self._now() - self._missed_last < ON_TIME:
                return
            self._missed_since = self._missed_last = None
        self._hatch.note([], [], [kept_recovery(self._now())])

    def _arm(self, name: str) -> None:
        try:
            due = self._rota.arm(name)
        except WatchdogError as exc:
            # The seed could not be written down; the next look tries again.
            self._log.error("schedule.failed", target=name, problem=exc.problem)
            return
        if due is not None and not self._over.is_set():
            self._timers.arm(name, due)


def _missed(why: str, by_target: Mapping[str, int], moved_s: float, at: datetime) -> RoundsMissed:
    return RoundsMissed(
        at=at,
        why="clock" if why == "clock" else "busy",
        missed=sum(by_target.values()),
        targets=tuple(sorted(by_target))[:_MOST_NAMED],
        clock_moved_s=round(moved_s, 3),
    )
