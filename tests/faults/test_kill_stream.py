"""kill -9 of a stream: whatever it was doing, the next process decides what an uninterrupted one decides, once."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.audit import audit
from tests.faults.harness import Nursery, leaves
from tests.faults.stream_child import Reading
from tests.streams import line, refusals

CHILD = [sys.executable, "-c", "from tests.faults.stream_child import main; main()"]


@pytest.fixture(scope="module")
def readers() -> Iterator[Nursery]:
    nursery = Nursery(CHILD)
    yield nursery
    nursery.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    dice = random.Random(1)
    rows = [
        line(f"c{dice.randrange(5)}", f"p{it}", seconds=it, refused=dice.random() < 0.2 or None) for it in range(300)
    ]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(it + b"\n" for it in [*rows, b"{ no line", *refusals("mallory", 6, seconds=400)]))
    return path


def decided(path: Path) -> dict[str, Any]:
    """Return what was decided, without what is of chance or of our clock."""
    rows = leaves(path)
    reads = [it for it in rows if it["kind"] == "log_read"]
    return {
        "alarms": [(it["id"], it["alarm"]["client"], it["alarm"]["trials"]) for it in rows if it["kind"] == "alarmed"],
        "incidents": [
            (it["event"]["kind"], it["event"]["incident"]["subject"], it["event"]["incident"]["findings"])
            for it in rows
            if it["kind"] == "incident_changed"
        ],
        "references": [it["reference"] for it in rows if it["kind"] == "reference_fixed"],
        "lines": sum(it["lines"] for it in reads),
        "malformed": sum(bad["lines"] for it in reads for bad in it["malformed"]),
        "position": reads[-1]["position"],
    }


def read(readers: Nursery, ledger: Path, log: Path, die_at: int = 0, commit_s: float = 0.0) -> int | None:
    reading = Reading(ledger=str(ledger), log=str(log), die_at=die_at, commit_s=commit_s)
    return readers.finish(readers.start(reading)).code  # type: ignore[arg-type]


def killed_and_read_on(readers: Nursery, folder: Path, log: Path, die_at: int, commit_s: float) -> tuple[bool, object]:
    """Kill two processes at a failpoint, let a third one finish; say whether the first died, and what is decided."""
    folder.mkdir()
    ledger = folder / "ledger.sqlite"
    first = read(readers, ledger, log, die_at, commit_s)
    read(readers, ledger, log, die_at, commit_s)
    assert read(readers, ledger, log) == 0
    assert audit(ledger).faults == ()
    return first == -9, decided(ledger)


def test_killed_in_the_middle_of_some_commits_it_decides_the_same(readers: Nursery, log: Path, tmp_path: Path) -> None:
    assert read(readers, tmp_path / "whole.sqlite", log) == 0
    whole = decided(tmp_path / "whole.sqlite")
    assert len(whole["alarms"]) > 5
    assert (whole["lines"], whole["malformed"]) == (307, 1)
    for number, die_at in enumerate((40, 65, 90, 121, 160, 222)):
        died, found = killed_and_read_on(readers, tmp_path / str(number), log, die_at, commit_s=number % 3)
        assert died
        assert found == whole


@pytest.mark.faults
def test_killed_at_every_fifth_failpoint_it_decides_the_same(readers: Nursery, log: Path, tmp_path: Path) -> None:
    assert read(readers, tmp_path / "whole.sqlite", log) == 0
    whole = decided(tmp_path / "whole.sqlite")
    die_at, died = 1, True
    while died:
        died, found = killed_and_read_on(readers, tmp_path / str(die_at), log, die_at, commit_s=die_at % 3)
        assert found == whole, die_at
        die_at += 5
    assert die_at > 500
