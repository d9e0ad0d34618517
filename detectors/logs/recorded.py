"""A log that is complete: a file, compressed or not, or what comes in through a pipe; read once, from its beginning."""

import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from detectors.logs.packed import MAGIC, BrokenFileError, Unpacked, maker_of
from watchdog.domain.queries import LINE_LIMIT, LogChunk, LogGap, LogPosition
from watchdog.errors import LogFileError

STDIN = "-"
_HEAD = 64 * 1024


class _Disk:
    """The bytes of a file or a pipe as they are, counted."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead = b""
        self.taken = 0

    def unpacked(self) -> "Unpacked | _Disk":
        """Look at the first bytes, and return what reads by them. Raises BrokenFileError where nothing does."""
        self._ahead = self._file.read(MAGIC)
        make = maker_of(self._ahead)
        return self if make is None else Unpacked(make, self.read)

    def read(self, most: int) -> bytes:
        """Return the next bytes; none at the end."""
        ahead, self._ahead = self._ahead[:most], self._ahead[most:]
        data = ahead + self._file.read(most - len(ahead))
        self.taken += len(data)
        return data

    def close(self) -> None:
        """Close a file; the standard input is not ours to close."""
        if self._file is not sys.stdin.buffer:
            self._file.close()


@dataclass
class RecordedLog:
    """Satisfies `ports.QueryLog`; what is in it is known to be all there will be."""

    path: str
    """A path, or `-` for the standard input."""
    size: int | None
    """Bytes on the disk; None when it is a pipe."""
    line_limit: int = LINE_LIMIT
    _disk: _Disk | None = field(default=None, init=False)
    _data: Unpacked | _Disk | None = field(default=None, init=False)
    _taken: int = field(default=0, init=False)
    _rest: bytes = field(default=b"", init=False)
    _skipping: int = field(default=0, init=False)
    _over: bool = field(default=False, init=False)
    _ahead: LogChunk | None = field(default=None, init=False)
    """What was looked at in a pipe, which cannot be read again."""

    @property
    def taken(self) -> int:
        """Bytes on the disk that were read so far."""
        return self._taken if self._disk is None else self._disk.taken

    @property
    def over(self) -> bool:
        """Whether all of it was read."""
        return self._over and self._ahead is None

    def head(self) -> list[bytes]:
        """Return its first lines; reading begins before them all the same."""
        if self.size is None:
            self._ahead = self.read(_HEAD)
            return list(self._ahead.lines)
        again = RecordedLog(self.path, self.size, self.line_limit)
        try:
            return list(again.read(_HEAD).lines)
        finally:
            again.close()

    def read(self, most: int) -> LogChunk:
        """Return the next lines; none at the end, or once it turned out to be damaged."""
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            return ahead
        gaps: list[LogGap] = []
        lines: list[bytes] = []
        while not (lines or gaps or self._over):
            data = self._next(most, gaps)
            self._over = not data
            lines = list(self._kept(self._split(data), gaps))
        # All of it was written before anybody read: lines of several files may lie behind one another.
        return LogChunk(lines=tuple(lines), position=LogPosition(), gaps=tuple(gaps), lag_bytes=1)

    def resume(self, position: LogPosition) -> None:
        """Do nothing: a recorded log is read from its beginning, every time."""

    def close(self) -> None:
        """Close the file."""
        if self._disk is not None:
            self._taken = self._disk.taken
            self._disk.close()
        self._disk = self._data = None

    def _next(self, most: int, gaps: list[LogGap]) -> bytes:
        """Return the next bytes; none at the end, and where nothing more can be read, which is told."""
        try:
            data = self._open()
            found = data.read(most)
        except (BrokenFileError, OSError) as exc:
            what = "damaged" if isinstance(exc, BrokenFileError) else "unreadable"
            gaps.append(_ended_early(self.path, what, _why(exc)))
            return b""
        if not found and isinstance(data, Unpacked) and not data.ended:
            gaps.append(_ended_early(self.path, "damaged", "its end is missing"))
        return found

    def _open(self) -> Unpacked | _Disk:
        if self._disk is None:
            # Closed by `close`: reading goes on over many calls.
            file = sys.stdin.buffer if self.path == STDIN else Path(self.path).open("rb")  # noqa: SIM115
            self._disk = _Disk(file)
        if self._data is None:
            try:
                self._data = self._disk.unpacked()
            except BrokenFileError as exc:
                self.close()
                raise LogFileError(
                    "is compressed with zstd, which Python cannot read by itself",
                    hint=f"zstd -dc {self.path} | corrigibility-watchdog logs replay -",
                ) from exc
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
            if whole > self.line_limit:
                gaps.append(_too_long(self.path, whole))
            elif line and not line.isspace():
                yield line.removesuffix(b"\r")
            self._skipping = 0
        if len(self._rest) + self._skipping > self.line_limit:
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


def _ended_early(path: str, what: str, why: str) -> LogGap:
    why = f"reading ended early: {why}; what was read before counts"
    return LogGap(path=path, what=what, why=why, bytes_lost=None)


def _too_long(path: str, size: int) -> LogGap:
    return LogGap(path=path, what="too_long", why=f"a line of {size:,} bytes was skipped", bytes_lost=size)


def _why(exc: Exception) -> str:
    return exc.strerror or type(exc).__name__ if isinstance(exc, OSError) else str(exc) or type(exc).__name__
