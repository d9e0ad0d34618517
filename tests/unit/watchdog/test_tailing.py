"""Logs are read on threads of their own: faults are told and read again, a reload exchanges only what it changes."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from detectors.logs.in_memory import MemoryLog
from storage.memory import MemoryLedger
from tests.builders import NOW
from tests.daemons import Lines, until
from tests.streams import LOG, CountingWatch, JsonLines, line, refusals
from watchdog.desk import Desk
from watchdog.domain.decisions import LogOpened, LogRead
from watchdog.domain.queries import LogChunk
from watchdog.errors import ConfigError
from watchdog.hatch import Hatch
from watchdog.logs import make_log
from watchdog.query_logs.checks import LogChecks
from watchdog.query_logs.reader import BUDGET_S, LogReader
from watchdog.query_logs.sifting import Sifting
from watchdog.query_logs.source import LogSource
from watchdog.query_logs.streaming import Streaming
from watchdog.query_logs.tailing import Tailing


@dataclass
class Bench:
    """Readers over a ledger in memory, of logs that a test writes."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    lines: Lines = field(default_factory=Lines)
    logs: dict[str, list[bytes]] = field(default_factory=dict)
    opened: list[MemoryLog] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    """Raised at the next openings."""

    def __post_init__(self) -> None:
        log = make_log("json", self.lines)
        self.hatch = Hatch(Desk(self.ledger, ("oncall",)), lambda: None, log)
        self.tailing = Tailing(hatch=self.hatch, log=log, now=lambda: NOW, monotonic=time.monotonic)

    def source(self, name: str = LOG, key: str = "1") -> LogSource:
        checks = LogChecks(name)

        def opens() -> Streaming | None:
            if self.faults:
                raise self.faults.pop(0)
            if name not in self.logs:
                return None
            log = MemoryLog(self.logs[name])
            self.opened.append(log)
            sifting = Sifting(log=name, form=JsonLines(), watch=CountingWatch())
            desk = Desk(self.ledger, ())
            return Streaming(log=log, sifting=sifting, ledger=self.ledger, desk=desk, checks=checks, commit_s=0.0)

        return LogSource(name=name, key=key, open=opens, checks=checks)

    def read(self, log: str = LOG) -> int:
        kept = self.ledger.logs.kept(log)
        return 0 if kept is None else sum(it.offset for it in kept.position.files)


@pytest.fixture
def bench() -> Iterator[Bench]:
    it = Bench()
    yield it
    it.tailing.stop(10)


def test_lines_are_read_as_they_come_and_the_end_is_recorded(bench: Bench) -> None:
    bench.logs[LOG] = [line()]
    bench.tailing.take_up([bench.source()])
    assert until(lambda: bench.read() == 1)
    bench.logs[LOG] += refusals("mallory", 3)
    assert until(lambda: len(bench.ledger.incidents()) == 1)

    begun = time.monotonic()
    bench.tailing.stop(10)
    assert time.monotonic() - begun < 1
    assert sum(it.lines for it in bench.ledger.decisions if isinstance(it, LogRead)) == 4
    assert bench.opened[0].closed


def test_the_status_says_how_it_stands(bench: Bench) -> None:
    bench.logs[LOG] = [line(), b"{ no line"]
    bench.tailing.take_up([bench.source(), bench.source("other")])
    assert until(lambda: bench.read() == 2)
    assert until(lambda: bool(bench.tailing.status()[1].problem))

    one, other = bench.tailing.status()
    assert (one.name, one.format, one.lines, one.malformed, one.problem) == (LOG, "json", 2, 1, "")
    assert one.newest == NOW
    assert one.per_second > 0
    assert (other.name, other.format, other.newest) == ("other", "", None)
    assert "no line was written" in other.problem


def test_a_reload_leaves_the_readers_alone_whose_logs_are_configured_as_before(bench: Bench) -> None:
    bench.logs |= {"a": [line()], "b": [line()]}
    bench.tailing.take_up([bench.source("a"), bench.source("b")])
    assert until(lambda: bench.read("a") == bench.read("b") == 1)
    bench.tailing.take_up([bench.source("a"), bench.source("b", key="2"), bench.source("c")])
    bench.logs["b"].append(line())
    assert until(lambda: bench.read("b") == 2)

    opened = [it.log for it in bench.ledger.decisions if isinstance(it, LogOpened)]
    assert sorted(opened) == ["a", "b", "b"]
    assert [it.resumed for it in bench.ledger.decisions if isinstance(it, LogOpened) and it.log == "b"] == [False, True]
    bench.tailing.take_up([bench.source("a")])
    assert [it.name for it in bench.tailing.beats()] == ["log a"]


