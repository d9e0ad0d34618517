"""The bank of benign engines: how far honest replies lie from the model's first choice, however the model is run."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchdog.domain.times import utc


class Limit(StrEnum):
    """What settled a threshold."""

    FLOOR = "floor"
    """The bound is lower than what was measured elsewhere, so that one holds."""
    BOUND = "bound"
    CEILING = "ceiling"
    """The bound is higher; above the ceiling edits to words that the model finds likely would pass."""


_DECIDED = {
    Limit.FLOOR: "the floor, because the bound is lower: what was measured on other models holds",
    Limit.BOUND: "the bound itself",
    Limit.CEILING: "the ceiling, because the bound is higher: above it edits to likely words would pass",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Up to where a gap is taken for noise, and why."""

    tau: float
    """In nats."""
    bound: float
    """The upper confidence bound of a quantile of honest gaps, before the limits."""
    limit: Limit
    level: float
    """The quantile that is bounded."""
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One way in which an honest provider may run the model."""

    name: str
    runs_on: str
    """What computes it."""
    precision: str
    batch_size: int
    libraries: tuple[str, ...]
    """Names and versions of what computes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What the replies of one engine showed."""

    engine: Engine
    replies: int
    unmeasured: int
    """Replies that did not come, or could not be scored."""
    half: float
    """Half of the gaps are not above this, in nats."""
    ninety: float
    """Nine in ten are not."""
    ninety_nine: float
    """Ninety-nine in a hundred are not."""
    largest: float
    digest: str
    """SHA-256 over the gaps in ascending order, each as a big-endian double, in hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenignBank:
    """What a target's own model shows on other engines, and the threshold that follows from it."""

    subject: str
    """The target."""
    model: str
    """Digest of the model that scored, as the baselines have it."""
    variants: tuple[Variant, ...]
    counted: int
    """How many of the variants, from the first, the threshold was made of."""
    threshold: Threshold
    measured_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured_at", utc(self.measured_at))

    @property
    def has_engines(self) -> bool:
        """Whether engines of our own answered; without any, the delivered channel's replies made the threshold."""
        return len(self.variants) > 1


def variant(engine: Engine, gaps: Sequence[float], *, unmeasured: int = 0) -> Variant:
    """Describe the gaps of one engine's replies; all is 0 where there are none."""
    ordered = sorted(gaps)
    return Variant(
        engine=engine,
        replies=len(ordered),
        unmeasured=unmeasured,
        half=_at(ordered, 0.5),
        ninety=_at(ordered, 0.9),
        ninety_nine=_at(ordered, 0.99),
        largest=ordered[-1] if ordered else 0.0,
        digest=hashlib.sha256(struct.pack(f">{len(ordered)}d", *ordered)).hexdigest(),
    )


def said(bank: BenignBank) -> str:
    """Say what the threshold is made of, and which limit settled it."""
    it = bank.threshold
    replies = sum(one.replies for one in bank.variants[: bank.counted])
    of = (
        f"{bank.counted} engines of our own"
        if bank.has_engines
        else "the delivered channel alone, as no other engine was asked"
    )
    return (
        f"threshold {it.tau:.2f} nats: {_DECIDED[it.limit]}. The {it.confidence:.0%} upper bound of the "
        f"{100 * it.level:g} % quantile is {it.bound:.2f}, from {replies} replies of {of}."
    )


def _at(ordered: Sequence[float], share: float) -> float:
    """Return the smallest gap that at least such a share of the gaps is not above."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else 0.0
