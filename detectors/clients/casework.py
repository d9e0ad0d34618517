"""The evidence of one rule against one client, unit by unit. Only what has evidence is here: most clients have none."""

from collections.abc import Callable
from typing import Final

from detectors.clients import edetector
from detectors.clients.edetector import Evidence
from detectors.clients.facts import Facts
from detectors.clients.folding import sketch
from detectors.clients.signals import Kind, Sight, Signal
from detectors.clients.state import Case, Client, Mark

POINTS: Final = 64
EXAMPLES: Final = 5
TEXT: Final = 300
"""Characters of an example that are kept."""
SKETCHES: Final = 16
SKETCHED: Final = range(3, 200)
"""Hits of one case that are sketched: a sketch costs more than all the rest."""
AGAIN_AFTER_S: Final = 86_400.0
"""After an alarm evidence begins anew with the first hit a day later: an attack that goes on is said once a day."""
_MOST: Final = 1e18
"""Evidence is cut off here: far above any threshold, and what is lower keeps the promise."""

Base = Callable[[Kind], float]
"""The base rate of a kind, for the unit at hand."""


def weighed(case: Case | None, signal: Signal, sight: Sight, base: Base, at: float) -> Case | None:
    """Take a unit into the evidence; None where there is no evidence, or none is left."""
    tried, hits = sight
    if case is not None and hits and case.level and at - case.alarmed_at >= AGAIN_AFTER_S:
        case = None
    if case is None:
        if not hits:
            return None
        case = Case(at)
    for bit, kind in enumerate(signal.kinds):
        if tried >> bit & 1:
            _take(case, kind, base, hit=bool(hits >> bit & 1))
    case.trials += 1
    case.hits += bool(hits)
    # A kind that an earlier process held and this log no longer tells is not among those that the mean is taken of.
    of_kinds = [case.kinds[kind.name] for kind in signal.kinds if kind.name in case.kinds]
    case.value = min(_MOST, edetector.mean_over_kinds(of_kinds, len(signal.kinds)))
    # Hits of what is usual for the client leave no evidence at all.
    if not case.value or (not hits and case.value < edetector.NEXT_TO_NOTHING):
        return None
    _trace(case, at)
    return case


def _take(case: Case, kind: Kind, base: Base, *, hit: bool) -> None:
    before = case.kinds.get(kind.name)
    if not hit and before is None:
        return
    p0 = base(kind)
    if p0 >= edetector.USUAL:
        return
    if hit:
        case.base = max(case.base, p0)
        case.reasons[kind.name] = case.reasons.get(kind.name, 0) + 1
        case.kinds[kind.name] = _cut(edetector.hit(before or edetector.NONE, p0))
    elif before is not None:
        case.kinds[kind.name] = edetector.miss(before, p0)


def _cut(evidence: Evidence) -> Evidence:
    return evidence if max(evidence) < _MOST else tuple(min(_MOST, it) for it in evidence)


def _trace(case: Case, at: float) -> None:
    """Add a point to the path. The newest is always there, and makes room for the next unless it is one that stays."""
    if case.path and (case.trials - 1) % case.stride:
        case.path[-1] = (at, case.value)
    else:
        case.path.append((at, case.value))
    if len(case.path) > POINTS:
        case.path = case.path[::2]
        case.stride *= 2


def mark(case: Case, texts: list[str], signal: Signal, sight: Sight, facts: Facts) -> None:
    """Keep a hit as an example: the first one and the newest ones; its text apart, where it can be erased."""
    why = ", ".join(kind.why for bit, kind in enumerate(signal.kinds) if sight[1] >> bit & 1)
    new = Mark(facts.at, facts.query.id or "", why)
    if len(case.marks) >= EXAMPLES:
        del case.marks[1], texts[1]
    case.marks.append(new)
    texts.append((facts.query.prompt or "")[:TEXT])
    if case.hits in SKETCHED and facts.words:
        case.sketches = [*case.sketches[-SKETCHES + 1 :], sketch(facts.words)]


def worst(client: Client) -> float:
    """Return the strongest evidence against a client, over all rules."""
    return max((case.value for case in client.cases.values()), default=0.0)
