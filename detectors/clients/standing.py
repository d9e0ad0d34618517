"""Who looks, who still learns, and who is blind for want of what."""

from collections.abc import Mapping
from typing import Final

from detectors.clients.learning import Learning
from detectors.clients.pace import Allowance, Pace
from detectors.clients.persistence import LogState
from detectors.clients.signals import Signal
from watchdog.domain.queries import DetectorState, Looking, Query

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
    never = frozenset(ALWAYS_TOLD) - frozenset(state.told)
    for signal in signals:
        lacks = [
            " or ".join(sorted(any_of))
            for any_of in dict.fromkeys(any_of for kind in signal.kinds for any_of in kind.needs)
            if any_of <= never and all(any_of in kind.needs for kind in signal.kinds)
        ]
        if lacks:
            found[signal.rule] = ", ".join(lacks)
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
    kind = next(kind.name for kind in signal.kinds if kind.learned)
    needed = learning.needed(kind)
    seen = [needed if it.cells[kind].p0 is not None else it.cells[kind].seen for it in learning.segments.values()]
    learned = min(needed, min(seen, default=0))
    looking = Looking.LOOKING if learned >= needed else Looking.WARMING_UP
    return DetectorState(rule=signal.rule, looking=looking, learned=learned, needed=needed)


def promise(allowance: Allowance, pace: Pace) -> str:
    """Say what the alarms of a rule cost in false alarms, and what that rests on."""
    pages = "no pages" if allowance.pages is None else f"{allowance.pages:.2g} false pages"
    return (
        f"at most {allowance.tickets:.2g} false tickets and {pages} are expected in a week, over all clients: as long "
        f"as no benign client's chance of a hit is above its base rate and a week has at most {pace.week:,.0f} units"
    )
