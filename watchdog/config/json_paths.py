"""Paths into a JSON value, in configurations: `user.key`, `messages.-1.content`, `attributes."enduser.id"`."""

import re
from collections.abc import Sequence

_STEP = re.compile(r'"([^"]+)"|([^."\s]+)')

Path = tuple[str, ...]
"""The steps, from the outside in."""


def path_of(text: str) -> Path:
    """Return the steps of a path. Raises ValueError that says what was expected."""
    steps: list[str] = []
    at = 0
    while (found := _STEP.match(text, at)) is not None:
        steps.append(found[1] or found[2])
        at = found.end()
        if at == len(text):
            return tuple(steps)
        if text[at] != ".":
            break
        at += 1
    raise ValueError(
        "expected keys and list positions with dots between them, such as messages.-1.content; "
        f"a key with dots in it stands in double quotes, got {text!r}"
    )


def follow(value: object, steps: Sequence[str]) -> object:
    """Return what stands at the end of a path; None where it leads nowhere."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.removeprefix("-").isdecimal() and len(step) < 10:
            at = int(step)
            value = value[at] if -len(value) <= at < len(value) else None
        else:
            return None
    return value
