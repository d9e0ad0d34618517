"""JSON of a line into a typed struct, with every fault as a LineError."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from detectors.logs.formats.faults import line_error
from watchdog.errors import LineError

T = TypeVar("T")
D = TypeVar("D")

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, MemoryError)
"""What decoding bytes of strangers may raise."""
_ESCAPED_KEY = re.compile(rb'"[^"\\:]*\\u00[2-7][0-9a-fA-F](?:[^"\\]|\\u00[0-9a-fA-F]{2})*"\s*:')
"""A key with a letter written as an escape: a way to write one key twice that a search for it does not see."""
_MARK = b"\xef\xbb\xbf"


class Reader(Generic[T]):
    """Reads lines into one struct; what the struct does not name is checked to be JSON and passed over.

    Of a key that stands twice in an object, the last one counts, as in most readers. A key named `once` must not stand
    twice in one object: whoever writes the log could show one client to the gateway's readers and another one to us.
    """

    def __init__(self, shape: type[T], once: Collection[str]) -> None:
        self._decode = msgspec.json.Decoder(shape).decode
        self._once = frozenset(once)
        self._keys = tuple(b'"%s"' % key.encode() for key in once)

    def read(self, line: bytes) -> T | None:
        """Return what the line says; None for a blank one. Raises LineError for all that is not of this shape."""
        try:
            found = self._decode(line)
        except _UNREADABLE as exc:
            return self._again(line, exc)
        if self._keys and self._is_suspect(line):
            refuse_doubles(line, self._once)
        return found

    def _is_suspect(self, line: bytes) -> bool:
        """Tell whether a line needs a closer look, which costs more than reading it: one of the keys is seen twice."""
        for key in self._keys:
            if line.count(key) > 1:
                return True
        return b"\\" in line and b"\\u00" in line and _ESCAPED_KEY.search(line) is not None

    def _again(self, line: bytes, exc: BaseException) -> T | None:
        if not line.strip():
            return None
        if line.startswith(_MARK):
            return self.read(line[len(_MARK) :])
        raise _refusal(line, exc) from None


def stands_first(line: bytes, key: bytes, value: bytes) -> bool:
    """Tell whether the first such key, with its quotes, has the value that a reader took, which is that of the last.

    Where the key stands early in a long line, this costs less than looking for a second one.
    """
    at = line.find(key) + len(key)
    if line.startswith(value, at + 1) or line.startswith(value, at + 2):
        return line[at : at + 2] in (b":" + value[:1], b": ")
    return False


def keys_of(line: bytes) -> Mapping[str, Any]:
    """Return the members of an object, undecoded; none when the line is anything else."""
    try:
        return _KEYS(line.removeprefix(_MARK))
    except _UNREADABLE:
        return {}


def leniently(decoder: "msgspec.json.Decoder[T]", raw: msgspec.Raw | bytes | str, otherwise: D) -> T | D:
    """Decode what a client may have written; `otherwise` where it is none of what we know."""
    try:
        return decoder.decode(raw) if raw else otherwise
    except _UNREADABLE:
        return otherwise


def refuse_doubles(line: bytes, once: frozenset[str]) -> None:
    """Raise LineError when one of the keys stands twice in one object."""

    def look(pairs: Sequence[tuple[str, object]]) -> None:
        seen = [key for key, _ in pairs if key in once]
        if len(seen) != len(set(seen)):
            raise line_error("duplicate_key")

    try:
        # Numbers stay texts: this reader would refuse those that the first one took.
        json.loads(line, object_pairs_hook=look, parse_int=str, parse_float=str)
    except LineError:
        raise
    except _UNREADABLE as exc:
        raise _refusal(line, exc) from None


def _refusal(line: bytes, exc: BaseException) -> LineError:
    # The words of the error are looked at and never handed on: they may quote the line.
    return line_error(_reason(line, exc, str(exc)))


def _reason(line: bytes, exc: BaseException, said: str) -> str:
    if isinstance(exc, RecursionError):
        return "too_deep"
    if isinstance(exc, UnicodeDecodeError):
        return "not_utf8"
    if isinstance(exc, msgspec.ValidationError):
        return "number" if "out of range" in said else "missing" if "missing required" in said else "wrong_type"
    if b"\0" in line:
        return "nul"
    return "surrogate" if "surrogate" in said else "not_json"


_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
