"""Whether a delivered reply calls the tools that the direct model calls, with the same arguments. Pure.

Names are compared letter by letter, and arguments as the JSON values that they stand for: the order of keys, white
space and the way in which a number is written make no difference. What is not JSON is compared as text.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, takewhile

from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.text import printable
from watchdog.domain.tools import ToolCall

_MOST_DIFFERENCES = 12
_MOST_DEPTH = 32
"""Levels of lists and objects in the arguments of one call."""
_SHOWN = 120
_NOTHING = "(nothing)"
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDifference:
    """One place at which the delivered calls are not the direct model's; everything in it is safe to print."""

    path: str
    """Where: `name`, `arguments.amount`, `call added`, …; with the number of the call where there are several."""
    delivered: str
    direct: str

    def __str__(self) -> str:
        return f"{self.path}: {self.delivered} where the direct model says {self.direct}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallComparison:
    """The calls of a delivered reply beside the direct model's own, or why there is nothing to compare."""

    delivered: tuple[ToolCall, ...]
    direct: tuple[ToolCall, ...]
    """Those of the channel that `against` names."""
    against: ChannelRole = ChannelRole.DIRECT
    differences: tuple[CallDifference, ...] = ()
    gap: float | None = None
    """The gap of the delivered calls under the direct model, in nats; None where they are the same, or it cannot score.
    """
    tau: float | None = None
    """Gaps up to this one are numeric noise of another engine or precision."""
    reason: Reason | None = None
    """Why nothing could be compared; None when it could."""

    @property
    def flagged(self) -> bool:
        """Whether they differ, and the direct model could not have called so on any engine."""
        excused = self.gap is not None and self.tau is not None and self.gap <= self.tau
        return self.reason is None and bool(self.differences) and not excused

    @property
    def partly(self) -> bool:
        """Whether something of the direct model's calls is still there: a name, or an argument."""
        return any(_have_in_common(*pair) for pair in zip(self.delivered, self.direct, strict=False))


def differences(delivered: Sequence[ToolCall], direct: Sequence[ToolCall]) -> tuple[CallDifference, ...]:
    """Return where the delivered calls part from the direct model's, in the order of the calls; the first few only."""
    return tuple(islice(_sequence(delivered, direct), _MOST_DIFFERENCES))


def value_of(arguments: str) -> object:
    """Return the JSON value that arguments stand for; no text at all stands for none, an empty object.

    Raises ValueError when they are not JSON, name a key twice, hold NaN or an infinity, or are too deep.
    """
    if not arguments.strip():
        return {}
    try:
        value = json.loads(arguments, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=Decimal)
    except (RecursionError, ArithmeticError) as exc:
        raise ValueError(f"the arguments are no value: {type(exc).__name__}") from exc
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [child for it in level for child in _children(it)]
    if level:
        raise ValueError(f"the arguments have more than {_MOST_DEPTH} levels")
    return value


def _have_in_common(one: ToolCall, other: ToolCall) -> bool:
    if one.name == other.name:
        return True
    try:
        theirs, ours = value_of(one.arguments), value_of(other.arguments)
    except ValueError:
        return one.arguments == other.arguments
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return False
    return any(not any(_values("", value, ours[key])) for key, value in theirs.items() if key in ours)


def _sequence(delivered: Sequence[ToolCall], direct: Sequence[ToolCall]) -> Iterator[CallDifference]:
    """Yield the differences between what both begin with and what both end with."""
    shorter = min(len(delivered), len(direct))
    head = _alike(delivered, direct)
    tail = min(_alike(delivered[::-1], direct[::-1]), shorter - head)
    several = max(len(delivered), len(direct)) > 1
    for number in range(head, max(len(delivered), len(direct)) - tail):
        where = f"call {number + 1}: " if several else ""
        ours = direct[number] if number < len(direct) - tail else None
        theirs = delivered[number] if number < len(delivered) - tail else None
        if theirs is None and ours is not None:
            yield CallDifference(path=f"{where}call missing", delivered=_NOTHING, direct=_call(ours))
        elif theirs is not None and ours is None:
            yield CallDifference(path=f"{where}call added", delivered=_call(theirs), direct=_NOTHING)
        elif theirs is not None and ours is not None:
            yield from _pair(where, theirs, ours)


def _alike(one: Sequence[ToolCall], other: Sequence[ToolCall]) -> int:
    """Return how many calls both begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: not any(_pair("", *pair)), pairs))


def _pair(where: str, delivered: ToolCall, direct: ToolCall) -> Iterator[CallDifference]:
    if delivered.name != direct.name:
        yield _difference(f"{where}name", _shown(delivered.name), _shown(direct.name))
    if not delivered.whole:
        what = f"{where}arguments (longer than is kept)"
        yield _difference(what, delivered.arguments, direct.arguments)
        return
    try:
        theirs, ours = value_of(delivered.arguments), value_of(direct.arguments)
    except ValueError:
        if delivered.arguments != direct.arguments:
            yield _difference(f"{where}arguments (not JSON)", delivered.arguments, direct.arguments)
        return
    yield from _values(f"{where}arguments", theirs, ours)


def _values(path: str, delivered: object, direct: object) -> Iterator[CallDifference]:
    if isinstance(delivered, dict) and isinstance(direct, dict):
        for key in dict.fromkeys([*direct, *delivered]):
            yield from _values(f"{path}.{printable(key, 60)}", delivered.get(key, _MISSING), direct.get(key, _MISSING))
    elif isinstance(delivered, list) and isinstance(direct, list):
        for number in range(max(len(delivered), len(direct))):
            pair = (it[number] if number < len(it) else _MISSING for it in (delivered, direct))
            yield from _values(f"{path}[{number}]", *pair)
    elif not _same(delivered, direct):
        yield _difference(path, _shown(delivered), _shown(direct))


def _same(one: object, other: object) -> bool:
    # To Python, true is 1; to JSON it is not.
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = isinstance(one, int | Decimal) and isinstance(other, int | Decimal)
    return one == other if numbers or type(one) is type(other) else False


def _difference(path: str, delivered: str, direct: str) -> CallDifference:
    if delivered.isascii() != direct.isascii():
        # A letter that looks like another is not seen unless it is written out.
        delivered, direct = (it.encode("ascii", "backslashreplace").decode() for it in (delivered, direct))
    return CallDifference(path=path, delivered=printable(delivered, _SHOWN), direct=printable(direct, _SHOWN))


def _shown(value: object) -> str:
    if value is _MISSING:
        return _NOTHING
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=float)


def _call(it: ToolCall) -> str:
    return printable(f"{it.name}({it.arguments})", _SHOWN)


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")
