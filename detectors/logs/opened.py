"""Files of a log, opened so that nobody can have anything else opened in their place, and read by offset."""

import bz2
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No links; and a pipe that was put in the log's place must not keep us waiting."""
_RAW = 1 << 18
_STEP = 1 << 18
_XZ_MEMORY = 256 << 20
"""What a damaged or hostile file may ask of us."""
ZSTD = b"\x28\xb5\x2f\xfd"
_BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)
"""What a damaged file makes the decompressors raise."""


class NotAFileError(Exception):
    """Something else stands where a file was expected: a link, a pipe, a device, a folder."""


class BrokenFileError(Exception):
    """A compressed file that cannot be decompressed."""


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
    magic = os.pread(descriptor, 6, 0)
    if magic.startswith(ZSTD):
        raise BrokenFileError("it is compressed with zstd, which is not read here")
    make = next((make for start, make in _COMPRESSED.items() if magic.startswith(start)), None)
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

    def __init__(self, descriptor: int, make: "Callable[[], _Member]") -> None:
        self._descriptor, self._make = descriptor, make
        self._rewind()

    def read(self, offset: int, most: int) -> bytes:
        """Return decompressed bytes from an offset on. Raises BrokenFileError."""
        if offset < self._start:
            self._rewind()
        self._forget(offset)
        while self._start + len(self._kept) < offset + most and (more := self._more()):
            self._kept += more
            self._forget(offset)
        at = offset - self._start
        return bytes(memoryview(self._kept)[at : at + most])

    def _rewind(self) -> None:
        self._kept, self._start, self._raw = bytearray(), 0, 0
        self._member = self._make()
        self.ended = False

    def _forget(self, offset: int) -> None:
        passed = min(offset - self._start, len(self._kept))
        del self._kept[:passed]
        self._start += passed

    def _more(self) -> bytes:
        """Return the next bytes; none at the end, or where the rest has not been written yet."""
        while True:
            data = b""
            if self._member.eof:
                data = self._member.rest or self._next()
                if not data:
                    self.ended = True
                    return b""
                self._member = self._make()
            elif self._member.hungry:
                data = self._next()
            try:
                made = self._member.feed(data)
            except _BROKEN as exc:
                raise BrokenFileError(f"it cannot be decompressed: {type(exc).__name__}") from exc
            if made or not (data or self._member.eof):
                return made

    def _next(self) -> bytes:
        data = os.pread(self._descriptor, _RAW, self._raw)
        self._raw += len(data)
        return data


class _Member(Protocol):
    """One compressed stream of perhaps several in a file; each step makes a bounded number of bytes."""

    @property
    def eof(self) -> bool: ...

    @property
    def hungry(self) -> bool: ...

    @property
    def rest(self) -> bytes: ...

    def feed(self, data: bytes) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def hungry(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data.lstrip(b"\0")  # a file may be padded

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, _STEP)


class _Other:
    """What bzip2 and xz have in common."""

    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(data, _STEP)


_COMPRESSED: Mapping[bytes, Callable[[], _Member]] = {
    b"\x1f\x8b": _Gzip,
    b"BZh": lambda: _Other(bz2.BZ2Decompressor()),
    b"\xfd7zXZ\x00": lambda: _Other(lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
}
"""What a compressed file begins with."""
