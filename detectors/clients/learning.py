"""Which base rate a unit is held against, and the warm-up that it comes from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from detectors.clients.bounds import chance_of_as_many
from detectors.clients.facts import Facts
from detectors.clients.floods import REFUSED
from detectors.clients.references import (
    AGAIN,
    MODEL_WARM_UP,
    MODELS,
    MOST_OF_ONE,
    SURPRISING,
    Cell,
    Segment,
    assumed,
    own_rate,
    rate_after_a_hit,
)
from detectors.clients.signals import Kind, Sight, Signal
from detectors.clients.state import FEATURES, Client, own_rates, shown_by
from watchdog.domain.queries import Reference

SLOW: Final = {"burst": 0.1, "drift": 0.05}
"""Of the warm-up, for kinds whose units are not requests."""

Guarded = Callable[[str], bool]
"""Whether a client, by its name, has so much evidence against it that nothing is learned from it."""


@dataclass(slots=True)
class Learning:
    """All segments of one log. Not frozen: it learns."""

    warm_up: int
    signals: tuple[Signal, ...]
    segments: dict[str, Segment] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    """Segments that changed since the last commit."""
    settled: list[Reference] = field(default_factory=list)
    """References that were fixed since the last commit."""
    _warming: dict[str, tuple[Signal, ...]] = field(default_factory=dict)
    """Signals that still lack a reference, by segment; nothing for segments that have them all."""

    def segment(self, name: str) -> Segment:
        """Return a segment, which begins to warm up when it is first seen."""
        found = self.segments.get(name)
        if found is None:
            cells = {kind: Cell() for kind in self._cells()}
            found = self.segments[name] = Segment(cells=cells, features=[(0.0, 0.0, 0.0)] * len(FEATURES))
            self.dirty.add(name)
            self.look_again()
        return found

    def take_up(self, segments: Mapping[str, Segment]) -> None:
        """Take up the segments of an earlier process; detectors that it did not have begin to warm up."""
        self.segments = dict(segments)
        for segment in self.segments.values():
            for name in self._cells():
                segment.cells.setdefault(name, Cell())
        self.look_again()

    def _cells(self) -> list[str]:
        names = [kind.name for signal in self.signals for kind in signal.kinds if kind.learned]
        return [*names, REFUSED + AGAIN] if REFUSED in names else names

    def needed(self, kind: str) -> int:
        """Return how many units a reference of this kind takes."""
        return max(5, round(self.warm_up * SLOW.get(kind, 1.0)))

    def look_again(self) -> None:
        """Note which signals of which segments still lack a reference."""
        lacking = {
            name: tuple(it for it in self.signals if _lacks(segment, it)) for name, segment in self.segments.items()
        }
        self._warming = {name: signals for name, signals in lacking.items() if signals}

    def is_warm(self, segment: str) -> bool:
        """Tell whether a segment has all its references."""
        return segment not in self._warming

    def warming(self, segment: str) -> tuple[Signal, ...]:
        """Return the signals that still lack a reference in a segment."""
        return self._warming.get(segment, ())

    def learns(self, segment: str, model: str | None) -> bool:
        """Tell whether anything is still to be learned in a segment, or of a model in it."""
        return segment in self._warming or (model is not None and self.learns_model(segment, model))

    def learns_model(self, segment: str, model: str) -> bool:
        """Tell whether it is still to be learned how often a model refuses."""
        models = self.segments[segment].models
        return model not in models or ((cell := models[model]) is not None and cell.p0 is None)

    def base(self, kind: Kind, facts: Facts) -> float:
        """Return the rate that a unit is held against: the highest that may be benign for it."""
        segment = self.segments[facts.client.segment]
        rate = assumed(kind, segment.cells[kind.name].p0 if kind.learned else None)
        if kind.name == REFUSED:
            rate = max(rate, self._of_refusals(segment, kind, facts, rate))
        return max(rate, own_rates(facts.client).get(kind.name, 0.0))

    def _of_refusals(self, segment: Segment, kind: Kind, facts: Facts, rate: float) -> float:
        if facts.client.refused_last:
            rate = segment.cells[REFUSED + AGAIN].p0 or rate
        model = facts.query.model
        if segment.cells[REFUSED].p0 is None or model is None:
            return rate
        if model not in segment.models:
            return max(rate, kind.assumed)
        of_model = segment.models[model]
        return rate if of_model is None else max(rate, assumed(kind, of_model.p0))

    def learn(self, client: Client, signal: Signal, sight: Sight) -> bool:
        """Take a unit into the references that still warm up; tells whether one has now seen enough."""
        tried, hits = sight
        cells = self.segment(client.segment).cells
        enough = False
        for bit, kind in enumerate(signal.kinds):
            cell = cells.get(kind.name)
            if cell is None or cell.p0 is not None:
                continue
            cell.seen += 1
            enough = enough or cell.seen >= self.needed(kind.name)
            if tried >> bit & 1:
                most = max(1, round(MOST_OF_ONE * self.needed(kind.name)))
                cell.learn(client.name, most, hit=bool(hits >> bit & 1))
                if kind.name == REFUSED and client.refused_last:
                    cells[REFUSED + AGAIN].learn(client.name, most, hit=bool(hits & 1))
            self.dirty.add(client.segment)
        return enough

    def learn_model(self, client: Client, model: str, guarded: Guarded, *, hit: bool) -> None:
        """Learn how often a model refuses: one of the warm-up as all do, one that came later by itself."""
        segment = self.segment(client.segment)
        if model not in segment.models:
            if len(segment.models) < MODELS:
                segment.models[model] = None if segment.cells[REFUSED].p0 is None else Cell()
                self.dirty.add(client.segment)
            return
        cell = segment.models[model]
        if cell is None or cell.p0 is not None:
            return
        needed = max(5, round(self.warm_up * MODEL_WARM_UP))
        cell.seen += 1
        cell.learn(client.name, max(1, round(MOST_OF_ONE * needed)), hit=hit)
        self.dirty.add(client.segment)
        if cell.seen >= needed:
            found = cell.settle(0.0, guarded)
            self.settled.append(replace(found, segment=client.segment, signal=f"{REFUSED} by {model}"[:200]))
            cell.clients = {}

    def settle(self, name: str, guarded: Guarded, clients: Mapping[str, Client]) -> Iterable[str]:
        """Fix the references that have seen enough, and return the clients that got a rate of their own."""
        segment = self.segment(name)
        changed: dict[str, None] = {}
        for kind in (kind for signal in self.signals for kind in signal.kinds if kind.learned):
            cell = segment.cells[kind.name]
            if cell.p0 is not None or cell.seen < self.needed(kind.name):
                continue
            found = cell.settle(kind.floor, guarded)
            self.settled.append(replace(found, segment=name, signal=kind.name))
            if kind.name == REFUSED:
                again = segment.cells[REFUSED + AGAIN]
                again.p0 = rate_after_a_hit(again, cell, found.p0, guarded)
                again.clients = {}
            changed |= dict.fromkeys(_own_rates(kind, cell, found.p0, guarded, clients))
            cell.clients = {}
        self.look_again()
        return changed

    def learns_features(self, name: str) -> bool:
        """Tell whether a segment still learns what is usual in it."""
        return self.segments[name].features[0][0] < self.warm_up

    def learn_features(self, name: str, features: Sequence[float]) -> None:
        """Take the features of a client, as they are after a request, into what is usual in the segment."""
        segment = self.segments[name]
        segment.features = [_blended(old, new) for old, new in zip(segment.features, features, strict=True)]
        self.dirty.add(name)


def _lacks(segment: Segment, signal: Signal) -> bool:
    return any(kind.learned and segment.cells[kind.name].p0 is None for kind in signal.kinds)


def _own_rates(kind: Kind, cell: Cell, p0: float, guarded: Guarded, clients: Mapping[str, Client]) -> Iterable[str]:
    for name, (hits, trials) in cell.clients.items():
        client = clients.get(name)
        rate = own_rate(hits, trials, p0, at_once=chance_of_as_many(hits, trials, p0) < SURPRISING)
        if client is not None and rate is not None and not guarded(name):
            shown_by(client).own[kind.name] = rate
            yield name


def _blended(old: tuple[float, float, float], new: float) -> tuple[float, float, float]:
    count, mean, squares = old
    step = new - mean
    mean += step / (count + 1.0)
    return count + 1.0, mean, squares + step * (new - mean)
