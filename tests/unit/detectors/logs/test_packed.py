"""Compressed logs are read as far as they go, whole or growing, and take no more memory than they may."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable

import pytest

from detectors.logs.packed import MAGIC, BrokenFileError, Unpacked, maker_of

EACH = pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])


def _unpacked(raw: io.BytesIO) -> Unpacked:
    make = maker_of(raw.getvalue()[:MAGIC])
    assert make is not None
    return Unpacked(make, raw.read)


def _rest(it: Unpacked, most: int = 7) -> bytes:
    return b"".join(iter(lambda: it.read(most), b""))


@EACH
@pytest.mark.parametrize("padding", [0, 4, 1 << 19])
def test_members_behind_one_another_are_one_file_also_with_zeros_between(
    pack: Callable[[bytes], bytes], padding: int
) -> None:
    it = _unpacked(io.BytesIO(pack(b"one\n" * 9) + b"\0" * padding + pack(b"two\n") + b"\0" * padding))
    assert _rest(it) == b"one\n" * 9 + b"two\n"
    assert it.ended


@EACH
def test_a_file_that_is_still_written_has_not_ended_and_is_read_on(pack: Callable[[bytes], bytes]) -> None:
    whole = pack(b"one\n" * 50) + pack(b"two\n")
    raw = io.BytesIO()
    raw.write(whole[:20])
    raw.seek(0)
    it = _unpacked(raw)
    found = _rest(it)
    assert not it.ended
    for at in range(20, len(whole)):
        raw.seek(at)
        raw.write(whole[at : at + 1])
        raw.seek(at)
        found += _rest(it)
    assert found == b"one\n" * 50 + b"two\n"
    assert it.ended


@EACH
def test_what_follows_and_is_no_member_is_damage(pack: Callable[[bytes], bytes]) -> None:
    it = _unpacked(io.BytesIO(pack(b"one\n") + b"rubbish" * 9))
    assert it.read(100) == b"one\n"
    with pytest.raises(BrokenFileError, match="cannot be decompressed"):
        it.read(100)


def test_a_file_cannot_ask_for_gigabytes_of_memory() -> None:
    whole = bytearray(lzma.compress(b"one\n"))
    begin, end = 12, 12 + (whole[12] + 1) * 4
    at = whole.index(b"\x21\x01", begin) + 2  # LZMA2, and the one byte that says how large its dictionary is
    whole[at] = 40  # 4 GiB
    whole[end - 4 : end] = zlib.crc32(whole[begin : end - 4]).to_bytes(4, "little")
    with pytest.raises(BrokenFileError, match="LZMAError"):
        _unpacked(io.BytesIO(bytes(whole))).read(100)


def test_what_is_not_compressed_has_no_decompressor_and_zstandard_is_named() -> None:
    assert maker_of(b'{"a":1') is maker_of(b"") is None
    with pytest.raises(BrokenFileError, match="zstd"):
        maker_of(b"\x28\xb5\x2f\xfdxx")
