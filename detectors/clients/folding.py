"""What makes two requests the same one: text up to numbers, hexadecimal digits, case, white space and punctuation."""

import hashlib
import string
from itertools import pairwise

import numpy as np

ADDED = 24
"""Letters that may come after a refused text without making it another request: `please try again`, a name."""
MOST = 4096
"""Characters of a text that are looked at: half at its beginning, half at its end, where the question mostly is."""
DIGEST_SIZE = 8

_UPPER, _LOWER = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()
_LOWERED = bytes.maketrans(_UPPER, _LOWER)
# The letters of hexadecimal digits go with the digits: so two texts that differ in an id or a date are one request.
_IGNORED = (string.hexdigits + string.whitespace + string.punctuation).encode()
_SPACED = bytes.maketrans(
    _UPPER + string.punctuation.replace("'", "").encode(),
    _LOWER + b" " * (len(string.punctuation) - 1),
)
_IGNORE = "忽略".encode()
_SKETCHED = 256
"""Words of a text that are sketched."""
_NEAR = 10
"""Bits of 64 in which the sketches of two near-duplicates differ, at most; unrelated texts differ in about 32."""


def window(text: str) -> bytes:
    """Return the part of a text that is looked at, in UTF-8; lone surrogates do no harm."""
    if len(text) > MOST:
        text = text[: MOST // 2] + " " + text[-(MOST // 2) :]
    return text.encode("utf-8", "surrogatepass")


def folded(part: bytes) -> bytes:
    """Return what of a text tells it from other requests."""
    return part.translate(_LOWERED, _IGNORED)


def digest(part: bytes) -> bytes:
    """Name a text by its content; the same in every process."""
    return hashlib.blake2b(part, digest_size=DIGEST_SIZE).digest()


def words(part: bytes) -> list[bytes]:
    """Return the words of a text in lower case, without punctuation; of Chinese, only the word that we look for."""
    found = part.translate(_SPACED).split()
    if _IGNORE in part:
        found.append(_IGNORE)
    return found


def sketch(of_words: list[bytes]) -> int:
    """Return the 64-bit SimHash of a text's pairs of neighbouring words; near-duplicates differ in few bits.

    Charikar 2002. It costs more than all else that is done to a request, so only suspicious ones are sketched.
    """
    pairs = {one + b" " + other for one, other in pairwise(of_words[:_SKETCHED])} or set(of_words)
    if not pairs:
        return 0
    digests = b"".join([hashlib.blake2b(pair, digest_size=8).digest() for pair in pairs])
    counts = np.unpackbits(np.frombuffer(digests, dtype=np.uint8).reshape(-1, 8), axis=1).sum(axis=0)
    return int.from_bytes(np.packbits(counts * 2 > len(pairs)).tobytes(), "big")


def near(one: int, other: int) -> bool:
    """Tell whether two sketches are those of near-duplicates."""
    return (one ^ other).bit_count() <= _NEAR
