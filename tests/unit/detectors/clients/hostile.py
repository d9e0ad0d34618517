"""What a hostile text can cost, without a clock: how much of it is read, and what expressions may give back."""

import contextlib
import io
import re
from collections.abc import Iterator
from types import ModuleType


class Measured(str):
    """A text that notes how many of its letters were cut out or encoded; counting a mark in it is not noted."""

    __slots__ = ("read",)

    def __init__(self, _text: str) -> None:
        self.read = 0

    def __getitem__(self, place: object) -> str:
        found = super().__getitem__(place)  # type: ignore[index]
        self.read += len(found)
        return found

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        self.read += len(self)
        return super().encode(encoding, errors)


def repeated_at_will(module: ModuleType) -> set[str]:
    """Return what the expressions of a module repeat without a bound, and might give back letter by letter.

    `re` writes each `a*` as MAX_REPEAT or MIN_REPEAT, with what is repeated below it; `a*+` gives nothing back.
    """
    patterns = [it for it in vars(module).values() if isinstance(it, re.Pattern)]
    assert patterns
    return {it for pattern in patterns for it in _repeated(_tree(pattern))}


def _tree(pattern: re.Pattern[str] | re.Pattern[bytes]) -> list[str]:
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        re.compile(pattern.pattern, pattern.flags | re.DEBUG)
    return written.getvalue().partition("\n\n")[0].splitlines()


def _repeated(tree: list[str]) -> Iterator[str]:
    for place, line in enumerate(tree):
        if re.match(r" *(MAX|MIN)_REPEAT \d+ MAXREPEAT", line):
            depth = len(line) - len(line.lstrip())
            below = tree[place + 1 :]
            end = next((at for at, it in enumerate(below) if len(it) - len(it.lstrip()) <= depth), len(below))
            yield " ".join(it.strip() for it in below[:end])
