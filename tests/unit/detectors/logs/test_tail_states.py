"""Whatever becomes of the files, and whenever the reader dies: a line is delivered once, or a gap says why not."""

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from detectors.logs.tail import Tail
from watchdog.domain.queries import FilePosition, LogGap

PACKED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
OPENED = {"gz": gzip.decompress, "bz2": bz2.decompress, "xz": lzma.decompress}
NUMBER = '{"n":00001'
"""As long as a beginning has to be to tell one file from another."""


def _head(content: str, at: FilePosition) -> str:
    return hashlib.sha256(content.encode()[: at.head_size]).hexdigest()


class Writer:
    """Writes numbered lines, all of which begin alike, and rotates the file in every way.

    What it writes partially has its number at least: two files that hold the same, and no more, are one to any reader.
    """

    def __init__(self, folder: Path) -> None:
        self.base = folder / "x.jsonl"
        self.count = 0
        self.half = ""
        self.lines: list[str] = []
        """Everything that a reader has to see, a last partial line of a rotated file included."""

    def line(self, padding: int) -> str:
        self.count += 1
        return f'{{"n":{self.count:05d}{"." * padding}'

    def write(self, text: str) -> None:
        with self.base.open("a") as file:
            file.write(text)

    def whole(self, padding: int) -> None:
        line = self.half or self.line(padding)
        self.write(line[len(self.written_half) :] + "\n" if self.half else line + "\n")
        self.lines.append(line)
        self.half = self.written_half = ""

    written_half = ""

    def begin(self, padding: int, share: float) -> None:
        if not self.half:
            self.half = self.line(padding)
            self.written_half = self.half[: len(NUMBER) + int(share * (len(self.half) - len(NUMBER)))]
            self.write(self.written_half)

    def _turn(self) -> None:
        """What was begun is a line of its own now: its rest is never written."""
        if self.half:
            self.lines.append(self.written_half)
        self.half = self.written_half = ""

    def rotated(self) -> list[Path]:
        return sorted(self.base.parent.glob("x.jsonl.*"), key=lambda it: int(it.name.split(".")[2]), reverse=True)

    def shift(self) -> None:
        for path in self.rotated():
            parts = path.name.split(".")
            path.rename(path.with_name(".".join(["x.jsonl", str(int(parts[2]) + 1), *parts[3:]])))

    def rename(self) -> None:
        self.shift()
        self.base.rename(self.base.with_name("x.jsonl.1"))
        self._turn()

    def copytruncate(self) -> None:
        self.shift()
        shutil.copy2(self.base, self.base.with_name("x.jsonl.1"))
        os.truncate(self.base, 0)
        self._turn()

    def compress(self, which: int, ending: str) -> None:
        plain = [it for it in self.rotated() if it.name.count(".") == 2]
        if plain:
            path = plain[which % len(plain)]
            path.with_name(f"{path.name}.{ending}").write_bytes(PACKED[ending](path.read_bytes()))
            path.unlink()


class TailStates(RuleBasedStateMachine):
    """The reader beside a model of what it must have delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.writer = Writer(Path(self.folder.name))
        self.tail = self._new()
        self.position = self.tail.read(1).position
        self.committed: list[str] = []
        self.seen: list[str] = []
        self.gaps: list[LogGap] = []
        self.committed_gaps: list[LogGap] = []
        self.deleted: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        """Lines of deleted files that no committed position knew to hold anything: nobody can miss them."""

    def _new(self) -> Tail:
        return Tail([self.writer.base], grace_s=0)

    @rule(padding=st.integers(0, 1500), times=st.integers(1, 5))
    def append(self, padding: int, times: int) -> None:
        for _ in range(times):
            self.writer.whole(padding)

    @rule(padding=st.integers(0, 1500), share=st.floats(0, 1))
    def append_partially(self, padding: int, share: float) -> None:
        self.writer.begin(padding, share)

    @precondition(lambda self: self.writer.base.exists())
    @rule()
    def rotate_by_rename(self) -> None:
        self.writer.rename()

    @precondition(lambda self: self.writer.base.exists())
    @rule()
    def copytruncate(self) -> None:
        self.writer.copytruncate()

    @rule(which=st.integers(0, 5), ending=st.sampled_from(sorted(PACKED)))
    def compress(self, which: int, ending: str) -> None:
        self.writer.compress(which, ending)

    @precondition(lambda self: bool(self.writer.rotated()))
    @rule()
    def delete_the_oldest(self) -> None:
        self._delete(self.writer.rotated()[0])

    @precondition(lambda self: self.writer.base.exists())
    @rule()
    def delete_and_recreate(self) -> None:
        self.writer._turn()
        self._delete(self.writer.base)
        self.writer.whole(3)

    def _delete(self, path: Path) -> None:
        ending = path.name.rpartition(".")[2]
        content = OPENED.get(ending, bytes)(path.read_bytes()).decode()
        lines = Counter(it for it in content.split("\n") if it)
        self.deleted += lines
        if not any(it.head_size >= len(NUMBER) and it.head == _head(content, it) for it in self.position.files):
            self.unknown += lines
        path.unlink()

    @rule(most=st.sampled_from([1, 5000, 1 << 20]))
    def read(self, most: int) -> None:
        chunk = self.tail.read(most)
        self.seen += [it.decode() for it in chunk.lines]
        self.gaps += chunk.gaps
        self.uncommitted = chunk.position
        assert Counter(self.seen) <= Counter(self.writer.lines)

    @precondition(lambda self: hasattr(self, "uncommitted"))
    @rule()
    def commit(self) -> None:
        self.position = self.uncommitted
        self.committed, self.committed_gaps = list(self.seen), list(self.gaps)

    @rule()
    def restart(self) -> None:
        self.tail.close()
        self.tail = self._new()
        self.tail.resume(self.position)
        self.uncommitted = self.position
        self.seen, self.gaps = list(self.committed), list(self.committed_gaps)

    def teardown(self) -> None:
        try:
            self.writer.whole(1200)
            for _ in range(4):
                self.read(1 << 20)
            missing = Counter(self.writer.lines) - Counter(self.seen)
            assert missing <= self.deleted
            assert self.gaps or missing <= self.unknown
        finally:
            self.tail.close()
            self.folder.cleanup()


TestTailStates = TailStates.TestCase
TestTailStates.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
