"""What a detector is: for one request of one client it says hit, miss, or that it does not apply."""

from dataclasses import dataclass
from typing import Final, Protocol

from detectors.clients.facts import Facts
from detectors.clients.needs import Needs

Sight = tuple[int, int]
"""Kinds that could have been hit, and kinds that were; one bit each, in the order of `Signal.kinds`."""
HIT: Final[Sight] = (1, 1)
MISS: Final[Sight] = (1, 0)
"""Of a detector with a single kind of hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of hit, with evidence of its own."""

    name: str
    why: str
    """What was seen, for a reader of an example."""
    floor: float
    """The base rate is never taken to be lower, however rarely it was seen."""
    assumed: float
    """The base rate that is taken until there is a reference."""
    learned: bool = True
    """Whether there is a reference; else the base rate stays what is assumed."""
    needs: Needs


class Signal(Protocol):
    """A detector's view of one request: a pure function of it and of what is remembered of its client."""

    @property
    def rule(self) -> str:
        """Name of the rule."""
        ...

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of hits, those that the log can tell."""
        ...

    @property
    def own_first(self) -> int:
        """Units of a client that only say what is usual for it; none of them counts against it."""
        ...

    def look(self, facts: Facts) -> Sight | None:
        """Say which kinds apply and which are hit; None when the request is no unit of this rule."""
        ...

    def usual(self, facts: Facts) -> Sight | None:
        """Say the same for the reference, which may learn from requests that evidence does not count."""
        ...
