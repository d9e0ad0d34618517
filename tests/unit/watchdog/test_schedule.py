"""The day's times: bounded, exponential, the same for everybody who has the seed, and a secret to everybody else."""

import hashlib
import itertools
import json
import statistics
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.memory import MemoryLedger
from tests.builders import NOW, at
from watchdog import schedule
from watchdog.desk import Desk
from watchdog.domain.decisions import ScheduleCommitted, ScheduleRevealed
from watchdog.errors import LedgerError
from watchdog.seedbook import SeedBook

DAY = date(2026, 3, 1)
SEEDS = st.binary(min_size=32, max_size=32)
EVERY = st.integers(min_value=60, max_value=86_400).map(lambda seconds: timedelta(seconds=seconds))


@given(SEEDS, EVERY)
def test_every_gap_of_a_day_lies_within_its_bounds(seed: bytes, every: timedelta) -> None:
    drawn = schedule.times(seed, "t", every, DAY)

    gaps = [(later - earlier) / every for earlier, later in itertools.pairwise(drawn)]
    assert all(schedule.SHORTEST - 0.001 <= gap <= schedule.LONGEST + 0.001 for gap in gaps)


@given(SEEDS, EVERY)
def test_every_time_is_on_its_day_and_later_than_the_one_before(seed: bytes, every: timedelta) -> None:
    drawn = schedule.times(seed, "t", every, DAY)

    assert list(drawn) == sorted(set(drawn))
    assert {schedule.day_of(it) for it in drawn} <= {DAY}


@given(SEEDS, EVERY, st.integers(min_value=0, max_value=86_399))
def test_the_first_time_after_an_instant_is_the_first_of_those_that_are_later(
    seed: bytes, every: timedelta, second: int
) -> None:
    instant = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=second)
    later = [it for it in schedule.times(seed, "t", every, DAY) if it > instant]

    assert schedule.first_after(seed, "t", every, DAY, instant) == (later[0] if later else None)


def test_rounds_are_every_so_often_on_average_and_spread_like_an_exponential() -> None:
    every = timedelta(minutes=5)
    drawn = [schedule.times(bytes([n]) * 32, "t", every, DAY) for n in range(60)]
    gaps = [(b - a) / every for day in drawn for a, b in itertools.pairwise(day)]

    assert statistics.fmean(gaps) == pytest.approx(1.0, abs=0.02)
    assert statistics.fmean(map(len, drawn)) == pytest.approx(288, rel=0.02)
    # Without memory: of the gaps that reached 1, as large a share ends within 0.5 as of those that reached 0.5.
    ended = [sum(x < gap <= x + 0.5 for gap in gaps) / sum(gap > x for gap in gaps) for x in (0.5, 1.0)]
    assert ended[1] == pytest.approx(ended[0], abs=0.04)


def test_another_seed_target_or_day_gives_other_times() -> None:
    every, seed = timedelta(hours=1), b"s" * 32
    drawn = schedule.times(seed, "t", every, DAY)

    assert schedule.times(seed, "t", every, DAY) == drawn
    assert not set(schedule.times(seed, "u", every, DAY)) & set(drawn)
    assert not set(schedule.times(b"z" * 32, "t", every, DAY)) & set(drawn)
    assert {it.time() for it in schedule.times(seed, "t", every, date(2026, 3, 2))} != {it.time() for it in drawn}


def test_the_times_of_a_seed_never_change() -> None:
    # An auditor recomputes them years later, with another version.
    drawn = schedule.times(b"\0" * 32, "assistant", timedelta(hours=6), DAY)
    assert [it.isoformat(timespec="milliseconds") for it in drawn] == FROZEN


FROZEN = ["2026-03-01T05:57:57.547+00:00", "2026-03-01T22:17:11.035+00:00"]


class Book:
    """A seed book over a ledger in memory."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.sqlite.seeds"
        self.ledger = MemoryLedger()
        self.at = NOW
        self.open()

    def open(self) -> None:
        self.seeds = SeedBook(self.path, Desk(self.ledger, ()), lambda: self.at)

    def committed(self) -> list[ScheduleCommitted]:
        return [it for it in self.ledger.decisions if isinstance(it, ScheduleCommitted)]

    def revealed(self) -> list[ScheduleRevealed]:
        return [it for it in self.ledger.decisions if isinstance(it, ScheduleRevealed)]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def test_a_seed_is_committed_to_before_its_day_and_revealed_after_it(book: Book) -> None:
    tomorrow = date(2026, 3, 2)
    book.seeds.plan({"t": 900.0})
    seed = book.seeds.seed(tomorrow)
    book.seeds.settle()
    book.seeds.settle()

    (committed,) = book.committed()
    assert (committed.day, committed.commitment) == (tomorrow, hashlib.sha256(seed).hexdigest())
    assert [(it.target, it.every_s) for it in committed.plan] == [("t", 900.0)]
    assert schedule.day_of(committed.at) < tomorrow
    assert book.revealed() == []

    book.at = datetime(2026, 3, 3, 1, 30, tzinfo=UTC)
    book.seeds.settle()
    (revealed,) = book.revealed()
    assert (revealed.day, revealed.seed) == (tomorrow, seed.hex())


def test_an_auditor_finds_every_time_of_the_day_from_the_record_alone(book: Book) -> None:
    book.seeds.plan({"t": 900.0})
    used = schedule.times(book.seeds.seed(DAY), "t", timedelta(minutes=15), DAY)
    book.seeds.settle()
    book.at = at(86_400)
    book.seeds.settle()

    (committed,), (revealed,) = book.committed(), book.revealed()
    seed = bytes.fromhex(revealed.seed)
    assert schedule.commitment(seed) == committed.commitment
    (plan,) = committed.plan
    assert schedule.times(seed, plan.target, timedelta(seconds=plan.every_s), revealed.day) == used


def test_a_restart_goes_on_with_the_same_times_and_says_so(book: Book) -> None:
    seed = book.seeds.seed(DAY)
    book.seeds.settle()
    book.open()
    book.seeds.settle()

    assert book.seeds.seed(DAY) == seed
    assert len({it.commitment for it in book.committed()}) == 1
    assert len(book.committed()) == 2


def test_a_revealed_seed_is_never_used_again_even_if_the_clock_goes_back(book: Book) -> None:
    seed = book.seeds.seed(DAY)
    book.at = at(86_400)
    book.seeds.settle()
    book.at = NOW

    assert book.seeds.known(DAY) is None
    assert book.seeds.seed(DAY) != seed


def test_a_change_of_plan_is_committed_to_under_the_same_seed(book: Book) -> None:
    book.seeds.seed(DAY)
    book.seeds.settle()
    book.seeds.plan({"t": 60.0})
    book.seeds.settle()

    first, second = book.committed()
    assert first.commitment == second.commitment
    assert [it.every_s for it in second.plan] == [60.0]


def test_only_its_user_can_read_the_seeds(book: Book) -> None:
    book.seeds.seed(DAY)
    assert book.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"2026-03-01": 7}), json.dumps({"today": "00"})])
def test_a_file_that_holds_no_seeds_is_refused_with_the_remedy(book: Book, text: str) -> None:
    book.path.write_text(text)
    with pytest.raises(LedgerError) as caught:
        book.open()
    assert "move the file away" in caught.value.hint
