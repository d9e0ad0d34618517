"""Rounds begin when they are due, on a clock that the test moves: whatever the clock, a round or a file does."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from probes.channels.scripted import CannedChannel
from storage.memory import MemoryLedger
from tests.builders import NOW
from tests.daemons import Lines, Time, scripted
from watchdog import own_faults
from watchdog.clockwatch import ClockWatch
from watchdog.desk import Desk
from watchdog.domain.decisions import RoundDone, RoundsMissed
from watchdog.domain.exchanges import ChannelRole, Request
from watchdog.domain.incidents import IncidentState
from watchdog.hatch import Hatch
from watchdog.logs import make_log
from watchdog.measuring import head_starts
from watchdog.rota import Rota
from watchdog.rounds import Rounds
from watchdog.seedbook import SeedBook
from watchdog.supervision import Beat
from watchdog.watch import PULSE, Watch
from watchdog.wiring import build

EVERY = timedelta(minutes=5)


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
        self.lines = Lines()
        self.log = make_log("json", self.lines)
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
            app = stack.enter_context(build(scripted(folder, targets)))
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
        return self.lines.events()

    def _channel(self) -> CannedChannel:
        return CannedChannel(ChannelRole.DELIVERED, self.time.now, self._say)

    def _say(self, request: Request) -> str:
        self.during_round()
        return "fine"


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
    assert "sk-secret" not in json.dumps(world.lines.kept)

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
