"""Why a line was not taken, in words that hold nothing of the line."""

from watchdog.errors import LineError

_HINT = "docs/query-logs.md says what each format reads; a bad line is counted and told by its SHA-256"
_SAID = {
    "duplicate_key": "a key that says who asked, or when, stands twice",
    "missing": "a key is missing that the format always has",
    "not_json": "the line is not JSON",
    "not_utf8": "a text in the line is not UTF-8",
    "nul": "the line holds NUL bytes",
    "number": "a number is too large, or is none",
    "surrogate": "a text holds half of a surrogate pair",
    "time": "the time is none, or lies outside the years 2000 to 2099",
    "too_deep": "the line is nested too deeply",
    "unknown_line": "the line is none that this format writes",
    "wrong_type": "a value is of another type than the format says",
}
REASONS = frozenset(_SAID)
"""Every reason that a format of ours gives."""


def line_error(reason: str) -> LineError:
    """Return the error that stands for one of the known reasons."""
    return LineError(f"{reason}: {_SAID[reason]}", hint=_HINT, reason=reason)
