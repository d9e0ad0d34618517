"""Making the detectors of a log: which ones can look, and what each may cost."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from detectors.clients.bursts import Bursts
from detectors.clients.drift import Drift
from detectors.clients.extraction import Extraction
from detectors.clients.floods import Floods
from detectors.clients.needs import missing
from detectors.clients.pace import Allowance
from detectors.clients.segments import Segments
from detectors.clients.sharing import Sharing
from detectors.clients.signals import Signal
from detectors.clients.steering import Steering
from detectors.clients.tuning import Tunings
from detectors.clients.watch import Watch

_MAKES: Final[tuple[Callable[..., Signal], ...]] = (Floods, Steering, Tunings, Extraction, Sharing, Bursts, Drift)
SIGNALS: Final[Mapping[str, Callable[..., Signal]]] = {make().rule: make for make in _MAKES}
"""How to make each detector, with all its kinds of hits or with some, by the name of its rule."""


def make_signal(rule: str, fields: frozenset[str]) -> Signal:
    """Make a detector with the kinds of hits that a log with these fields can tell."""
    make = SIGNALS[rule]
    return make(tuple(kind for kind in make().kinds if not missing(kind.needs, fields)))


def make_watch(
    *,
    log: str,
    fields: frozenset[str],
    wanted: Sequence[str],
    lacking: Mapping[str, str],
    pages: Collection[str],
    segments: Mapping[str, Sequence[str]],
    tickets_a_week: float,
    pages_a_week: float,
    clients: int,
    warm_up: int,
) -> Watch:
    """Make the detectors that can look; they split what they may cost evenly. Shares never change in mid-run."""
    names = [name for name in wanted if name not in lacking]
    paging = [name for name in names if name in pages]
    return Watch(
        log=log,
        signals=tuple(make_signal(name, fields) for name in names),
        allowances={
            name: Allowance(
                tickets=tickets_a_week / len(names), pages=pages_a_week / len(paging) if name in pages else None
            )
            for name in names
        },
        segments=Segments(segments),
        lacking=lacking,
        warm_up=warm_up,
        clients=clients,
    )
