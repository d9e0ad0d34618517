"""Edit one argument of a tool call: what a router does that wants the money, or the message, somewhere else."""

import json
import random
import re
from dataclasses import dataclass

from watchdog.domain.calls import value_of

_DIGIT = re.compile(r"[0-9]")
_OTHERS = ("Mallory", "Trudy", "Oscar", "Eve")


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedArguments:
    """The arguments of a call after an edit."""

    text: str
    """As JSON."""
    key: str
    original: object
    edited: object


def edit_arguments(arguments: str, rng: random.Random) -> EditedArguments | None:
    """Change the value of one argument; None where there is none to change. The same generator makes the same edit.

    A whole number, or a text with digits, gets one other digit; a fraction is halved; another text becomes a name.
    """
    try:
        value_of(arguments)
        values = json.loads(arguments)
    except ValueError:
        return None
    places = [key for key, it in values.items() if _is_plain(it)] if isinstance(values, dict) else []
    if not places:
        return None
    key = rng.choice(places)
    original = values[key]
    values[key] = edited = _other(original, rng)
    return EditedArguments(text=json.dumps(values, ensure_ascii=False), key=key, original=original, edited=edited)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _other(value: object, rng: random.Random) -> object:
    if isinstance(value, str):
        return _digit_changed(value, rng) if _DIGIT.search(value) else rng.choice([it for it in _OTHERS if it != value])
    if isinstance(value, float):
        return value / 2 if value else 1.0
    return json.loads(_digit_changed(json.dumps(value), rng))


def _digit_changed(text: str, rng: random.Random) -> str:
    """Return a text with one of its digits changed to another; never to a zero, which may not stand first."""
    place = rng.choice(list(_DIGIT.finditer(text)))
    digit = rng.choice([it for it in "123456789" if it != place[0]])
    return text[: place.start()] + digit + text[place.end() :]
