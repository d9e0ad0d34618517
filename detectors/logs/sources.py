"""One stretch of a log: what was written into one file from its beginning, wherever the file is now."""

import errno
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from detectors.logs.opened import Contents, NotAFileError, Plain, contents_of, open_regular
from detectors.logs.packed import BrokenFileError
from detectors.logs.rotated import Found
from watchdog.domain.queries import FilePosition, LogGap

HEAD = 1024
"""Bytes that a file is known again by; fewer while it has fewer."""
UNREADABLE = (OSError, NotAFileError, BrokenFileError)
"""What reading may raise."""
_LEAST, _MOST = 1 << 12, 1 << 22
"""Bytes of a block."""
_NOTHING = hashlib.sha256().hexdigest()


@dataclass(slots=True)
class Taken:
    """What was read at once."""

    lines: list[bytes]
    size: int
    gaps: tuple[LogGap, ...] = ()


@dataclass(slots=True)
class Source:
    """A stretch that is read, or was; knows its file again after it was renamed, copied or compressed."""

    found: Found
    offset: int = 0
    """Of a compressed file, in decompressed bytes."""
    head: str = _NOTHING
    head_size: int = 0
    beginning: bytes = b""
    """As much of its first bytes as this process saw."""
    done: bool = False
    gone: bool = False
    """Whether its file has no name any more that we know, and is only held open."""
    packed: bool = False
    skipped: int = 0
    """Bytes of a line that is too long, as far as its end was looked for."""
    descriptor: int | None = None
    contents: Contents | None = None
    checked: tuple[int, int] | None = None
    """Size and time of writing when its file was last known again."""
    missing_since: float | None = None
    """Since when its file is not found, on a clock of our own."""
    truncated: bool = False
    """Whether another file has taken its inode."""

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.found.device, self.found.inode

    @property
    def final(self) -> bool:
        """Whether whoever keeps to the rules writes no more to it: its last line needs no line feed."""
        return self.gone or self.found.rotated

    @property
    def unread(self) -> int:
        """Bytes of the file that are not read; of a compressed one, all of them until it is done."""
        return 0 if self.done else self.found.size if self.packed else max(self.found.size - self.offset, 0)

    def open(self) -> Contents:
        """Return the contents of the file. Raises OSError, NotAFileError, or BrokenFileError."""
        if self.contents is None:
            if self.descriptor is None:
                self.descriptor = open_regular(self.found.path)
                seen = os.fstat(self.descriptor)
                if (seen.st_dev, seen.st_ino) != self.key:
                    self.close()
                    raise FileNotFoundError(errno.ENOENT, "renamed since it was found", str(self.found.path))
            self.packed = True  # so it is even where it cannot be decompressed
            self.contents = contents_of(self.descriptor)
            self.packed = not isinstance(self.contents, Plain)
        return self.contents

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = self.contents = None

    def lives_on(self) -> bool:
        """Tell whether the file that is held open, and has lost its name, is still what it was."""
        if self.descriptor is None:
            return False
        seen = os.fstat(self.descriptor)
        found = replace(self.found, size=seen.st_size, mtime_ns=seen.st_mtime_ns)
        if not self.still(found):
            return False
        self.found, self.gone = found, True
        return True

    def position(self) -> FilePosition:
        """Return how far it was read."""
        return FilePosition(
            path=str(self.found.path),
            device=self.found.device,
            inode=self.found.inode,
            offset=self.offset,
            head=self.head,
            head_size=self.head_size,
            done=self.done,
        )

    def still(self, found: Found) -> bool:
        """Tell whether the file with our inode still begins as ours did, and has not become shorter."""
        state = found.size, found.mtime_ns
        if self.checked == state and (self.done or self.descriptor is None):
            return True
        try:
            beginning = self._beginning(found)
        except UNREADABLE:
            return True  # reading will say what is wrong
        if not self.begins(beginning) or (not self.packed and found.size < self.offset):
            return False
        if self._was_half_a_line(beginning) and found.size > self.offset:
            return False  # too little to know a longer file by
        self._learn(beginning)
        self.checked = state
        return True

    def _was_half_a_line(self, beginning: bytes) -> bool:
        return self.done and not self.packed and 0 < self.offset < HEAD and b"\n" not in beginning[: self.offset]

    def missing_for(self, now: float) -> float:
        """Return for how long the file was not found, which it is not now."""
        self.missing_since = now if self.missing_since is None else self.missing_since
        return now - self.missing_since

    def move(self, found: Found) -> None:
        """Take a file for ours."""
        if found.key != self.key:
            self.checked = None
        self.found, self.gone, self.missing_since, self.truncated = found, False, None, False
        if self.done and not self.packed and found.size > self.offset:
            self.done = False  # somebody still writes to it
        if self.done:
            self.close()

    def begins(self, beginning: bytes) -> bool:
        """Tell whether these are our first bytes."""
        return hashlib.sha256(beginning[: self.head_size]).hexdigest() == self.head

    def take(self, most: int, limit: int, *, finish: bool) -> Taken:
        """Read the next whole lines, about `most` bytes; with `finish`, what stands after the last line feed too.

        Raises OSError, NotAFileError or BrokenFileError where the file cannot be read.
        """
        contents = self.open()
        if self.skipped:
            return self._skip(contents, finish=finish)
        block = self._block(contents, most, limit)
        if not self._is_ours(contents, block):
            return Taken([], 0)  # truncated since it was last looked at: this is the middle of something else
        finish = finish or contents.ended
        end = block.rfind(b"\n")
        if end < 0 and len(block) > limit:
            return self._skip(contents, finish=finish)
        if end < 0 and not finish:
            return Taken([], 0)
        if not block:
            self.done = True
            return Taken([], 0)
        whole = block[:end] if end >= 0 else block
        self.offset += len(whole) + (end >= 0)
        return self._within(whole.split(b"\n"), len(whole), limit)

    def _block(self, contents: Contents, most: int, limit: int) -> bytes:
        """Read until there is a line feed, the end, or more than the longest line."""
        want = min(max(most, _LEAST), _MOST)
        block = contents.read(self.offset, want)
        while len(block) == want and want <= limit and b"\n" not in block:
            want = min(want * 4, limit + 1)
            block = contents.read(self.offset, want)
        return block

    def _beginning(self, found: Found) -> bytes:
        """Read the first bytes of the file with our inode, whatever it is called now."""
        if self.descriptor is not None:
            # Read afresh, because going back in a compressed file means to begin again.
            return contents_of(self.descriptor).read(0, HEAD)
        there = Source(found)
        try:
            return there.open().read(0, HEAD)
        finally:
            self.packed = there.packed
            there.close()

    def _is_ours(self, contents: Contents, block: bytes) -> bool:
        """Tell whether the file still begins as it did, and learn more of its beginning."""
        if self.packed and self.offset > 0:
            return True  # nobody writes into the middle of a compressed file, and going back would take long
        beginning = block[:HEAD] if self.offset == 0 else contents.read(0, HEAD)
        if not self.begins(beginning):
            return False
        self._learn(beginning)
        return True

    def _learn(self, beginning: bytes) -> None:
        self.beginning = beginning
        if len(beginning) > self.head_size:
            self.head_size = len(beginning)
            self.head = hashlib.sha256(beginning).hexdigest()

    def _within(self, lines: list[bytes], size: int, limit: int) -> Taken:
        if size <= limit or max(map(len, lines)) <= limit:
            return Taken(lines, size)
        long = [len(it) for it in lines if len(it) > limit]
        gaps = tuple(_too_long(self.found.path, it) for it in long)
        return Taken([it for it in lines if len(it) <= limit], size, gaps)

    def _skip(self, contents: Contents, *, finish: bool) -> Taken:
        """Look for the end of a line that is too long, a block at a time and keeping none of it."""
        block = contents.read(self.offset + self.skipped, _MOST)
        end = block.find(b"\n")
        size = self.skipped + (len(block) if end < 0 else end)
        if end < 0 and (block or not finish):
            self.skipped = size
            return Taken([], len(block))
        self.offset, self.skipped = self.offset + size + (end >= 0), 0
        return Taken([], size, (_too_long(self.found.path, size),))


def _too_long(path: Path, size: int) -> LogGap:
    why = "a line is longer than the limit, and was skipped"
    return LogGap(path=str(path), what="too_long", why=why, bytes_lost=size)
