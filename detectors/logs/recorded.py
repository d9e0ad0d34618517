"""A log that is complete: a file, compressed or not, or what comes in through a pipe; read once, from its beginning."""

import bz2
import gzip
import io
import lzma
import stat
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from watchdog.domain.queries import LogChunk, LogGap, LogPosition
from watchdog.errors import LogFileError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = "-"
MOST_LINE = 16 * 2**20
"""Bytes of a line, beyond which it is skipped: a line is held in memory as a whole."""

_HEAD = 64 * 1024
_BUFFER = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What a damaged or cut compressed file raises, besides what the disk does."""


class _Counted(io.RawIOBase):
    """Counts the bytes that are taken out of a file, whatever decompresses them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, into: "WriteableBuffer", /) -> int:
        room = memoryview(into).cast("B")
        data = self._file.read(len(room))
        room[: len(data)] = data
        self.taken += len(data)
        return len(data)

    def close(self) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()
        super().close()


@dataclass
class RecordedLog:
    """Satisfies `ports.QueryLog`; what is in it is known to be all there will be."""

    path: str
    """A path, or `-` for the standard input."""
    size: int | None
    """Bytes on the disk; None when it is a pipe."""
    most_line: int = MOST_LINE
    _raw: _Counted | None = field(default=None, init=False)
    _data: BinaryIO | None = field(default=None, init=False)
    _taken: int = field(default=0, init=False)
    _rest: bytes = field(default=b"", init=False)
    _skipping: int = field(default=0, init=False)
    _over: bool = field(default=False, init=False)
    _fresh: bool = field(default=True, init=False)

    @property
    def taken(self) -> int:
        """Bytes on the disk that were read so far."""
        return self._taken if self._raw is None else self._raw.taken

    @property
    def over(self) -> bool:
        """Whether all of it was read."""
        return self._over

    def head(self) -> list[bytes]:
        """Return its first lines; reading begins before them all the same."""
        chunk = self.read(_HEAD)
        if self.size is not None:
            self.close()
            self._fresh, self._over, self._rest, self._skipping, self._taken = True, False, b"", 0, 0
        else:
            self._rest = b"".join(line + b"\n" for line in chunk.lines) + self._rest
        return list(chunk.lines)

    def read(self, most: int) -> LogChunk:
        """Return the next lines; none at the end, or once it turned out to be damaged."""
        gaps: list[LogGap] = []
        lines: list[bytes] = []
        while not (lines or gaps or self._over):
            try:
                data = self._open().read(most)
            except _BROKEN as exc:
                gaps.append(_damaged(self.path, exc))
                data = b""
            if self._fresh and data:
                data, self._fresh = data.removeprefix(_BOM), False
            self._over = not data
            lines = list(self._kept(self._split(data), gaps))
        # All of it was written before anybody read: lines of several files may lie behind one another.
        return LogChunk(lines=tuple(lines), position=LogPosition(), gaps=tuple(gaps), lag_bytes=1)

    def resume(self, position: LogPosition) -> None:
        """Do nothing: a recorded log is read from its beginning, every time."""

    def close(self) -> None:
        """Close the file."""
        if self._raw is not None:
            self._taken = self._raw.taken
            self._raw.close()
        self._raw = self._data = None

    def _open(self) -> BinaryIO:
        if self._data is None:
            # Closed by `close`: reading goes on over many calls.
            file = sys.stdin.buffer if self.path == STDIN else Path(self.path).open("rb")  # noqa: SIM115
            self._raw = _Counted(file)
            try:
                self._data = _decompressed(self._raw, self.path)
            except LogFileError:
                self.close()
                raise
        return self._data

    def _split(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole by now, and keep what follows them; at the end everything is whole."""
        lines = (self._rest + data).split(b"\n")
        self._rest = b"" if self._over else lines.pop()
        return lines

    def _kept(self, lines: list[bytes], gaps: list[LogGap]) -> Iterator[bytes]:
        """Yield the lines that are not too long, and tell of the others once each."""
        for line in lines:
            whole = self._skipping + len(line)
            if whole > self.most_line:
                gaps.append(_too_long(self.path, whole))
            elif line and not line.isspace():
                yield line.removesuffix(b"\r")
            self._skipping = 0
        if len(self._rest) + self._skipping > self.most_line:
            self._skipping += len(self._rest)
            self._rest = b""


def open_recorded(path: str) -> RecordedLog:
    """Look at a file that somebody named, and return its log.

    Raises LogFileError when there is none that can be read.
    """
    if path == STDIN:
        return RecordedLog(path, None)
    try:
        found = Path(path).stat()
        if stat.S_ISDIR(found.st_mode):
            raise LogFileError("is a folder", hint="name its files instead, as in FOLDER/*.jsonl")
        regular = stat.S_ISREG(found.st_mode)
        if regular:
            with Path(path).open("rb"):
                pass
    except FileNotFoundError:
        raise LogFileError("does not exist", hint="is it a pattern that the shell did not expand?") from None
    except PermissionError:
        raise LogFileError("may not be read by this user", hint="run this as a user who may read it") from None
    except (OSError, ValueError) as exc:
        raise LogFileError(f"cannot be read: {_why(exc)}", hint="name a file of lines, or - for a pipe") from exc
    return RecordedLog(path, found.st_size if regular else None)


def _decompressed(raw: _Counted, path: str) -> BinaryIO:
    file = io.BufferedReader(raw, _BUFFER)
    magic = file.peek(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast("BinaryIO", lzma.LZMAFile(file))
    if magic.startswith(_ZSTD):
        raise LogFileError(
            "is compressed with zstd, which Python cannot read by itself",
            hint=f"zstd -dc {path} | corrigibility-watchdog logs replay -",
        )
    return file


def _damaged(path: str, exc: Exception) -> LogGap:
    why = f"reading ended early: {_why(exc)}; what was read before counts"
    return LogGap(path=path, what="unreadable", why=why, bytes_lost=None)


def _too_long(path: str, size: int) -> LogGap:
    return LogGap(path=path, what="too_long", why=f"a line of {size:,} bytes was skipped", bytes_lost=size)


def _why(exc: Exception) -> str:
    return exc.strerror or type(exc).__name__ if isinstance(exc, OSError) else str(exc) or type(exc).__name__
