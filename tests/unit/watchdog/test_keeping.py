"""What the daemon makes of a ledger that holds back: it tells, tries again, and ends loudly when the file failed."""

import os
from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest

from storage.memory import MemoryLedger
from tests.builders import NOW, at
from watchdog import own_faults
from watchdog.desk import Desk
from watchdog.domain.decisions import IncidentChanged
from watchdog.domain.findings import Severity
from watchdog.domain.incidents import IncidentState
from watchdog.hatch import Hatch
from watchdog.keeping import LAST_PAGES_S, Keeping
from watchdog.logs import Sink, make_log
from watchdog.ports import LedgerState

WELL = LedgerState(
    engine="SQLite", reserve=4 << 20, held=0, dropped=0, problem="", hint="", since=None, full=False, broken=False
)
LOW = replace(WELL, problem="100 KiB are left on its disk", hint="free space", since=at(0), full=True)
FULL = replace(LOW, problem="database or disk is full", held=12, reserve=0)
STALLED = replace(WELL, problem="database is locked", hint="find out who holds it", since=at(0), held=3)
BROKEN = replace(WELL, problem="disk I/O error (SQLITE_IOERR_FSYNC)", hint="look", since=at(0), held=5, broken=True)


class Ledger(MemoryLedger):
    """A ledger whose file is as a test says."""

    state = WELL
    flushed = 0

    def flush(self) -> None:
        self.flushed += 1


class World:
    def __init__(self) -> None:
        self.ledger, self.mono, self.stopped = Ledger(), 100.0, False
        log = make_log("json", Sink(os.open(os.devnull, os.O_WRONLY)))
        self.keeping = Keeping(
            self.ledger,
            Hatch(Desk(self.ledger, ("oncall",)), lambda: None, log),
            log=log,
            now=self._now,
            monotonic=lambda: self.mono,
            stop_rounds=self._stop,
        )
        self._seconds = count()

    def looks(self, state: LedgerState) -> None:
        self.ledger.state = state
        self.keeping.look()

    def told(self) -> list[tuple[str, str, Severity]]:
        events = [it.event for it in self.ledger.decisions if isinstance(it, IncidentChanged)]
        return [(it.incident.rule, str(it.kind), it.incident.severity) for it in events]

    def _now(self) -> datetime:
        return at(next(self._seconds))

    def _stop(self) -> None:
        self.stopped = True


@pytest.fixture
def world() -> World:
    return World()


def test_every_look_tries_again(world: World) -> None:
    for _ in range(3):
        world.looks(FULL)
    assert world.ledger.flushed == 3


def test_a_full_disk_is_told_once_worse_once_and_over_once(world: World) -> None:
    for state in (WELL, LOW, LOW, FULL, FULL, replace(FULL, held=90), WELL, WELL):
        world.looks(state)
    assert world.told() == [
        ("ledger.full", "opened", Severity.ERROR),
        ("ledger.full", "escalated", Severity.CRITICAL),
        ("ledger.full", "recovered", Severity.CRITICAL),
    ]
    (incident,) = world.ledger.incidents(IncidentState.RECOVERED)
    assert incident.recovered_by == "all-decisions-on-disk"


def test_the_numbers_are_told_again_every_five_minutes(world: World) -> None:
    world.looks(FULL)
    world.mono += 301
    world.looks(replace(FULL, held=4000, dropped=7))
    (incident,) = world.ledger.incidents()
    assert "4,000 decisions are only in memory" in incident.summary
    assert "7 more were dropped" in incident.summary
    assert len(world.ledger.due(at(99), 10)) == 1  # and nobody is paged for it


def test_the_page_says_what_is_where_since_when_and_what_to_do() -> None:
    found = own_faults.ledger_trouble(FULL, at(60))
    assert "12 decisions are only in memory since 2026-03-01 12:00:00 UTC" in found.summary
    assert "pages go out from memory" in found.summary
    assert "Nothing has to be restarted" in found.next_step


def test_a_file_that_somebody_holds_is_another_rule_with_its_own_remedy(world: World) -> None:
    world.looks(STALLED)
    assert world.told() == [("ledger.stalled", "opened", Severity.ERROR)]
    assert own_faults.ledger_trouble(STALLED, NOW).next_step.startswith("Find out who holds it. ")
    assert not world.stopped


def test_an_incident_of_an_earlier_run_recovers_at_the_first_good_look(world: World) -> None:
    Desk(world.ledger, ()).report([], [own_faults.ledger_trouble(BROKEN, at(-60))])
    world.looks(WELL)
    assert world.ledger.incidents(IncidentState.OPEN) == []


def test_a_failed_file_ends_the_rounds_at_once_and_the_process_when_the_pages_are_out(world: World) -> None:
    world.looks(BROKEN)
    assert world.stopped
    assert world.told() == [("ledger.broken", "opened", Severity.CRITICAL)]
    assert not world.keeping.over
    world.ledger._outbox.clear()  # delivered
    assert world.keeping.over


def test_a_receiver_that_does_not_answer_holds_up_the_end_for_a_while_only(world: World) -> None:
    world.looks(BROKEN)
    world.mono += LAST_PAGES_S - 1
    assert not world.keeping.over
    world.mono += 2
    assert world.keeping.over


def test_while_the_file_is_only_full_nothing_ends(world: World) -> None:
    world.looks(FULL)
    world.mono += 10_000
    assert not world.keeping.over
