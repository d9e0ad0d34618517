"""Which format a log is in, by its first lines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from watchdog.errors import ConfigError
from watchdog.ports import LogFormat

_LINES = 50
"""How many lines are looked at."""
_LONGEST = 1 << 20
"""Bytes of a line that is looked at; a longer one would only take time."""


@runtime_checkable
class Recognises(Protocol):
    """A format that can be guessed."""

    def recognises(self, line: bytes) -> bool:
        """Tell whether a line looks like one of this format. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Guess:
    """The format that a log is in."""

    name: str
    recognised: int
    looked: int

    @property
    def why(self) -> str:
        """What it was guessed from, in one sentence."""
        return f"{self.recognised} of the first {self.looked} lines look like {self.name}"


def guess(lines: Sequence[bytes], formats: Mapping[str, Callable[[], LogFormat]]) -> Guess:
    """Return the format that most of the first lines look like; bad lines among them do no harm.

    Raises ConfigError when no format fits, or another one fits nearly as many lines.
    """
    looked = [it for it in lines if it.strip() and len(it) <= _LONGEST][:_LINES]
    fits = {name: _recognised(make(), looked) for name, make in formats.items()}
    ranked = sorted(fits, key=lambda it: -fits[it])
    best = ranked[0]
    if fits[best] * 10 <= len(looked):
        said = "has no line to guess its format from" if not looked else f"fits none of {', '.join(sorted(formats))}"
        raise ConfigError(f"the log {said}", hint=_hint(formats))
    near = [it for it in ranked if fits[it] * 4 >= fits[best]]
    if len(near) > 1:
        each = ", ".join(f"{it} ({fits[it]})" for it in near)
        raise ConfigError(f"of the first {len(looked)} lines several formats fit many: {each}", hint=_hint(formats))
    return Guess(best, fits[best], len(looked))


def _recognised(it: LogFormat, lines: Sequence[bytes]) -> int:
    return sum(it.recognises(line) for line in lines) if isinstance(it, Recognises) else 0


def _hint(formats: Mapping[str, object]) -> str:
    return f"name the format with `format:`, one of {', '.join(sorted(formats))}, or describe it with `format: mapping`"
