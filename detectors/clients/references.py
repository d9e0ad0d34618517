"""Guarded learning: what is taken for benign in a segment, fixed after a warm-up so that nobody can teach it later.

A reference is made of the first requests of a segment. No client counts for more than a tenth of it, and clients with
evidence against them do not count at all. From the rates of its clients a rate is estimated that three of four clients
stay below (`bounds.rate_of_most`); it is the base rate of every client. Clients that showed more while nothing spoke
against them get a base rate of their own.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from detectors.clients.bounds import Counted, chance_of_as_many, lower_rate, rate_of_most, upper_rate
from detectors.clients.signals import Kind
from watchdog.domain.queries import Reference

MOST_OF_ONE: Final = 0.1
"""The share of a reference that one client makes, at most."""
OF_CLIENTS: Final = 0.75
"""The share of clients that stay below the base rate of all. The others are few, and soon get rates of their own."""
ODD: Final = 0.1
"""The share of clients that are set aside, at most, because the others do not explain them."""
CONFIDENCE: Final = 0.95
HIGHEST: Final = 0.9
"""No base rate is higher, however high rates were: else a hit would say nothing."""
SURPRISING: Final = 0.01
"""A client's hits are more than its segment explains when they, or more, come with at most this chance."""
OWN_CONFIDENCE: Final = 0.99
MOST_OF_NEWCOMERS: Final = 0.2
MOST_TAKES: Final = 400
"""A client's own rate is at most 0.2 and a 400th for each unit: to be taken for somebody who is often refused takes
patience. What the warm-up showed is not held to that."""

MODELS: Final = 64
MODEL_WARM_UP: Final = 0.1
"""Of the segment's warm-up, for a model that comes later."""
AGAIN: Final = " again"
"""Stands after a kind, for the units right after a hit of the same client: people who were refused ask once more."""


class Cell(msgspec.Struct, array_like=True):
    """What one signal showed in one segment while it warmed up, and the base rate that it came to."""

    seen: int = 0
    """Units of its rule; those to which the kind did not apply are among them."""
    clients: dict[str, tuple[int, int]] = {}
    """Hits and trials of each client."""
    p0: float | None = None

    def learn(self, client: str, most: int, *, hit: bool) -> None:
        """Count a unit; a client that has had its part teaches nothing more."""
        hits, trials = self.clients.get(client, (0, 0))
        if trials < most:
            self.clients[client] = (hits + hit, trials + 1)

    def settle(self, floor: float, guarded: Callable[[str], bool]) -> Reference:
        """Fix the base rate and let go of the counts of the clients."""
        counted = [Counted(*it) for name, it in self.clients.items() if not guarded(name)]
        estimated = rate_of_most(_without_odd_ones(counted), share=OF_CLIENTS, confidence=CONFIDENCE)
        self.p0 = min(HIGHEST, max(floor, estimated))
        hits, trials = sum(it.hits for it in counted), sum(it.trials for it in counted)
        return Reference(segment="", signal="", trials=trials, hits=hits, p0=self.p0)


class Segment(msgspec.Struct, array_like=True):
    """The references of one segment."""

    cells: dict[str, Cell] = {}
    models: dict[str, Cell | None] = {}
    """Of refusals, by the name of the model; None for models that were there during the warm-up."""
    features: list[tuple[float, float, float]] = []
    """Count, mean and sum of squared differences of each feature (Welford)."""


def own_rate(hits: int, trials: int, p0: float, *, at_once: bool = False) -> float | None:
    """Return a base rate for a client whose hits the segment's does not explain; None where it does.

    With `at_once` it is enough that the client's rate is higher. Who shows little cannot have a high rate.
    """
    if hits <= p0 * trials or not (at_once or chance_of_as_many(hits, trials, p0) < SURPRISING):
        return None
    most = HIGHEST if at_once else min(HIGHEST, MOST_OF_NEWCOMERS + trials / MOST_TAKES)
    return min(most, upper_rate(hits, trials, OWN_CONFIDENCE))


def rate_after_a_hit(again: Cell, all_units: Cell, p0: float, guarded: Callable[[str], bool]) -> float:
    """Return the base rate of units after a hit: that of all, unless the same clients are hit more often then.

    Who is often hit has most of these units, and that alone is no reason: each client is held against its own rate.
    """
    hits, trials, usual = 0, 0, 0.0
    for name, (of_client, units) in again.clients.items():
        if not guarded(name):
            of_all = all_units.clients.get(name, (0, 1))
            hits, trials = hits + of_client, trials + units
            usual += units * max(p0, of_all[0] / of_all[1])
    if not trials or lower_rate(hits, trials, OWN_CONFIDENCE) <= usual / trials:
        return p0
    return min(HIGHEST, max(p0, upper_rate(hits, trials, CONFIDENCE)))


def assumed(kind: Kind, p0: float | None) -> float:
    """Return the base rate of a kind, or what is assumed until there is one."""
    return kind.assumed if p0 is None else p0


def _without_odd_ones(clients: Sequence[Counted]) -> Sequence[Counted]:
    """Set the clients aside that the others do not explain, a tenth at most: they get rates of their own."""
    rest, spare = list(clients), int(len(clients) * ODD)
    while spare > 0:
        estimated = rate_of_most(rest, share=OF_CLIENTS, confidence=CONFIDENCE)
        odd = min(rest, key=lambda it: chance_of_as_many(it.hits, it.trials, estimated))
        if chance_of_as_many(odd.hits, odd.trials, estimated) >= SURPRISING:
            break
        rest.remove(odd)
        spare -= 1
    return rest
