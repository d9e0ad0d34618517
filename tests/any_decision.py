"""Decisions of every kind, drawn from dice: the kinds and their fields are read off the types themselves."""

import dataclasses
import random
import types
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tests.builders import NOW
from watchdog.domain.decisions import Decision, ForkDeclared, KeyAdopted
from watchdog.domain.exhibits import Exhibit

KINDS: tuple[type[Decision], ...] = get_args(Decision)
FREE = tuple(kind for kind in KINDS if kind not in (KeyAdopted, ForkDeclared))
"""Kinds that may come in any order with any content; the others have to fit what was signed before."""

_TEXTS = ("a", "b", "t", "=1+1", "\N{SNOWMAN} été", "two\nlines", 'a "quoted" word', "nul \0 here", "")
_SIMPLE: dict[Any, Callable[[random.Random], object]] = {
    str: lambda dice: dice.choice(_TEXTS),
    int: lambda dice: dice.choice((0, 1, 2, 5, 1000, 2**32 - 1)),
    float: lambda dice: dice.choice((0.0, -1.5, 1e-9, 1234.5678, 3e300)),
    bool: lambda dice: dice.random() < 0.5,
    date: lambda dice: NOW.date() + timedelta(days=dice.randrange(400)),
    datetime: lambda dice: NOW + timedelta(seconds=dice.randrange(10**7), microseconds=dice.choice((0, 1, 999_999))),
    type(None): lambda _: None,
    Exhibit: lambda dice: Exhibit.of(str(dice.choice(_TEXTS)).encode()),
}


def any_of(kind: type[Decision], dice: random.Random) -> Decision:
    """Draw a decision of one kind."""
    drawn = _value(kind, dice)
    assert isinstance(drawn, kind)
    return drawn


def _value(wanted: Any, dice: random.Random) -> object:
    if wanted in _SIMPLE:
        return _SIMPLE[wanted](dice)
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        return dice.choice(arguments)
    if origin in (Union, types.UnionType):
        return _value(dice.choice(arguments), dice)
    if origin is tuple:
        return tuple(_value(arguments[0], dice) for _ in range(dice.randrange(3)))
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return dice.choice(list(wanted))
    assert dataclasses.is_dataclass(wanted), wanted
    return _instance(wanted, dice)


def _instance(wanted: Any, dice: random.Random) -> object:
    hints = get_type_hints(wanted)
    for _ in range(1000):
        try:
            return wanted(**{field.name: _value(hints[field.name], dice) for field in dataclasses.fields(wanted)})
        except ValueError:
            continue  # a combination that the type itself rules out
    raise AssertionError(f"no {wanted.__name__} could be drawn")
