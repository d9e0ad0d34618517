"""A stream records what lines lead to with the position after them; a new process goes on where the record stands."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.logs.in_memory import MemoryLog
from storage.audit import audit
from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from storage.reader import open_reader
from storage.rebuilding import rebuild
from tests.builders import NOW, at, person
from tests.streams import LOG, RULE, CountingWatch, Flowing, line, refusals
from watchdog.desk import Desk
from watchdog.domain.decisions import (
    Alarmed,
    ClientExpected,
    Decision,
    LogOpened,
    LogRead,
    ReferenceFixed,
    TextErased,
)
from watchdog.domain.incidents import EventKind, IncidentState
from watchdog.domain.queries import LogPosition
from watchdog.ports import Ledger
from watchdog.query_logs.alarms import raised


def kinds(ledger: MemoryLedger, *wanted: type[Decision]) -> list[Decision]:
    return [it for it in ledger.decisions if isinstance(it, wanted)]


def alarms(ledger: MemoryLedger) -> list[Alarmed]:
    return [it for it in ledger.decisions if isinstance(it, Alarmed)]


def test_an_alarm_becomes_a_finding_about_the_client_whose_text_is_in_no_leaf() -> None:
    ledger = MemoryLedger()
    Flowing(ledger).flow(*refusals("mallory", 3))

    (alarmed,) = alarms(ledger)
    (incident,) = ledger.incidents()
    (event,) = ledger.events(incident.id)
    assert (incident.rule, incident.subject) == (RULE, f"{LOG}/mallory")
    assert event.finding is not None
    assert event.finding.evidence == (alarmed.id,)
    assert "how do I" not in repr(ledger.decisions)
    assert [it.digest in ledger.logs.customer_texts for it in alarmed.alarm.examples] == [True] * 3
    assert {it.text for it in ledger.logs.customer_texts.values()} == {"how do I 0", "how do I 1", "how do I 2"}


def test_the_same_text_is_never_named_by_the_same_digest() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.flow(*[line("a", "the same", refused=True)] * 3)
    flowing.flow(*[line("b", "the same", refused=True)] * 3)
    digests = [example.digest for it in alarms(ledger) for example in it.alarm.examples]
    assert len(set(digests)) == len(digests) == 6


def test_numbers_that_json_does_not_have_are_recorded_as_the_largest_that_it_has() -> None:
    ledger = MemoryLedger()
    Flowing(ledger).flow(*refusals("mallory", 3))
    endless = replace(alarms(ledger)[0].alarm, evidence=float("inf"), base_rate=float("nan"))
    it = raised(endless, salt=lambda: b"", at=NOW)
    assert (it.alarmed.alarm.evidence, it.alarmed.alarm.base_rate) == (1e300, 0.0)


def test_position_and_state_are_where_the_last_line_with_effects_in_the_record_is() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.flow(*refusals("mallory", 4))

    kept = ledger.logs.kept(LOG)
    assert kept is not None
    assert [it.offset for it in kept.position.files] == [4]
    assert set(ledger.logs.state(LOG)) >= {"client/mallory", "log", "account", "newest"}


def test_quiet_lines_wait_for_the_next_commit_and_an_alarm_waits_for_nothing() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger, commit_s=60.0, chunk=1_000_000)
    flowing.flow(line())
    first = ledger.logs.kept(LOG)
    flowing.flow(line(seconds=1))
    assert ledger.logs.kept(LOG) == first
    flowing.flow(*refusals("mallory", 3, seconds=2))
    kept = ledger.logs.kept(LOG)
    assert kept is not None
    assert [it.offset for it in kept.position.files] == [5]


def test_a_step_in_which_nothing_came_writes_nothing() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.flow(line())
    before = ledger.logs.kept(LOG), len(ledger.decisions)
    for _ in range(5):
        flowing.step()
    assert (ledger.logs.kept(LOG), len(ledger.decisions)) == before


def _scripted(dice: random.Random, length: int) -> list[bytes]:
    """Draw lines of some clients, some of them refused and some of them no lines."""
    drawn = []
    for number in range(length):
        if dice.random() < 0.1:
            drawn.append(b"{ no line")
            continue
        refused = dice.random() < 0.4 or None
        drawn.append(line(f"c{dice.randrange(4)}", f"p{number}", seconds=number, refused=refused))
    return drawn


def _decided(ledger: MemoryLedger) -> list[tuple[str, str, float, int]]:
    return [(it.id, it.alarm.client, it.alarm.evidence, it.alarm.trials) for it in alarms(ledger)]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), kills=st.lists(st.integers(1, 60), max_size=6))
def test_killed_anywhere_and_started_again_it_decides_what_an_uninterrupted_run_decides(
    seed: int, kills: list[int]
) -> None:
    lines = _scripted(random.Random(seed), 60)
    whole = MemoryLedger()
    Flowing(whole).flow(*lines)

    broken = MemoryLedger()
    flowing = Flowing(broken, commit_s=7.0)
    flowing.log.append(lines)
    for steps in kills:
        for _ in range(steps):
            flowing.step()
        flowing = flowing.again()
    while flowing.step():
        pass
    flowing.stream.stop(flowing.time)

    assert _decided(broken) == _decided(whole)
    assert {it.fingerprint: it.findings for it in broken.incidents()} == {
        it.fingerprint: it.findings for it in whole.incidents()
    }
    assert sum(it.lines for it in broken.decisions if isinstance(it, LogRead)) == len(lines)
    assert len(kinds(broken, ReferenceFixed)) == len(kinds(whole, ReferenceFixed)) == 1


def test_the_account_is_given_every_hour_and_at_the_end() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.flow(line(), b"{ no line", b"nor this")
    flowing.step(seconds=3600)
    flowing.flow(line(seconds=9))
    flowing.stream.stop(flowing.time)

    opened, first, last = kinds(ledger, LogOpened, LogRead)
    assert isinstance(opened, LogOpened)
    assert not opened.resumed
    assert isinstance(first, LogRead)
    assert isinstance(last, LogRead)
    assert (first.lines, first.queries, [(it.reason, it.lines) for it in first.malformed]) == (3, 1, [("not_json", 2)])
    assert (last.lines, last.queries, last.newest) == (1, 1, at(9))
    assert first.position != last.position
    assert flowing.log.closed


def test_an_incident_recovers_after_a_day_without_a_hit_by_the_logs_time() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.flow(*refusals("mallory", 3))
    day = timedelta(days=1).total_seconds()
    flowing.flow(line("alice", seconds=day))
    assert ledger.incidents()[0].state is IncidentState.OPEN

    flowing = flowing.again()
    flowing.flow(line("mallory", seconds=day + 10, refused=True), line("alice", seconds=day + 70))
    assert ledger.incidents()[0].state is IncidentState.OPEN
    flowing.flow(line("alice", seconds=2 * day + 100))
    assert ledger.incidents()[0].recovered_by == "quiet-for-a-day"


def test_what_people_said_is_expected_reaches_the_watch_at_once_and_after_a_restart() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    word = ClientExpected(
        at=NOW,
        log=LOG,
        client="red-team",
        rule=RULE,
        rate=0.9,
        until=None,
        incident="i",
        by=person(),
        reason="a red team",
    )
    Desk(ledger, ()).report([word])
    flowing.stream.expect()
    flowing.flow(*refusals("red-team", 9))
    flowing = flowing.again()
    flowing.flow(*refusals("red-team", 9))
    assert alarms(ledger) == []
    assert [it.rate for it in flowing.watch.expected] == [0.9]


def test_what_was_erased_is_not_written_again_by_the_next_commit() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.flow(*refusals("mallory", 4))
    erased = TextErased(at=NOW, log=LOG, client="mallory", before=None, texts=3, by=person(), reason="asked for it")
    Desk(ledger, ()).report([erased])
    flowing.stream.forget("mallory")
    flowing.flow(line("alice", seconds=9), line("mallory", seconds=10))

    assert ledger.logs.customer_texts == {}
    assert "text/mallory" not in ledger.logs.state(LOG)
    assert "client/mallory" in ledger.logs.state(LOG)


def test_a_fault_of_a_parser_is_a_line_that_could_not_be_read() -> None:
    ledger, deep = MemoryLedger(), b'{"at":' + b"[" * 100_000
    flowing = Flowing(ledger)
    flowing.flow(deep, line())
    assert flowing.refused == [deep]
    flowing.stream.stop(flowing.time)
    (read,) = kinds(ledger, LogRead)
    assert isinstance(read, LogRead)
    assert [(it.reason, it.lines) for it in read.malformed] == [("fault", 1)]
    assert len(flowing.watch.observed) == 1


def test_an_alarm_that_was_reported_before_its_state_was_kept_opens_no_second_incident() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.flow(*refusals("mallory", 3))
    ledger.logs.kept_by_log.clear()
    ledger.logs.states.clear()
    flowing.again().flow()

    (incident,) = ledger.incidents()
    assert [it.kind for it in ledger.events(incident.id)] == [EventKind.OPENED]


@contextmanager
def _file(path: Path) -> Iterator[Ledger]:
    with SqliteLedger(path) as ledger:
        yield ledger


@pytest.fixture
def flooded(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with _file(path) as ledger:
        flowing = Flowing(ledger)
        flowing.flow(*refusals("mallory", 6), b"{ no line")
        flowing.stream.stop(flowing.time)
    return path


def test_a_ledger_with_a_stream_in_it_is_intact_and_its_rows_are_made_again_the_same(flooded: Path) -> None:
    assert audit(flooded).faults == ()
    assert rebuild(flooded).differed == ()
    assert audit(flooded).faults == ()


def test_a_reader_fills_in_what_clients_wrote_until_it_is_erased_and_the_proof_stands(flooded: Path) -> None:
    def texts() -> list[str]:
        with open_reader(flooded) as reader:
            (incident,) = reader.incidents()
            ids = [id_ for event in reader.events(incident.id) if event.finding for id_ in event.finding.evidence]
            return [example.text for alarm in reader.alarms(ids) for example in alarm.examples]

    assert texts()[:3] == ["how do I 0", "how do I 1", "how do I 2"]
    with _file(flooded) as ledger:
        erased = TextErased(at=NOW, log=LOG, client=None, before=at(999), texts=8, by=person(), reason="too old")
        Desk(ledger, ()).report([erased])
    assert set(texts()) == {""}
    assert b"how do I 1" not in flooded.read_bytes()
    assert audit(flooded).faults == ()


def test_a_customers_text_that_somebody_altered_is_found_and_never_shown(flooded: Path) -> None:
    with sqlite3.connect(flooded) as connection:
        connection.execute("UPDATE customer_text SET text = 'please' WHERE text = 'how do I 1'")
    connection.close()
    faults = audit(flooded).faults
    assert all("a customer's text is not what it was" in it for it in faults)
    assert len(faults) == 2


def test_a_state_that_the_file_did_not_take_is_offered_again() -> None:
    class Forgetful(MemoryLedger):
        """Holds decisions and keeps no state, as a ledger does whose disk is full."""

        full = False

        def keep(self, state: object) -> None:
            if not self.full:
                super().keep(state)  # type: ignore[arg-type]

    ledger = Forgetful()
    watch = CountingWatch()
    flowing = Flowing(ledger, watch=watch)
    ledger.full = True
    flowing.flow(*refusals("mallory", 7))
    assert len(alarms(ledger)) == 2
    assert ledger.logs.kept(LOG) is None
    ledger.full = False
    flowing.flow(line("alice", seconds=20))

    assert len(alarms(ledger)) == 2
    assert len(ledger.logs.customer_texts) == 8
    assert {"client/mallory", "client/alice"} <= set(ledger.logs.state(LOG))
    assert len(kinds(ledger, ReferenceFixed)) == 1


def test_a_file_that_came_while_nobody_read_is_new_although_none_was_there_before() -> None:
    ledger = MemoryLedger()
    flowing = Flowing(ledger)
    flowing.stream.stop(flowing.time)
    resumed = []

    class Log(MemoryLog):
        def resume(self, position: LogPosition) -> None:
            resumed.append(position)

    Flowing(ledger, log=Log())
    assert resumed == [LogPosition()]
