"""Whether every line arrives, and once, of a file that is rotated by renaming while it is written.

Writer and reader are processes of their own. The reader is also killed and taken up again from what it had committed.
"""

import json
import multiprocessing
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Self

from detectors.logs.tail import Tail
from watchdog.domain.queries import FilePosition, LogChunk, LogPosition

_FORK = multiprocessing.get_context("fork")
"""A reader is there at once, as one that systemd starts again is not: see `_DEAD_S`."""
_DEAD_S = 0.5
"""How long nobody reads after a kill; the file is rotated meanwhile."""
_TICK_S = 0.01
_FILLING = "x" * 280
_STRAY = 3
"""Lines that still go to the old file after it was renamed: a writer takes a moment to hear of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the writer does."""

    path: Path
    lines_per_s: int = 5000
    rotations: int = 100
    lines_per_file: int = 2000
    shifted: bool = False
    """Whether older files are renamed as well: `log.1` to `log.2`, as logrotate does by default."""
    kept: int = 20
    """Shifted files that are kept; the oldest is deleted."""

    @property
    def total(self) -> int:
        """How many lines are written."""
        return self.lines_per_file * (self.rotations + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What the reader saw."""

    written: int
    once: int
    """Lines that arrived exactly once."""
    lost: int
    doubled: int
    gaps: int
    """Gaps that the reader reported."""
    kills: int
    seconds: float


def live(plan: Plan) -> Arrived:
    """Read while the file is written and rotated, with a reader that is left alone."""
    seen: Counter[int] = Counter()
    gaps = 0
    with _Writer(plan) as writer, closing(Tail([plan.path])) as tail:
        for chunk in _chunks(tail, writer.process):
            seen.update(_numbers(chunk.lines))
            gaps += len(chunk.gaps)
    return _arrived(plan, seen, gaps=gaps, kills=0, seconds=writer.seconds)


def killed(plan: Plan, kills: int, database: Path) -> Arrived:
    """Read with a reader that is killed again and again, and goes on from what it committed with its lines."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("CREATE TABLE seen (line INTEGER, gap TEXT); CREATE TABLE position (json TEXT);")
    with _Writer(plan) as writer:
        pause = max(0.1, plan.total / plan.lines_per_s / (kills + 1) - _DEAD_S)
        for _ in range(kills):
            reader = _reader(plan.path, database)
            reader.join(pause)
            reader.kill()
            reader.join()
            time.sleep(_DEAD_S)
        writer.process.join()
        last = _reader(plan.path, database)
        _wait_until_still(database)
        last.kill()
        last.join()
    with closing(sqlite3.connect(database)) as connection:
        seen = Counter(number for (number,) in connection.execute("SELECT line FROM seen WHERE line IS NOT NULL"))
        [(gaps,)] = connection.execute("SELECT count(*) FROM seen WHERE gap IS NOT NULL")
    return _arrived(plan, seen, gaps=gaps, kills=kills, seconds=writer.seconds)


def write(plan: Plan) -> None:
    """Write all lines, at the pace and with the rotations of the plan."""
    begun, number = time.monotonic(), 0
    file = _opened(plan.path)
    for rotation in range(plan.rotations + 1):
        for _ in range(plan.lines_per_file - _STRAY):
            number = _put(file, number)
            if number % int(plan.lines_per_s * _TICK_S) == 0:
                time.sleep(max(0.0, begun + number / plan.lines_per_s - time.monotonic()))
        if rotation < plan.rotations:
            _rename(plan, rotation)
        for _ in range(_STRAY):
            number = _put(file, number)
        os.close(file)
        if rotation < plan.rotations:
            file = _opened(plan.path)


def read(path: Path, database: Path) -> None:
    """Read for ever; each chunk's lines and the position after them are one transaction."""
    with closing(sqlite3.connect(database, timeout=30)) as connection, closing(Tail([path])) as tail:
        for (text,) in connection.execute("SELECT json FROM position"):
            tail.resume(_position(text))
        while True:
            chunk = tail.read(1 << 18)
            if not chunk.lines and not chunk.gaps:
                time.sleep(_TICK_S)
                continue
            with connection:
                connection.executemany("INSERT INTO seen (line) VALUES (?)", ((n,) for n in _numbers(chunk.lines)))
                connection.executemany("INSERT INTO seen (gap) VALUES (?)", ((it.what,) for it in chunk.gaps))
                connection.execute("DELETE FROM position")
                connection.execute("INSERT INTO position VALUES (?)", (json.dumps(asdict(chunk.position)),))


class _Writer:
    """The writing process, for the length of a block."""

    def __init__(self, plan: Plan) -> None:
        self._took = _FORK.Value("d", 0.0)
        self.process: BaseProcess = _FORK.Process(target=_timed, args=(plan, self._took))

    @property
    def seconds(self) -> float:
        """How long it wrote; 0 when it was stopped before its end."""
        return float(self._took.value)

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def _timed(plan: Plan, took: "Synchronized[float]") -> None:
    begun = time.monotonic()
    write(plan)
    took.value = time.monotonic() - begun


def _chunks(tail: Tail, writer: BaseProcess) -> Iterator[LogChunk]:
    """Yield what is read until the writer has ended and nothing has come for a while."""
    quiet = 0
    while quiet < 100:
        chunk = tail.read(1 << 20)
        if chunk.lines or chunk.gaps:
            quiet = 0
            yield chunk
        else:
            quiet += not writer.is_alive()
            time.sleep(_TICK_S)


def _reader(path: Path, database: Path) -> BaseProcess:
    reader = _FORK.Process(target=read, args=(path, database))
    reader.start()
    return reader


def _wait_until_still(database: Path) -> None:
    count, still = -1, 0
    while still < 10:
        time.sleep(0.2)
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            [(now,)] = connection.execute("SELECT count(*) FROM seen")
        still = still + 1 if now == count else 0
        count = now


def _arrived(plan: Plan, seen: Counter[int], *, gaps: int, kills: int, seconds: float) -> Arrived:
    return Arrived(
        written=plan.total,
        once=sum(times == 1 for times in seen.values()),
        lost=plan.total - len(seen),
        doubled=sum(times > 1 for times in seen.values()),
        gaps=gaps,
        kills=kills,
        seconds=seconds,
    )


def _numbers(lines: tuple[bytes, ...]) -> list[int]:
    return [json.loads(line)["line"] for line in lines]


def _put(file: int, number: int) -> int:
    whole = json.dumps({"line": number, "filling": _FILLING}).encode() + b"\n"
    # In two halves: a reader sees many lines that are not whole yet.
    os.write(file, whole[:100])
    os.write(file, whole[100:])
    return number + 1


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def _rename(plan: Plan, rotation: int) -> None:
    if not plan.shifted:
        plan.path.rename(f"{plan.path}.{rotation + 1}")
        return
    for number in range(min(rotation, plan.kept), 0, -1):
        Path(f"{plan.path}.{number}").rename(f"{plan.path}.{number + 1}")
    Path(f"{plan.path}.{plan.kept + 1}").unlink(missing_ok=True)
    plan.path.rename(f"{plan.path}.1")


def _position(text: str) -> LogPosition:
    return LogPosition(files=tuple(FilePosition(**it) for it in json.loads(text)["files"]))
