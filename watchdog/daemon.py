"""The daemon: schedules, signals, liveness."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from importlib.metadata import version
from pathlib import Path

from watchdog import own_faults
from watchdog.app import App
from watchdog.asking import counter_path
from watchdog.clockwatch import ClockWatch
from watchdog.config.load import Loaded
from watchdog.counter import Counter
from watchdog.domain.actors import Actor
from watchdog.domain.decisions import Alive, Reloaded
from watchdog.errands import LOG, heard, run_errand
from watchdog.errors import LedgerError, WatchdogError
from watchdog.hatch import Hatch
from watchdog.inspecting import Inspecting
from watchdog.keeping import Keeping
from watchdog.logs import Logs
from watchdog.ports import Clock
from watchdog.post import Post
from watchdog.query_logs.tailing import Tailing
from watchdog.rota import Rota
from watchdog.seedbook import SeedBook
from watchdog.status import status_path, write_snapshot
from watchdog.supervision import Beat, Supervisor
from watchdog.timers import ApTimers
from watchdog.vitals import Vitals
from watchdog.watch import INSPECTION, Watch
from watchdog.wiring import DISTRIBUTION, now, read_config, rebuild

_TICK_S = 1.0
_SNAPSHOT_S = 3.0
_ALIVE_S = 300.0
_DRAIN_S = 3.0
_SCHEDULER_BUDGET_S = 60.0
_DELIVERY_BUDGET_S = 300.0


class Order(Enum):
    """What the daemon can be told, by a signal or otherwise."""

    STOP = auto()
    RELOAD = auto()


@dataclass(frozen=True, slots=True)
class Told:
    """An order, and who gave it."""

    order: Order
    by: str


class Daemon:
    """Runs until it is told to stop. Its main loop does small things; rounds and pages have threads of their own."""

    def __init__(
        self,
        app: App,
        config: Sequence[Path],
        *,
        logs: Logs,
        supervisor: Supervisor,
        timers: ApTimers | None = None,
        clock: Clock = now,
        monotonic: Callable[[], float] = time.monotonic,
        read: Callable[[Sequence[Path]], Loaded] = read_config,
        build_again: Callable[[App, Loaded], App] = rebuild,
    ) -> None:
        self._app, self._config, self._logs, self._log = app, config, logs, logs.log
        self._supervisor, self._now, self._monotonic = supervisor, clock, monotonic
        self._read, self._build_again = read, build_again
        self._orders: queue.SimpleQueue[Told] = queue.SimpleQueue()  # its `put` is safe in a signal handler
        self._ledger_path = app.loaded.settings.ledger
        self._reload_problem, self._why = "", "the daemon ended"
        pulse = Beat("scheduler", _SCHEDULER_BUDGET_S, monotonic)
        post_beat = Beat("delivery", _DELIVERY_BUDGET_S, monotonic)
        self._snapshot_beat, self._alive_beat = Beat("", _SNAPSHOT_S, monotonic), Beat("", _ALIVE_S, monotonic)
        self._post = Post(app.courier, log=self._log, now=clock, beat=post_beat)
        self._hatch = Hatch(app.desk, self._post.wake, self._log)
        self._counter = Counter(counter_path(self._ledger_path), self._do, self._log)
        seeds = self._ledger_path.with_name(self._ledger_path.name + ".seeds")
        self._seeds = SeedBook(seeds, self._hatch, clock)
        self._rota = Rota(self._seeds.seed, self._seeds.known, clock, monotonic)
        self._tailing = Tailing(hatch=self._hatch, log=self._log, now=clock, monotonic=monotonic)
        self._vitals = Vitals(
            rota=self._rota,
            beats=(pulse, post_beat),
            now=clock,
            monotonic=monotonic,
            readers=self._tailing.beats,
        )
        self._timers = timers or ApTimers()
        self._watch = Watch(
            rota=self._rota,
            hatch=self._hatch,
            timers=self._timers,
            log=self._log,
            now=clock,
            clock=ClockWatch(clock, monotonic),
            pulse=pulse,
        )
        self._inspecting = Inspecting(hatch=self._hatch, timers=self._timers, log=self._log, now=clock)
        self._keeping = Keeping(
            app.ledger, self._hatch, log=self._log, now=clock, monotonic=monotonic, stop_rounds=self._watch.stop
        )
        self._reloading: threading.Thread | None = None
        self._writing = threading.Lock()

    @property
    def why(self) -> str:
        """Why it stopped."""
        return self._why

    def tell(self, order: Order, by: str) -> None:
        """Give an order; may be called from a signal handler."""
        self._orders.put(Told(order, by))

    def run(self) -> None:
        """Watch until told to stop."""
        self._start()
        wanted: list[Told] = []
        while True:
            told = self._wait()
            if told is not None and told.order is Order.STOP:
                self._why = told.by
                break
            wanted += [] if told is None else [told]
            if wanted and (self._reloading is None or not self._reloading.is_alive()):
                wanted.clear()
                self._reloading = threading.Thread(target=self._reload, name="reload", daemon=True)
                self._reloading.start()
            self._tick()
            if self._keeping.over:
                self._why = "the file of the ledger failed"
                break
        self._stop()

    def _wait(self) -> Told | None:
        try:
            return self._orders.get(timeout=_TICK_S)
        except queue.Empty:
            return None

    def _start(self) -> None:
        self._timers.start(self._fire, self._refused)
        self._post.start()
        self._take_up(self._app)
        self._counter.open()
        self._settle()
        self._hatch.note([], [], [own_faults.reload_taken_up(self._now())])
        self._write_snapshot()
        self._supervisor.ready(self._line())
        self._log.info("daemon.ready", targets=len(self._app.targets), config=self._app.loaded.digest[:12])

    def _take_up(self, app: App) -> None:
        """Put an app in the place of the one that runs; nothing in here can fail half-way."""
        every = _every(app)
        self._app, self._hatch.desk, self._post.courier = app, app.desk, app.courier
        self._seeds.plan({name: gap.total_seconds() for name, gap in every.items()})
        self._watch.watch(app.rounds, app.targets, every, enrolling=app.enrolling)
        self._inspecting.take_up(app.integrity)
        self._tailing.take_up(app.logs)

    def _fire(self, name: str, due: datetime) -> None:
        if name == INSPECTION:
            self._inspecting.look()
        else:
            self._watch.fire(name, due)

    def _tick(self) -> None:
        moved_s = self._watch.look()
        if moved_s:
            self._post.clock_moved(moved_s)
            self._inspecting.arm(timedelta())
        self._settle()
        self._keeping.look()
        if self._alive_beat.stuck:
            self._alive_beat.tick()
            it = self._rota.totals()
            self._hatch.note([Alive(at=self._now(), rounds=it.rounds, failed=it.failed, missed=it.missed)])
        if self._snapshot_beat.stuck:
            self._write_snapshot()
            self._supervisor.status(self._line())
        if not self._vitals.stuck():
            self._supervisor.alive()

    def _settle(self) -> None:
        try:
            self._seeds.settle()
        except WatchdogError as exc:
            self._log.error("ledger.failed", problem=exc.problem)

    def _do(self, errand: str, what: object, actor: Actor) -> object:
        result = self._hatch.let(lambda: run_errand(errand, what, actor, desk=self._app.desk, now=self._now))
        if errand == LOG:
            self._tailing.hear(*heard(result))
        state = self._app.ledger.state
        if state.held:
            raise LedgerError(
                f"the ledger cannot be written now ({state.problem}): what you did is held in memory",
                hint="it is written as soon as that is over: look at `incidents show` then, before you do it again",
            )
        return result

    def _refused(self, name: str) -> None:
        self._log.warning("timer.refused", target=name)  # the next look arms it again

    def _reload(self) -> None:
        self._supervisor.reloading()
        try:
            app = self._build_again(self._app, self._read(self._config))
            self._hatch.note([Reloaded(at=self._now(), config_digest=app.loaded.digest), *app.allotted])
            self._take_up(app)
        except WatchdogError as exc:
            self._refuse(exc.problem)
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with what was offered, the old one goes on
            self._refuse(f"a fault of the program ({type(exc).__name__})")
        else:
            self._reload_problem = ""
            self._hatch.note([], [], [own_faults.reload_taken_up(self._now())])
            self._write_snapshot()
            self._log.info("config.reloaded", config=app.loaded.digest[:12], targets=len(app.targets))
        self._supervisor.ready(self._line())

    def _refuse(self, problem: str) -> None:
        self._reload_problem = problem
        self._hatch.note([], [own_faults.reload_refused(problem, at=self._now())])
        self._write_snapshot()
        self._log.error("config.refused", problem=problem)

    def _stop(self) -> None:
        self._supervisor.stopping(f"stopping: {self._why}")
        self._log.info("daemon.stopping", why=self._why)
        self._counter.close()
        self._watch.stop()
        self._tailing.stop(_DRAIN_S)
        self._timers.stop()
        deadline = self._monotonic() + _DRAIN_S
        while self._rota.totals().running and self._monotonic() < deadline:
            time.sleep(0.05)
        self._hatch.shut()
        abandoned = self._rota.totals().running
        self._post.stop(_DRAIN_S)
        self._write_snapshot(stopping=True)
        self._log.info("daemon.stopped", rounds_abandoned=abandoned)

    def _line(self) -> str:
        logs = f"{len(self._app.logs)} logs, " if self._app.logs else ""
        return f"{len(self._app.targets)} targets, {logs}{self._vitals.line()}"

    def _write_snapshot(self, *, stopping: bool = False) -> None:
        self._snapshot_beat.tick()
        snapshot = self._vitals.snapshot(
            version=version(DISTRIBUTION),
            config_digest=self._app.loaded.digest,
            reload_problem=self._reload_problem,
            stopping=stopping,
            clock_jumps=self._watch.clock_jumps,
            notices_delivered=self._post.delivered,
            logs_dropped=self._logs.sink.dropped,
            ledger=self._app.ledger.state,
            logs=self._tailing.status(),
        )
        try:
            with self._writing:
                write_snapshot(status_path(self._ledger_path), snapshot)
        except OSError as exc:
            self._log.error("status.failed", problem=exc.strerror)


def _every(app: App) -> Mapping[str, timedelta]:
    targets = app.loaded.settings.targets if app.role.probes else ()
    return {name: it.every for it in targets for name in it.measured}
