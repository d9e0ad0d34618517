"""Files of a log, opened so that nobody can have anything else opened in their place, and read by offset."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from detectors.logs.packed import MAGIC, Member, Unpacked, maker_of

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No links; and a pipe that was put in the log's place must not keep us waiting."""
_STEP = 1 << 18


class NotAFileError(Exception):
    """Something else stands where a file was expected: a link, a pipe, a device, a folder."""


class Contents(Protocol):
    """The bytes of a log file, decompressed."""

    @property
    def ended(self) -> bool:
        """Whether nothing can follow what was read: the end of a compressed file. False for a plain one."""
        ...

    def read(self, offset: int, most: int) -> bytes:
        """Return bytes from an offset on; none where there are none yet. Raises BrokenFileError."""
        ...


def open_regular(path: Path) -> int:
    """Open a file for reading. Raises NotAFileError for anything but a regular file, and OSError as opening does."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as exc:
        if path.is_symlink():
            raise NotAFileError from exc
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NotAFileError


def contents_of(descriptor: int) -> Contents:
    """Return how to read an open file: as it is, or decompressed where its first bytes say so.

    Raises BrokenFileError where they say that it is compressed in a way that cannot be read.
    """
    make = maker_of(os.pread(descriptor, MAGIC, 0))
    return Plain(descriptor) if make is None else Inflated(descriptor, make)


class Plain:
    """A file that is read as it is."""

    ended = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, most: int) -> bytes:
        """Return bytes from an offset on."""
        return os.pread(self._descriptor, most, offset)


class Inflated:
    """A compressed file, read forwards; going back means to begin again. It may still be growing."""

    def __init__(self, descriptor: int, make: Callable[[], Member]) -> None:
        self._descriptor, self._make = descriptor, make
        self._rewind()

    @property
    def ended(self) -> bool:
        """Whether its end was read."""
        return self._unpacked.ended

    def read(self, offset: int, most: int) -> bytes:
        """Return decompressed bytes from an offset on. Raises BrokenFileError."""
        if offset < self._start:
            self._rewind()
        self._forget(offset)
        while self._start + len(self._kept) < offset + most and (more := self._unpacked.read(_STEP)):
            self._kept += more
            self._forget(offset)
        at = offset - self._start
        return bytes(memoryview(self._kept)[at : at + most])

    def _rewind(self) -> None:
        self._kept, self._start, self._raw = bytearray(), 0, 0
        self._unpacked = Unpacked(self._make, self._next)

    def _forget(self, offset: int) -> None:
        passed = min(offset - self._start, len(self._kept))
        del self._kept[:passed]
        self._start += passed

    def _next(self, most: int) -> bytes:
        data = os.pread(self._descriptor, most, self._raw)
        self._raw += len(data)
        return data
