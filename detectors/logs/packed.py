"""Compressed logs (gzip, bzip2, xz), decompressed forwards, a bounded number of bytes at a time."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

MAGIC = 6
"""Bytes that tell how a file is compressed."""
_RAW = 1 << 18
_XZ_MEMORY = 256 << 20
"""What a damaged or hostile file may ask of us."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)
"""What a damaged file makes the decompressors raise."""


class BrokenFileError(Exception):
    """A compressed file that cannot be decompressed."""


class Member(Protocol):
    """One compressed stream of perhaps several in a file; each step makes a bounded number of bytes."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""
        ...

    @property
    def hungry(self) -> bool:
        """Whether it can make nothing more of what it was fed."""
        ...

    @property
    def rest(self) -> bytes:
        """What it was fed and stands behind its end."""
        ...

    def feed(self, data: bytes, most: int) -> bytes:
        """Return the next decompressed bytes, at most so many."""
        ...


def maker_of(magic: bytes) -> Callable[[], Member] | None:
    """Return what makes the decompressor of a file whose first bytes are these; None where it is not compressed.

    Raises BrokenFileError where they say that it is compressed in a way that cannot be read.
    """
    if magic.startswith(_ZSTD):
        raise BrokenFileError("it is compressed with zstd, which is not read here")
    return next((make for start, make in _MAKERS.items() if magic.startswith(start)), None)


class Unpacked:
    """What a compressed file holds. The file may still be growing, and have several members behind one another."""

    def __init__(self, make: Callable[[], Member], raw: Callable[[int], bytes]) -> None:
        """`raw` returns the file's next bytes, at most so many; none where there are none yet."""
        self._make, self._raw, self._member = make, raw, make()
        self.ended = False
        """Whether all that there is was read, and is whole."""

    def read(self, most: int) -> bytes:
        """Return the next bytes; none at the end, or where the rest has not been written yet.

        Raises BrokenFileError, and what `raw` raises.
        """
        while True:
            data = b""
            if self._member.eof:
                data = self._next_member()
                self.ended = not data
                if self.ended:
                    return b""
                self._member = self._make()
            elif self._member.hungry:
                data = self._raw(_RAW)
            try:
                made = self._member.feed(data, most)
            except _BROKEN as exc:
                raise BrokenFileError(f"it cannot be decompressed: {type(exc).__name__}") from exc
            if made or not (data or self._member.eof):
                return made

    def _next_member(self) -> bytes:
        """Return the first bytes behind a member; a file may be padded with zeros."""
        data = self._member.rest.lstrip(b"\0")
        while not data and (more := self._raw(_RAW)):
            data = more.lstrip(b"\0")
        return data


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
        return self._inner.unused_data

    def feed(self, data: bytes, most: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, most)


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

    def feed(self, data: bytes, most: int) -> bytes:
        return self._inner.decompress(data, most)


_MAKERS: Mapping[bytes, Callable[[], Member]] = {
    b"\x1f\x8b": _Gzip,
    b"BZh": lambda: _Other(bz2.BZ2Decompressor()),
    b"\xfd7zXZ\x00": lambda: _Other(lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
}
"""What a compressed file begins with."""
