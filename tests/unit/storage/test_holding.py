"""A ledger whose file cannot be written: decisions are held, every answer counts them, and the file gets them later."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from storage.audit import audit
from storage.codec import encode
from storage.files import unusable, wal_reset_fault
from storage.held import Held
from storage.holding import HoldingLedger
from storage.ledger import SqliteLedger, SqliteTransaction
from storage.reader import open_reader
from storage.reserve import Reserve
from storage.signing import open_signed
from tests.builders import NOW, at, compared, finding, judged, recovery
from tests.faults.harness import leaves
from tests.faults.small import Disk
from watchdog.delivery import Courier
from watchdog.desk import Desk
from watchdog.domain.decisions import Alive, Compared, RoundDone, Started, Stopped, Weighed
from watchdog.domain.evidence import Stream
from watchdog.domain.exhibits import Exhibit
from watchdog.domain.findings import Severity
from watchdog.domain.notices import Notice
from watchdog.errors import LedgerBrokenError, LedgerError, LedgerFullError, LedgerStalledError

SMALL = 1 << 16


class Pager:
    """A notifier that takes everything."""

    name = "oncall"

    def __init__(self) -> None:
        self.sent: list[Notice] = []

    def send(self, notice: Notice, *, now: object) -> str:
        self.sent.append(notice)
        return "204"

    def close(self) -> None:
        pass


class Failing(SqliteLedger):
    """A file that fails on the way to the disk while it is told to."""

    failure: LedgerError | None = None
    before_it = 0
    """Transactions that still go well."""

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        if self.failure is not None and not self.before_it:
            raise self.failure
        self.before_it = max(0, self.before_it - 1)
        with super().transaction() as transaction:
            yield transaction


def _holding(file: SqliteLedger, *, seconds: float = 60, make_held: Callable[[], Held] = Held) -> HoldingLedger:
    return HoldingLedger(file, now=lambda: at(seconds), reserve=Reserve(file.path, size=SMALL), make_held=make_held)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def file(path: Path) -> SqliteLedger:
    return open_signed(path, now=lambda: NOW)


@pytest.fixture
def disk(file: SqliteLedger) -> Disk:
    return Disk(file)


@pytest.fixture
def ledger(file: SqliteLedger) -> Iterator[HoldingLedger]:
    with _holding(file) as it:
        yield it


def _report(ledger: HoldingLedger, number: int, severity: Severity = Severity.ERROR) -> None:
    found = finding(subject=f"s{number}", severity=severity, evidence=(f"c{number}",), seconds=number)
    Desk(ledger, ("oncall",)).report([compared(f"c{number}")], [found])


def _until_held(ledger: HoldingLedger) -> int:
    """Report until the file takes no more; what fits into the pages it has still goes in."""
    for number in range(200):
        _report(ledger, number)
        if ledger.state.held:
            return number
    raise AssertionError("the file never filled up")


def test_while_all_is_well_nothing_is_held_and_a_reserve_is_kept(ledger: HoldingLedger, path: Path) -> None:
    _report(ledger, 1)
    state = ledger.state
    assert (state.held, state.dropped, state.problem, state.broken) == (0, 0, "", False)
    assert state.reserve == path.with_name("ledger.sqlite.reserve").stat().st_size == SMALL
    assert path.with_name("ledger.sqlite.reserve").stat().st_blocks * 512 >= SMALL
    assert path.with_name("ledger.sqlite.reserve").stat().st_mode & 0o077 == 0


def test_a_full_file_costs_the_reserve_and_then_decisions_are_held(
    ledger: HoldingLedger, disk: Disk, path: Path
) -> None:
    disk.fill()
    _until_held(ledger)
    state = ledger.state
    assert state.full
    assert "full" in state.problem
    assert state.since == at(60)
    assert not path.with_name("ledger.sqlite.reserve").exists()


def test_pages_go_out_of_memory_under_the_ids_that_the_record_gets_later(
    ledger: HoldingLedger, disk: Disk, path: Path
) -> None:
    disk.fill()
    last = _until_held(ledger)
    _report(ledger, last + 1, Severity.CRITICAL)
    pager = Pager()
    Courier(ledger, {"oncall": pager}, lambda: at(1000)).deliver_due()

    assert len({it.id for it in pager.sent}) == len(pager.sent) == last + 2
    assert all(it.checkpoint is not None for it in pager.sent)
    assert ledger.next_due() is None  # the answers are held too, and nothing is sent twice
    disk.free()
    ledger.flush()
    assert ledger.state.held == 0
    queued = {it["notice_id"] for it in leaves(path) if it["kind"] == "notice_queued"}
    assert queued == {it.id for it in pager.sent}
    assert ledger.due(at(2000), 10) == []
    assert audit(path).faults == ()


def test_what_was_held_is_written_in_order_and_the_record_says_that_it_was(
    ledger: HoldingLedger, disk: Disk, path: Path
) -> None:
    disk.fill()
    last = _until_held(ledger)
    held = ledger.state.held
    disk.free()
    _report(ledger, last + 1)

    kinds = [it["kind"] for it in leaves(path)]
    back = kinds.index("held_back")
    assert [it["id"] for it in leaves(path) if it["kind"] == "compared"] == [f"c{it}" for it in range(last + 2)]
    assert kinds[back + 1 :] == ["compared", "incident_changed", "notice_queued"]
    assert leaves(path)[back]["decisions"] == held
    with open_reader(path) as reader:
        assert len(reader.incidents()) == last + 2
    assert ledger.state.problem == ""
    assert ledger.state.reserve == SMALL


def test_a_round_weighs_on_with_what_is_held(ledger: HoldingLedger, disk: Disk) -> None:
    stream = Stream(rule="divergence.gap", subject="t", trials=3)
    disk.fill()
    _until_held(ledger)
    with ledger.transaction() as transaction:
        transaction.append(Weighed(at=NOW, stream=stream))
    assert ledger.stream("divergence.gap", "t") == stream


def test_a_held_incident_is_escalated_recovered_and_opened_anew_as_ever(
    ledger: HoldingLedger, disk: Disk, path: Path
) -> None:
    Desk(ledger, ()).report([], [finding(subject="t", severity=Severity.WARNING)])  # this one is in the file
    disk.fill()
    _until_held(ledger)
    desk = Desk(ledger, ())
    desk.report([], [finding(subject="t", severity=Severity.CRITICAL, seconds=300)])
    desk.report([], [], [recovery(subject="t", seconds=310)])
    desk.report([], [finding(subject="t", seconds=320)])
    disk.free()
    ledger.flush()
    with open_reader(path) as reader:
        newest, oldest = [it for it in reader.incidents() if it.subject == "t"]
        kinds = [str(it.kind) for it in reader.events(oldest.id)]
    assert kinds == ["opened", "escalated", "recovered"]
    assert newest.findings == 1


def test_a_block_that_raises_leaves_nothing_behind_in_memory_either(ledger: HoldingLedger, disk: Disk) -> None:
    disk.fill()
    _until_held(ledger)
    before = ledger.state.held

    def interrupted() -> None:
        with ledger.transaction() as transaction:
            transaction.append(compared("never"))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()
    assert ledger.state.held == before


@pytest.mark.parametrize("full", [True, False])
def test_a_decision_that_can_never_be_written_is_refused_and_holds_up_no_other(
    ledger: HoldingLedger, disk: Disk, path: Path, full: bool
) -> None:
    if full:
        disk.fill()
        _until_held(ledger)
    held = ledger.state.held
    with pytest.raises(LedgerError, match="cannot be written as canonical JSON"):
        Desk(ledger, ()).report([compared("fine"), compared("bad", reply="half a pair: \ud800")])
    assert ledger.state.held == held
    disk.free()
    _report(ledger, 500)
    assert ledger.state.held == 0
    assert not [it for it in leaves(path) if it.get("id") == "fine"]


def test_too_much_gives_up_bodies_first_and_never_an_incident_or_a_notice(
    file: SqliteLedger, disk: Disk, path: Path
) -> None:
    ledger = _holding(file, make_held=lambda: Held(most=60))
    disk.fill()
    last = _until_held(ledger)
    for number in range(last + 1, last + 41):
        _report(ledger, number)
        with ledger.transaction() as transaction:
            transaction.append(judged(f"v{number}"))
            transaction.append(Weighed(at=at(number), stream=Stream(rule="r", subject="t", trials=number)))
    state = ledger.state
    assert state.dropped > 0
    assert ledger.stream("r", "t").trials == last + 40
    assert len(ledger.due(at(9999), 1000)) == last + 41
    disk.free()
    ledger.close()

    kept = [it["kind"] for it in leaves(path)]
    assert kept.count("incident_changed") == kept.count("notice_queued") == last + 41
    assert leaves(path)[-1]["dropped"] == state.dropped
    assert audit(path).faults == ()


def test_bounds_count_bytes_too_and_those_of_exhibits() -> None:
    held = Held(most_bytes=100_000)
    held.take(
        (replace(compared("c"), exhibit=Exhibit.of(b"x" * 200_000)), Alive(at=NOW, rounds=0, failed=0, missed=0)),
        lambda _: None,
    )
    assert (len(held), held.dropped) == (1, 1)


def test_a_broken_file_is_not_written_again_and_pages_go_out_of_memory(path: Path) -> None:
    file = Failing(path)
    ledger = _holding(file)
    _report(ledger, 1)
    before = path.read_bytes()
    file.failure = LedgerBrokenError("disk I/O error", hint="look at the disk")
    _report(ledger, 2)
    file.failure = None  # the next fsync would say all is well, and would lie
    _report(ledger, 3)
    ledger.flush()

    state = ledger.state
    assert (state.broken, state.held) == (True, 6)
    pager = Pager()
    Courier(ledger, {"oncall": pager}, lambda: at(1000)).deliver_due()
    assert [it.event.incident.subject for it in pager.sent] == ["s2", "s3"]
    assert ledger.next_due() is None
    with pytest.raises(LedgerBrokenError, match="not touched again"):
        ledger.stream("divergence.gap", "t")
    ledger.close()
    assert path.read_bytes() == before


def test_an_hour_that_was_held_is_no_blind_window(path: Path) -> None:
    file = Failing(path)
    with _holding(file, seconds=3650) as ledger:
        desk = Desk(ledger, ())
        desk.report([Started(at=at(0), version="0", config_digest="0")])
        file.failure = LedgerFullError("database or disk is full", hint="free space")
        for minute in range(5, 65, 5):
            desk.report([Alive(at=at(60 * minute), rounds=minute, failed=0, missed=0)])
        file.failure = None
        desk.report([Stopped(at=at(3700), why="the end")])
    assert audit(path, max_gap=timedelta(minutes=15)).faults == ()


def test_a_file_that_somebody_holds_is_tried_again(path: Path) -> None:
    file = Failing(path)
    with _holding(file) as ledger:
        file.failure = LedgerStalledError("database is locked", hint="find out who holds it")
        _report(ledger, 1)
        state = ledger.state
        assert (state.held, state.full, state.broken, state.problem) == (3, False, False, "database is locked")
        assert state.reserve == SMALL  # giving it up would not help
        file.failure = None
        ledger.flush()
        assert ledger.state.problem == ""


def test_a_file_that_takes_only_some_of_it_leaves_every_answer_as_it_was(path: Path) -> None:
    file = Failing(path)
    with _holding(file) as ledger:
        file.failure = LedgerStalledError("database is locked", hint="find out who holds it")
        for number in range(600):
            done = RoundDone(
                id=f"r{number}",
                at=NOW,
                target="t",
                started_at=NOW,
                seed=1,
                compared=0,
                flagged=0,
                judged=0,
                unmeasured=0,
                tokens=7,
            )
            Desk(ledger, ("oncall",)).report([done], [finding(subject=f"s{number}", seconds=number)])
        before = _answers(ledger)
        file.before_it = 1
        ledger.flush()

        assert 0 < ledger.state.held < 1800
        assert _answers(ledger) == before
        file.failure = None
        ledger.flush()
        assert ledger.state.held == 0
        assert _answers(ledger) == before
    (back,) = [it for it in leaves(path) if it["kind"] == "held_back"]
    assert back["decisions"] == 1800
    assert audit(path).faults == ()


def _answers(ledger: HoldingLedger) -> tuple[object, ...]:
    with ledger.transaction() as transaction:
        opened = [transaction.open_incident(finding(subject=f"s{number}").fingerprint) for number in range(0, 600, 50)]
    due = [it.notice.id for it in ledger.due(at(10_000), 1000)]
    return ledger.tokens_spent("t", NOW.date()), due, ledger.next_due(), opened


def test_a_disk_with_too_little_left_is_told_before_anything_fails(path: Path) -> None:
    class Tight(Reserve):
        def room(self) -> int:
            return 100 << 10

    with HoldingLedger(SqliteLedger(path), now=lambda: NOW, reserve=Tight(path)) as ledger:
        state = ledger.state
        assert (state.full, state.held, state.reserve) == (True, 0, 0)
        assert state.problem == "100 KiB are left on its disk, too little to keep a reserve"


def _said(name: str) -> LedgerError:
    original = sqlite3.OperationalError("what SQLite says")
    original.sqlite_errorcode = getattr(sqlite3, name)
    original.sqlite_errorname = name
    return unusable(Path("/tmp/l.sqlite"), DatabaseError("", None, original))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (LedgerFullError, ["SQLITE_FULL"]),
        (LedgerStalledError, ["SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_CANTOPEN"]),
        (
            LedgerBrokenError,
            [
                "SQLITE_IOERR_FSYNC",
                "SQLITE_IOERR_DIR_FSYNC",
                "SQLITE_IOERR_WRITE",
                "SQLITE_IOERR_TRUNCATE",
                "SQLITE_IOERR_READ",
                "SQLITE_CORRUPT",
                "SQLITE_NOTADB",
            ],
        ),
        (LedgerError, ["SQLITE_CONSTRAINT_UNIQUE", "SQLITE_TOOBIG"]),
    ],
)
def test_what_follows_a_fault_depends_on_its_code_and_on_no_words(kind: type[LedgerError], names: list[str]) -> None:
    assert {type(_said(name)) for name in names} == {kind}


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_versions_with_the_wal_reset_fault_are_known(version: tuple[int, int, int], faulty: bool) -> None:
    assert wal_reset_fault(version) is faulty


@pytest.mark.parametrize("reply", ["a\0b", "\0", "a\0b \N{GRINNING FACE} " * 100_000])
def test_a_text_with_a_nul_and_a_large_one_are_recorded_without_loss(
    ledger: HoldingLedger, path: Path, reply: str
) -> None:
    Desk(ledger, ()).report([compared("c", reply=reply)])
    with open_reader(path) as reader:
        (found,) = reader.evidence(["c"])
    assert isinstance(found, Compared)
    assert found.delivered_reply == reply
    assert audit(path).faults == ()


def test_a_clock_that_went_back_is_recorded_as_it_was_and_is_no_alteration(ledger: HoldingLedger, path: Path) -> None:
    for hour in (5, 1, 3):
        Desk(ledger, ()).report([Alive(at=at(3600 * hour), rounds=hour, failed=0, missed=0)])
    assert [it["rounds"] for it in leaves(path) if it["kind"] == "alive"] == [5, 1, 3]
    assert audit(path).faults == ()


def test_the_size_of_a_decision_is_that_of_its_leaf() -> None:
    held = Held(most_bytes=len(encode(compared("c"))) + len(encode(judged("v"))))
    held.take((compared("c"), judged("v")), lambda _: None)
    assert held.dropped == 0
    held.take(
        (RoundDone(id="r", at=NOW, target="t", started_at=NOW, seed=1, compared=1, flagged=0, judged=1, unmeasured=0),),
        lambda _: None,
    )
    assert held.dropped == 2