def test_a_log_that_cannot_be_opened_is_tried_again_and_told_after_a_minute(bench: Bench) -> None:
    bench.logs[LOG] = [line()]
    source = bench.source()
    minutes = iter(range(100))
    reader = LogReader(
        source,
        hatch=bench.hatch,
        log=make_log("json", bench.lines),
        now=lambda: NOW.replace(minute=next(minutes) % 60),
        monotonic=time.monotonic,
    )
    bench.faults += [ConfigError("no format fits the lines", hint="name one")]
    reader.start()
    assert until(lambda: len(bench.ledger.incidents()) == 1)
    (incident,) = bench.ledger.incidents()
    assert (incident.rule, incident.subject) == ("blind.log", LOG)
    assert "no format fits the lines" in incident.summary
    assert "no format fits the lines" in reader.status().problem
    reader.end()
    assert reader.join(10)


def test_what_was_told_before_is_told_again_when_the_log_was_read_in_between(bench: Bench) -> None:
    bench.logs[LOG] = [line()]
    faults: list[Exception] = []

    class Failing(MemoryLog):
        def read(self, most: int) -> LogChunk:
            if faults:
                raise faults.pop()
            return super().read(most)

    def opens() -> Streaming:
        sifting = Sifting(log=LOG, form=JsonLines(), watch=CountingWatch())
        desk = Desk(bench.ledger, ())
        return Streaming(
            log=Failing(bench.logs[LOG]), sifting=sifting, ledger=bench.ledger, desk=desk, checks=source.checks
        )

    minutes = (NOW + timedelta(minutes=it) for it in itertools.count())
    source = bench.source()
    reader = LogReader(
        replace(source, open=opens),
        hatch=bench.hatch,
        log=make_log("json", bench.lines),
        now=lambda: next(minutes),
        monotonic=time.monotonic,
    )

    def told(times: int) -> bool:
        return until(lambda: sum(it.findings for it in bench.ledger.incidents()) == times)

    reader.start()
    for times in (1, 2):
        assert until(lambda: reader.status().format == "json")
        faults.append(ConfigError("the disk is on fire", hint="run"))
        assert told(times)
    reader.end()
    assert reader.join(10)


def test_a_reader_begins_when_the_one_before_it_has_ended(bench: Bench) -> None:
    bench.logs[LOG] = [line()]
    blocked, hung = threading.Event(), threading.Event()

    class Hanging(MemoryLog):
        def read(self, most: int) -> LogChunk:
            hung.set()
            blocked.wait(20)
            return super().read(most)

    def opens() -> Streaming:
        sifting = Sifting(log=LOG, form=JsonLines(), watch=CountingWatch())
        desk, checks = Desk(bench.ledger, ()), LogChecks(LOG)
        return Streaming(
            log=Hanging(bench.logs[LOG]), sifting=sifting, ledger=bench.ledger, desk=desk, checks=checks, commit_s=0.0
        )

    bench.tailing.take_up([replace(bench.source(), open=opens)])
    assert hung.wait(10)
    begun = time.monotonic()
    bench.tailing.take_up([bench.source(key="2")])
    assert time.monotonic() - begun < 1
    assert not bench.opened
    blocked.set()
    assert until(lambda: len(bench.opened) == 1)
    assert until(lambda: bench.read() == 1)
    assert sum(it.lines for it in bench.ledger.decisions if isinstance(it, LogRead)) == 1


def test_a_fault_of_the_program_is_no_end_of_the_reading_and_logs_no_text(bench: Bench) -> None:
    bench.logs[LOG] = [line("mallory", "a secret")]
    bench.faults += [KeyError("a secret")]
    bench.tailing.take_up([bench.source()])
    assert until(lambda: "log.fault" in bench.lines.events())
    assert "a secret" not in json.dumps(bench.lines.kept)
    assert until(lambda: bench.read() == 1)


def test_a_reader_that_does_not_move_is_seen(bench: Bench) -> None:
    blocked = threading.Event()

    class Hanging(MemoryLog):
        def read(self, most: int) -> LogChunk:
            blocked.wait(20)
            return super().read(most)

    source = bench.source()
    bench.logs[LOG] = [line()]

    def opens() -> Streaming:
        sifting = Sifting(log=LOG, form=JsonLines(), watch=CountingWatch())
        desk = Desk(bench.ledger, ())
        return Streaming(log=Hanging(), sifting=sifting, ledger=bench.ledger, desk=desk, checks=LogChecks(LOG))

    bench.tailing.take_up([replace(source, open=opens)])
    (beat,) = bench.tailing.beats()
    beat.monotonic = lambda: time.monotonic() + BUDGET_S + 1
    assert until(lambda: beat.stuck)
    blocked.set()


def test_after_the_end_nothing_is_recorded_any_more(bench: Bench) -> None:
    bench.logs[LOG] = [line()]
    bench.tailing.take_up([bench.source()])
    assert until(lambda: bench.read() == 1)
    bench.hatch.shut()
    bench.logs[LOG] += [line()]
    bench.tailing.stop(10)
    assert bench.read() == 1
