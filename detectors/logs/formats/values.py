"""Single values out of a line: times, names, counts and texts, each within bounds.

Two kinds of values are told apart. What the gateway itself writes (times, numbers of tokens) is held to its type, and a
line in which it is wrong is a bad line. What a client may have written (parameters, messages) never makes a bad line:
else a client could hide all its requests behind one odd parameter. Where it cannot be read it counts as not told.
"""

import hashlib
from datetime import UTC, datetime

from detectors.logs.formats.faults import line_error
from watchdog.domain.text import printable

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
"""A request outside these years did not happen; between them seconds, milli-, micro- and nanoseconds never overlap."""
PROMPT_LIMIT = 8_000
"""Characters of a prompt or system prompt that are handed on, half from its beginning and half from its end."""
REPLY_LIMIT = 2_000
"""Characters of a reply that are handed on: a refusal stands at the beginning."""
_CUT = " … "
_NAME_LIMIT = 200
_MOST = 2**53
_REDACTED = "redacted-by-litellm"
"""What stands where a gateway was told not to log a text."""


def moment(value: float | str | None) -> float:
    """Return seconds since 1970 for seconds, ISO 8601, or digits in any of the units that logs use.

    A time without a zone is UTC. Raises LineError when it is none, or impossible.
    """
    if isinstance(value, str):
        value = _written_moment(value)
    if value is None:
        raise line_error("time")
    if _EARLIEST <= value < _LATEST:
        return value
    for unit in (1e3, 1e6, 1e9):
        if _EARLIEST <= value / unit < _LATEST:
            return value / unit
    raise line_error("time")


def _written_moment(text: str) -> float:
    if len(text) > 40:
        raise line_error("time")
    try:
        # Most are digits; `float` also takes `nan`, `1_0` and blanks, which no comparison above lets through as a time.
        return float(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise line_error("time") from None


def name(value: object) -> str | None:
    """Return an identity: of at most 200 printable characters, and still different for different ones.

    None where a log writes nothing, a hyphen, or no text at all.
    """
    if not isinstance(value, str) or value in ("", "-"):
        return None
    if len(value) <= _NAME_LIMIT and value.isprintable():
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{printable(value, _NAME_LIMIT - 20)}#{digest[:16]}"


def count(value: object) -> int | None:
    """Return a number of things, also where it was written as a text; None for what is none."""
    if value is None:
        return None
    number = whole(value)
    return number if number is not None and number >= 0 else None


def whole(value: object) -> int | None:
    """Return a whole number, also where it was written as a text; None for what is none, or is not below 2⁵³."""
    if type(value) is int:
        return value if -_MOST < value < _MOST else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _MOST else None
    if isinstance(value, str) and len(value) <= 16 and value.removeprefix("-").isascii():
        return int(value) if value.removeprefix("-").isdigit() else None
    return None


def status(value: object) -> int | None:
    """Return an HTTP status; None where there was none, as after a broken connection."""
    number = whole(value)
    return number if number is not None and 100 <= number <= 599 else None


def excerpt(text: str) -> str | None:
    """Return the beginning and the end of a text, so that nothing hides behind padding; None where it is redacted."""
    if len(text) > PROMPT_LIMIT:
        half = (PROMPT_LIMIT - len(_CUT)) // 2
        text = text[:half] + _CUT + text[len(text) - half :]
    return told(text)


def told(text: str) -> str | None:
    """Return a text without NUL, which not every store can hold; None where a gateway says that it is redacted."""
    if text == _REDACTED:
        return None
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


def endpoint(path: object, method: object = None) -> str | None:
    """Return a path without its query string, after the method unless that is POST."""
    if not isinstance(path, str):
        return None
    bare = name(path.partition("?")[0][: 4 * _NAME_LIMIT])
    verb = name(method)
    return bare if bare is None or verb is None or verb == "POST" else name(f"{verb} {bare}")
