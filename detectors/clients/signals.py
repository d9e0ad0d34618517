"""What a detector is: for one request of one client it says hit, miss, or that it does not apply."""

from dataclasses import dataclass
from typing import Protocol

from detectors.clients.facts import Facts

Sight = tuple[int, int]
"""Kinds that could have been hit, and kinds that were; one bit each, in the order of `Signal.kinds`."""


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
    needs: tuple[frozenset[str], ...] = ()
    """Of each of these sets of fields a log has to tell one."""

    def lacks(self, fields: frozenset[str]) -> str:
        """Say which fields are missing; empty when none is."""
        return ", ".join(" or ".join(sorted(any_of)) for any_of in self.needs if not any_of & fields)


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


def needed(*alternatives: str) -> tuple[frozenset[str], ...]:
    """Write needs in short: `needed("prompt", "reply|refused")`."""
    return tuple(frozenset(it.split("|")) for it in alternatives)


def able(kinds: tuple[Kind, ...], fields: frozenset[str]) -> tuple[Kind, ...]:
    """Return the kinds that a log with these fields can tell."""
    return tuple(it for it in kinds if not it.lacks(fields))
