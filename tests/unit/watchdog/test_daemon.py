"""The daemon's promises, on a clock that the test moves: rounds go on whatever the clock, a receiver or a file does."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from probes.channels.scripted import CannedChannel
from storage.memory import MemoryLedger
from tests.builders import NOW, finding
from watchdog import own_faults
from watchdog.app import App
from watchdog.clockwatch import ClockWatch
from watchdog.config.load import Loaded
from watchdog.daemon import Daemon, Order
from watchdog.delivery import Courier
from watchdog.desk import Desk
from watchdog.domain.decisions import RoundDone, RoundsMissed
from watchdog.domain.exchanges import ChannelRole, Request
from watchdog.domain.incidents import IncidentState
from watchdog.domain.notices import Notice
from watchdog.hatch import Hatch
from watchdog.logs import Logs, Sink, make_log
from watchdog.measuring import head_starts
from watchdog.post import Post
from watchdog.rota import Rota
from watchdog.rounds import Rounds
from watchdog.seedbook import SeedBook
from watchdog.status import Snapshot, read_snapshot, status_path
from watchdog.supervision import Beat, Supervisor
from watchdog.timers import ApTimers
from watchdog.watch import PULSE, Watch
from watchdog.wiring import build, read_config

EVERY = timedelta(minutes=5)


@dataclass
class Time:
    """A wall clock that can be set, and a monotonic one that cannot."""

    wall: datetime = NOW
    mono: float = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.mono += seconds

    def is_set(self, by: timedelta) -> None:
        self.wall += by


@dataclass
class FakeTimers:
    """Timers as APScheduler 3 makes them: an instant comes true when the wall clock has reached it, once."""

    time: Time
    workers: int = 32
    armed: dict[str, datetime] = field(default_factory=dict)

    def arm(self, name: str, at: datetime) -> None:
        self.armed[name] = at

    def disarm(self, name: str) -> None:
        self.armed.pop(name, None)

    def come_true(self, fire: Callable[[str, datetime], None]) -> None:
        for name, at in sorted(self.armed.items(), key=lambda pair: pair[1]):
            if at <= self.time.wall:
                del self.armed[name]
                fire(name, at)


class World:
    """Targets under watch on a ledger in memory, driven in steps of five seconds."""

    def __init__(self, folder: Path, targets: int = 3) -> None:
        self.time = Time()
        self.ledger = MemoryLedger()
        self.timers = FakeTimers(self.time)
        self.lines: list[dict[str, object]] = []
        self.log = make_log("json", _Lines(self.lines))
        self.hatch = Hatch(Desk(self.ledger, ("oncall",)), lambda: None, self.log)
        self.seeds = SeedBook(folder / "seeds", self.hatch, self.time.now, draw=lambda: b"7" * 32)
        self.rota = Rota(self.seeds.seed, self.seeds.known, self.time.now, self.time.monotonic)
        self.pulse = Beat("scheduler", 60.0, self.time.monotonic)
        self.during_round: Callable[[], None] = lambda: None
        self.watch = Watch(
            rota=self.rota,
            hatch=self.hatch,
            timers=self.timers,
            log=self.log,
            now=self.time.now,
            clock=ClockWatch(self.time.now, self.time.monotonic),
            pulse=self.pulse,
        )
        with ExitStack() as stack:
            app = stack.enter_context(build(_config(folder, targets)))
            self.rounds = replace(app.rounds, ledger=self.ledger, now=self.time.now)
            self.targets = tuple(replace(it, delivered=self._channel(), probes=()) for it in app.targets)
        self.watch.watch(self.rounds, self.targets, {it.name: EVERY for it in self.targets})

    def runs(self, seconds: float, step: float = 5.0) -> None:
        for _ in range(int(seconds / step)):
            self.time.passes(step)
            self.timers.come_true(self.watch.fire)
            self.watch.look()

    def begun(self) -> list[datetime]:
        return [it.started_at for it in self.ledger.decisions if isinstance(it, RoundDone)]

    def missed(self) -> list[RoundsMissed]:
        return [it for it in self.ledger.decisions if isinstance(it, RoundsMissed)]

    def events(self) -> list[object]:
        return [it["event"] for it in self.lines]

    def _channel(self) -> CannedChannel:
        return CannedChannel(ChannelRole.DELIVERED, self.time.now, self._say)

    def _say(self, request: Request) -> str:
        self.during_round()
        return "fine"


class _Lines(Sink):
    """A sink that keeps the lines."""

    def __init__(self, lines: list[dict[str, object]]) -> None:
        super().__init__(os.open(os.devnull, os.O_WRONLY))
        self._kept = lines

    def msg(self, line: str) -> None:
        self._kept.append(json.loads(line))

    debug = info = warning = error = critical = msg


def _config(folder: Path, targets: int) -> Loaded:
    path = folder / "config.yaml"
    rows = "".join(f"\n  - {{name: t{n}, every: 5m, delivered: {{kind: scripted}}}}" for n in range(targets))
    path.write_text(f"ledger: ./ledger.sqlite\ntargets:{rows}\n")
    return read_config(path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_every_drawn_time_of_the_hour_has_its_round_and_nothing_else_has(world: World) -> None:
    from watchdog.schedule import times

    world.runs(3600)

    drawn = sorted(
        it for target in world.targets for it in times(b"7" * 32, target.name, EVERY, NOW.date()) if it > NOW
    )
    due = [it for it in drawn if it <= world.time.wall]
    assert all((began - at).total_seconds() <= 5 for began, at in zip(sorted(world.begun()), due, strict=True))
    assert world.missed() == []


def test_a_clock_set_back_an_hour_stalls_nothing(world: World) -> None:
    world.runs(1800)
    before = len(world.begun())
    world.time.is_set(-timedelta(hours=1))
    world.runs(1800)

    # Three targets at five minutes: about 18 rounds in half an hour, as in the half hour before.
    assert len(world.begun()) - before >= 9
    assert world.watch.clock_jumps == 1
    (missed,) = world.missed()
    assert (missed.why, missed.clock_moved_s) == ("clock", -3600.0)
    assert not world.pulse.stuck


def test_without_a_look_at_the_monotonic_clock_the_same_hour_would_be_lost(world: World) -> None:
    world.runs(1800)
    before = len(world.begun())
    world.time.is_set(-timedelta(hours=1))
    for _ in range(360):
        world.time.passes(5)
        world.timers.come_true(world.watch.fire)  # and no look()

    assert len(world.begun()) == before


def test_a_clock_set_forward_runs_no_storm_and_counts_what_was_missed(world: World) -> None:
    world.runs(600)
    before = len(world.begun())
    world.time.is_set(timedelta(hours=1))
    world.watch.look()
    world.timers.come_true(world.watch.fire)
    assert len(world.begun()) == before

    (missed,) = world.missed()
    assert missed.clock_moved_s == 3600.0
    assert 20 <= missed.missed <= 50  # 3 targets, 12 rounds an hour each, on average
    world.runs(1800)
    assert len(world.begun()) > before + 9


def test_a_round_that_takes_longer_than_the_gap_is_not_doubled_and_the_rest_is_counted(world: World) -> None:
    world.during_round = lambda: world.time.passes(1200)
    world.watch.watch(_asking(world), world.targets[:1], {"t0": EVERY})
    world.runs(900)

    (begun, *_), (missed, *_) = world.begun(), world.missed()
    assert (missed.why, missed.targets) == ("busy", ("t0",))
    assert missed.missed >= 2
    assert begun >= NOW


def test_missed_rounds_are_one_incident_until_rounds_begin_in_time_again(world: World) -> None:
    world.runs(60)
    world.time.is_set(timedelta(hours=1))
    world.runs(60)
    world.time.is_set(timedelta(hours=1))
    world.runs(60)
    (incident,) = world.ledger.incidents(IncidentState.OPEN)
    assert (incident.rule, incident.findings) == ("blind.missed", 2)

    world.runs(1900)
    assert world.ledger.incidents(IncidentState.OPEN) == []


def _asking(world: World) -> Rounds:
    # A target without a comparator asks no question; these tests make its channel wait in the draw of the seed instead.
    def draw() -> int:
        world.during_round()
        return 7

    return replace(world.rounds, draw_seed=draw)


def test_a_time_that_the_scheduler_lost_is_found_again(world: World) -> None:
    world.timers.armed.clear()
    world.runs(3600)
    assert len(world.begun()) >= 18


def test_a_fault_in_one_target_stops_no_other_and_becomes_an_incident(world: World) -> None:
    def draw() -> int:
        raise ZeroDivisionError("sk-secret")

    world.watch.watch(replace(world.rounds, draw_seed=draw), world.targets, {it.name: EVERY for it in world.targets})
    world.runs(3600)

    open_rules = {(it.rule, it.subject) for it in world.ledger.incidents(IncidentState.OPEN)}
    assert open_rules == {(own_faults.UNRECORDED, it.name) for it in world.targets}
    assert all(it.blind for it in world.rota.targets())
    assert "sk-secret" not in json.dumps(world.lines)

    world.watch.watch(world.rounds, world.targets, {it.name: EVERY for it in world.targets})
    world.runs(3600)
    assert world.ledger.incidents(IncidentState.OPEN) == []


def test_a_target_that_leaves_is_no_longer_watched_and_one_that_comes_is(world: World) -> None:
    first, *rest = world.targets
    world.watch.watch(world.rounds, [first], {first.name: EVERY})
    world.runs(1800)
    assert {it.target for it in world.ledger.decisions if isinstance(it, RoundDone)} == {first.name}

    world.watch.watch(world.rounds, rest, {it.name: EVERY for it in rest})
    world.ledger.decisions.clear()
    world.runs(1800)
    assert {it.target for it in world.ledger.decisions if isinstance(it, RoundDone)} == {it.name for it in rest}


def test_a_round_that_ends_after_the_end_leaves_no_trace(world: World) -> None:
    def draw() -> int:
        world.hatch.shut()
        return 7

    world.watch.watch(replace(world.rounds, draw_seed=draw), world.targets, {it.name: EVERY for it in world.targets})
    before = len(world.ledger.decisions)
    world.runs(1800)

    assert len(world.ledger.decisions) == before
    assert "round.abandoned" in world.events()


def test_the_pulse_stops_when_times_no_longer_come_true(world: World) -> None:
    world.runs(300)
    assert not world.pulse.stuck
    world.time.passes(61)  # nothing comes true meanwhile
    assert world.pulse.stuck
    assert PULSE in world.timers.armed


def test_either_channel_may_begin_and_the_other_follows_apart_in_time() -> None:
    pair = [CannedChannel(role, lambda: NOW, []) for role in (ChannelRole.DIRECT, ChannelRole.DELIVERED)]
    drawn = [head_starts(pair, seed) for seed in range(200)]

    begun_by_direct = sum(it[ChannelRole.DIRECT] == 0 for it in drawn)
    assert 60 < begun_by_direct < 140
    assert all(0.2 <= max(it.values()) <= 1 and min(it.values()) == 0 for it in drawn)
    assert head_starts(pair, 7) == head_starts(pair, 7)
    assert head_starts(pair[:1], 7) == {ChannelRole.DIRECT: 0.0}


# --- delivery -----------------------------------------------------------------------------------------------------


@dataclass
class Pager:
    """Accepts, hangs, or fails."""

    name: str = "oncall"
    sent: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    fault: Exception | None = None

    def send(self, notice: Notice, *, now: datetime) -> str:
        self.gate.wait(5)
        if self.fault is not None:
            raise self.fault
        self.sent.append(notice.id)
        return "204"


def _until(fact: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if fact():
            return True
        time.sleep(0.005)
    return False


@pytest.fixture
def post() -> Iterator[tuple[Post, MemoryLedger, Pager, Time]]:
    ledger, pager, moment = MemoryLedger(), Pager(), Time()
    log = make_log("json", _Lines([]))
    post = Post(Courier(ledger, {"oncall": pager}, moment.now), log=log, now=moment.now, beat=Beat("delivery", 60.0))
    yield post, ledger, pager, moment
    pager.gate.set()
    post.stop(2.0)


def test_a_notice_is_delivered_as_soon_as_it_is_queued(post: tuple[Post, MemoryLedger, Pager, Time]) -> None:
    it, ledger, pager, _ = post
    pager.gate.set()
    it.start()
    begun = time.monotonic()
    Desk(ledger, ("oncall",)).report([], [finding()])
    it.wake()

    assert _until(lambda: bool(pager.sent))
    assert time.monotonic() - begun < 2


def test_a_receiver_that_hangs_holds_up_no_report(post: tuple[Post, MemoryLedger, Pager, Time]) -> None:
    it, ledger, pager, _ = post
    desk = Hatch(Desk(ledger, ("oncall",)), it.wake, make_log("json", _Lines([])))
    it.start()
    desk.report([], [finding()])
    begun = time.monotonic()
    for number in range(20):
        desk.report([], [finding(subject=f"s{number}")])
    assert time.monotonic() - begun < 1

    pager.gate.set()
    assert _until(lambda: len(pager.sent) == 21)


def test_a_fault_in_a_notifier_does_not_end_the_loop(post: tuple[Post, MemoryLedger, Pager, Time]) -> None:
    it, ledger, pager, _ = post
    pager.fault = ZeroDivisionError("x")
    pager.gate.set()
    it.start()
    Desk(ledger, ("oncall",)).report([], [finding()])
    it.wake()
    time.sleep(0.1)
    pager.fault = None
    it.wake()
    assert _until(lambda: len(pager.sent) == 1)


def test_after_the_clock_was_set_back_a_waiting_notice_does_not_wait_an_hour(
    post: tuple[Post, MemoryLedger, Pager, Time],
) -> None:
    it, ledger, pager, moment = post
    pager.gate.set()
    Desk(ledger, ("oncall",)).report([], [finding()])
    moment.is_set(-timedelta(hours=1))
    it.clock_moved(-3600.0)
    it.start()
    assert _until(lambda: len(pager.sent) == 1)


# --- the whole daemon, with APScheduler and threads ---------------------------------------------------------------


class Running:
    """A daemon on a thread of the test."""

    def __init__(self, app: App, config: Path, **changes: object) -> None:
        self.lines: list[dict[str, object]] = []
        sink = _Lines(self.lines)
        logs = Logs(make_log("json", sink), sink)
        self.daemon = Daemon(app, [config], logs=logs, supervisor=Supervisor(), **changes)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.daemon.run, daemon=True)
        self.thread.start()
        assert self.saw("daemon.ready")

    def saw(self, event: str, times: int = 1) -> bool:
        return _until(lambda: sum(it["event"] == event for it in self.lines) >= times, 10)

    def stop(self) -> float:
        begun = time.monotonic()
        self.daemon.tell(Order.STOP, "signal SIGTERM")
        self.thread.join(10)
        assert not self.thread.is_alive()
        return time.monotonic() - begun


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Running, Path]]:
    loaded = _config(tmp_path, 2)
    with build(loaded) as app:
        it = Running(app, tmp_path / "config.yaml")
        yield it, tmp_path
        if it.thread.is_alive():
            it.stop()


def _leaves(folder: Path, kind: str) -> list[dict[str, object]]:
    import sqlite3

    connection = sqlite3.connect(folder / "ledger.sqlite")
    rows = [json.loads(body) for (body,) in connection.execute("SELECT body FROM leaf ORDER BY idx")]
    connection.close()
    return [it for it in rows if it["kind"] == kind]


def _snapshot(folder: Path) -> Snapshot:
    snapshot = read_snapshot(status_path(folder / "ledger.sqlite"))
    assert snapshot is not None
    return snapshot


def test_a_daemon_commits_to_its_day_before_it_says_that_it_is_ready(running: tuple[Running, Path]) -> None:
    _, folder = running
    (committed,) = _leaves(folder, "schedule_committed")[:1]
    assert [it["target"] for it in committed["plan"]] == ["t0", "t1"]  # type: ignore[attr-defined]
    assert (folder / "ledger.sqlite.seeds").stat().st_mode & 0o077 == 0
    assert status_path(folder / "ledger.sqlite").stat().st_mode & 0o077 == 0


def test_it_stops_at_once_and_says_why(running: tuple[Running, Path]) -> None:
    it, folder = running
    assert it.stop() < 10
    assert it.daemon.why == "signal SIGTERM"
    assert _snapshot(folder).stopping


def test_a_good_configuration_is_taken_up_as_a_whole(running: tuple[Running, Path]) -> None:
    it, folder = running
    _config(folder, 5)
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")

    assert it.saw("config.reloaded")
    assert len(_snapshot(folder).targets) == 5
    assert len(_leaves(folder, "reloaded")) == 1
    assert _until(lambda: len(_leaves(folder, "schedule_committed")[-1]["plan"]) == 5)  # type: ignore[arg-type]


def test_a_bad_configuration_changes_nothing_and_is_an_incident_until_a_good_one_comes(
    running: tuple[Running, Path],
) -> None:
    it, folder = running
    good = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(good + "tarrgets: 7\n")
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")
    assert it.saw("config.refused")
    assert _until(lambda: "tarrgets" in _snapshot(folder).reload_problem)
    assert len(_snapshot(folder).targets) == 2
    (opened,) = _leaves(folder, "incident_changed")
    assert opened["event"]["incident"]["rule"] == "config.reload"  # type: ignore[index]
    assert opened["event"]["incident"]["severity"] == "warning"  # type: ignore[index]

    (folder / "config.yaml").write_text(good)
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")
    assert it.saw("config.reloaded")
    assert [it["event"]["kind"] for it in _leaves(folder, "incident_changed")] == ["opened", "recovered"]  # type: ignore[index]
    assert _snapshot(folder).reload_problem == ""


def test_another_ledger_is_refused_while_running(running: tuple[Running, Path]) -> None:
    it, folder = running
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("ledger.sqlite", "other.sqlite"))
    it.daemon.tell(Order.RELOAD, "signal SIGHUP")
    assert it.saw("config.refused")
    assert not (folder / "other.sqlite").exists()


def test_real_timers_come_true_once_each_and_late_ones_too() -> None:
    from datetime import UTC

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
        assert _until(lambda: sorted(fired) == ["late", "moved", "soon"])
    finally:
        timers.stop()


# --- logs ---------------------------------------------------------------------------------------------------------


def test_a_reader_that_does_not_read_stops_nobody_and_what_is_lost_is_counted() -> None:
    reading, writing = os.pipe()
    sink = Sink(writing, limit=10)
    writer = threading.Thread(target=sink.write_all, daemon=True)
    writer.start()
    log = make_log("json", sink)
    begun = time.monotonic()
    for number in range(3000):
        log.info("round.finished", number=number, text="x" * 100)
    assert time.monotonic() - begun < 5
    assert sink.dropped > 0
    os.close(reading)
    sink.stop(writer)
    os.close(writing)


def test_a_line_is_one_line_whatever_somebody_wrote_into_it() -> None:
    lines: list[dict[str, object]] = []
    log = make_log("json", _Lines(lines))
    log.error("round.failed", problem="a\nb\x1b[31mc\u202e", other=object())

    (line,) = lines
    assert line["problem"] == "a b\N{REPLACEMENT CHARACTER}[31mc\N{REPLACEMENT CHARACTER}"
    assert line["event"] == "round.failed"
