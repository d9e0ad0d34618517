"""Who looks, who still learns, and who is blind for want of what."""

from collections.abc import Mapping
from typing import Final

from detectors.clients.learning import Learning
from detectors.clients.needs import missing
from detectors.clients.persistence import LogState
from detectors.clients.signals import Signal
from watchdog.domain.queries import FIELDS, DetectorState, Looking, Query

ALWAYS_TOLD: Final = ("client", "address", "prompt", "reply", "refused", "model")
"""Fields that some of a log's first requests tell, if any ever does. Others may be rare: a job, a seed."""
ENOUGH: Final = 500
"""Requests after which a field that none of them told is taken to be missing."""
SAMPLED: Final = 256
"""Requests of which each is looked at for the fields that it tells; afterwards every 64th is."""


def note_told(query: Query, state: LogState) -> None:
    """Note which fields a request tells."""
    for name in ALWAYS_TOLD:
        if name not in state.told and getattr(query, name) is not None:
            state.told.append(name)


def blind(signals: tuple[Signal, ...], lacking: Mapping[str, str], state: LogState) -> dict[str, str]:
    """Return the rules that cannot look, with what they lack: no such field in the format, or in any line so far."""
    found = dict(lacking)
    if state.seen < ENOUGH:
        return found
    told = FIELDS - (frozenset(ALWAYS_TOLD) - frozenset(state.told))
    for signal in signals:
        first, *others = (kind.needs for kind in signal.kinds)
        of_all = tuple(any_of for any_of in first if all(any_of in needs for needs in others))
        if lacks := missing(of_all, told):
            found[signal.rule] = lacks
    return found


def states(signals: tuple[Signal, ...], blind_rules: Mapping[str, str], learning: Learning) -> list[DetectorState]:
    """Return how it stands with each rule."""
    found = [
        DetectorState(rule=rule, looking=Looking.BLIND, missing=tuple(lacks.split(", ")))
        for rule, lacks in blind_rules.items()
    ]
    found += [_of(signal, learning) for signal in signals if signal.rule not in blind_rules]
    return sorted(found, key=lambda it: it.rule)


def _of(signal: Signal, learning: Learning) -> DetectorState:
    """Return how it stands with a rule: that of its segment that has learned least."""
    kind = next((kind.name for kind in signal.kinds if kind.learned), None)
    if kind is None:
        return DetectorState(rule=signal.rule, looking=Looking.LOOKING)
    needed = learning.needed(kind)
    seen = [needed if it.cells[kind].p0 is not None else it.cells[kind].seen for it in learning.segments.values()]
    learned = min(needed, min(seen, default=0))
    looking = Looking.LOOKING if learned >= needed else Looking.WARMING_UP
    return DetectorState(rule=signal.rule, looking=looking, learned=learned, needed=needed)
