"""Making the detectors of a log: which ones can look, and what each may cost."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from detectors.clients.bursts import KINDS as BURSTS
from detectors.clients.bursts import Bursts
from detectors.clients.drift import KINDS as DRIFT
from detectors.clients.drift import Drift
from detectors.clients.extraction import KINDS as EXTRACTION
from detectors.clients.extraction import Extraction
from detectors.clients.floods import KINDS as FLOODS
from detectors.clients.floods import Floods
from detectors.clients.pace import Allowance
from detectors.clients.segments import Segments
from detectors.clients.sharing import KINDS as SHARING
from detectors.clients.sharing import Sharing
from detectors.clients.signals import Kind, Signal, able
from detectors.clients.steering import KINDS as STEERING
from detectors.clients.steering import Steering
from detectors.clients.tuning import KINDS as TUNING
from detectors.clients.tuning import Tunings
from detectors.clients.watch import Watch

SIGNALS: Final[Mapping[str, tuple[tuple[Kind, ...], Callable[[tuple[Kind, ...]], Signal]]]] = {
    "boundary_flood": (FLOODS, Floods),
    "steering_campaign": (STEERING, Steering),
    "harmful_finetune": (TUNING, Tunings),
    "model_extraction": (EXTRACTION, Extraction),
    "key_sharing": (SHARING, Sharing),
    "rate_burst": (BURSTS, Bursts),
    "usage_drift": (DRIFT, Drift),
}
"""The kinds of hits of each rule, and how to make it of those that a log can tell."""


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
        signals=tuple(make(able(kinds, fields)) for kinds, make in (SIGNALS[name] for name in names)),
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
