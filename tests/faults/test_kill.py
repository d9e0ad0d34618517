"""kill -9: what was promised is recorded once, what was queued is delivered under one id, and the record is whole.

It does not show that a commit reaches the disk, because the kernel outlives the process; `test_disk.py` does.
"""

import itertools
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.faults.child import Errand
from tests.faults.harness import Nursery, Run, kill, restart, undelivered, wrong_in
from watchdog.rehearsal.receiver import Receiver

FOREVER = 10_000


def _killed_at_random(
    children: Nursery, path: Path, url: str, receiver: Receiver, cycles: int
) -> tuple[list[str], list[str]]:
    """Kill a child at a random instant, again and again on one ledger; return what it promised, and what was wrong."""
    dice = random.Random(7)
    promised: list[str] = []
    wrong: list[str] = []
    for cycle in range(cycles):
        run = children.start(Errand(ledger=str(path), url=url, name=f"k{cycle}", steps=FOREVER))
        if cycle % 2:
            children.hear(run, "ACK")
        time.sleep(dice.uniform(0.0, 0.12))
        kill(run)
        promised += children.finish(run).names("ACK")
        assert run.code == -9
        if path.exists():
            restart(path)
            wrong += wrong_in(path, promised)
    last = children.finish(children.start(Errand(ledger=str(path), url=url, name="last", steps=3)))
    assert last.code == 0
    # Two hundred deaths leave more behind than one pass delivers.
    assert children.finish(children.start(Errand(ledger=str(path), url=url, name="rest", steps=3))).code == 0
    return promised, wrong + wrong_in(path, promised) + undelivered(path, receiver)


def test_killed_at_a_few_random_instants_nothing_promised_is_lost(
    children: Nursery, tmp_path: Path, url: str, receiver: Receiver
) -> None:
    _, wrong = _killed_at_random(children, tmp_path / "ledger.sqlite", url, receiver, 5)
    assert wrong == []


@pytest.mark.faults
def test_killed_at_two_hundred_random_instants_nothing_promised_is_lost(
    children: Nursery, tmp_path: Path, url: str, receiver: Receiver
) -> None:
    promised, wrong = _killed_at_random(children, tmp_path / "ledger.sqlite", url, receiver, 200)
    assert wrong == []
    assert len(promised) >= 100  # every second one lives until it has promised something
    # Some died between the receiver's yes and its record: the same notice came again, under the same id.
    assert len(receiver.received) > len(receiver.accepted)


def _killed_at(children: Nursery, base: Path, folder: Path, url: str, receiver: Receiver, name: str, point: int) -> Run:
    """Kill a child at one failpoint on a copy of a ledger, let the next one finish the work, and check everything."""
    shutil.copytree(base, folder)
    path = folder / "ledger.sqlite"
    dead = children.finish(children.start(Errand(ledger=str(path), url=url, name=name, steps=1, die_at=point)))
    alive = children.finish(children.start(Errand(ledger=str(path), url=url, name=f"{name}-after", steps=1)))
    assert alive.code == 0
    assert wrong_in(path, dead.names("ACK") + alive.names("ACK")) == []
    shutil.rmtree(folder)
    return dead


@pytest.fixture
def base(children: Nursery, tmp_path: Path, url: str) -> Path:
    """A ledger with a little history, and its key."""
    folder = tmp_path / "base"
    folder.mkdir()
    run = children.start(Errand(ledger=str(folder / "ledger.sqlite"), url=url, name="base", steps=3))
    assert children.finish(run).code == 0
    return folder


@pytest.mark.faults
def test_killed_at_every_statement_commit_and_page_nothing_promised_is_lost(
    children: Nursery, base: Path, tmp_path: Path, url: str, receiver: Receiver
) -> None:
    for take in range(3):
        for point in itertools.count(1):
            name = f"p{take}-{point}"
            if _killed_at(children, base, tmp_path / name, url, receiver, name, point).code == 0:
                break
        assert point > 60  # it went through the points, and did not just end early


@pytest.mark.parametrize("point", [10, 40, 60])
def test_killed_at_some_statements_nothing_promised_is_lost(
    children: Nursery, base: Path, tmp_path: Path, url: str, receiver: Receiver, point: int
) -> None:
    dead = _killed_at(children, base, tmp_path / "copy", url, receiver, f"p{point}", point)
    assert dead.code == -9
