"""Durations as people write them: `15m`, `90s`, `1h30m`, `2d`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

_FORM = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_EXPECTED = "expected a duration with its unit, such as 15m, 90s, 1h30m or 2d"


def parse_duration(text: object) -> timedelta:
    """Return the duration that a text such as `1h30m` stands for; a timedelta stays as it is.

    Raises ValueError that says what was expected.
    """
    if isinstance(text, timedelta):
        return text
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None or not found[0]:
        raise ValueError(f"{_EXPECTED}, got {text!r}" if isinstance(text, str | int | float) else _EXPECTED)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def show_duration(duration: timedelta) -> str:
    """Return the shortest way to write a duration, to the second: the inverse of `parse_duration`."""
    rest = round(duration.total_seconds())
    shown = ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        shown += f"{count}{unit}" if count else ""
    return shown or "0s"


def within(least: str, most: str) -> AfterValidator:
    """Make the check that a duration lies between two others, both of which are allowed."""
    low, high = parse_duration(least), parse_duration(most)

    def check(duration: timedelta) -> timedelta:
        if not low <= duration <= high:
            raise ValueError(f"expected a duration from {least} to {most}, got {show_duration(duration)}")
        return duration

    return AfterValidator(check)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration),
    WithJsonSchema({"type": "string", "format": "duration"}),
]
"""A duration in the configuration, e.g. `15m`."""
