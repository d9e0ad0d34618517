"""How strongly the data speak against "all is well": one evidence value per stream."""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.domain.times import utc

ENROLLED_QUESTIONS = 96
"""What an enrolment asks unless told otherwise."""
ENROLLED_CORRECTIONS = 20
"""Of each probe on each channel."""
ENROLLED_BANK = 32
"""Replies of each benign engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a stream looked like when it was enrolled; the null of everything that follows."""

    rule: str
    subject: str
    trials: int
    hits: int
    """How many of the trials looked like the thing the rule looks for, while all was taken to be well."""
    tau: float | None
    """The threshold of the gap test; None for rules without one."""
    model: str
    """Digest of the weights, or the model id, that the baseline belongs to."""
    enrolled_at: datetime
    answered_by: tuple[str, ...] = ()
    """Model ids that the replies named, where they say something about who serves the model."""

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.trials:
            raise ValueError(f"hits must lie between 0 and trials, got {self.hits} of {self.trials}")
        object.__setattr__(self, "enrolled_at", utc(self.enrolled_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The running evidence about one rule and subject."""

    rule: str
    subject: str
    enrolled_at: datetime | None = None
    """The enrolment that the evidence is held against; None before the first observation."""
    log_e: tuple[float, ...] = ()
    """Log evidence for each rate that is bet on, for a trouble that has begun, in nats; empty before the first one."""
    log_evidence: float = 0.0
    """All of it together, in nats."""
    trials: int = 0
    hits: int = 0
    first_hit_at: datetime | None = None
    alarmed: bool = False
    alarms: int = 0
    """How often this stream has alarmed in its life."""
    clean: int = 0
    """Rounds in a row without a hit since the alarm."""
    arming: int = 1
    """How often its evidence began anew, the first time included; each time spends less of the stream's share."""

    def __post_init__(self) -> None:
        if self.enrolled_at is not None:
            object.__setattr__(self, "enrolled_at", utc(self.enrolled_at))

    @property
    def evidence(self) -> float:
        """The evidence value: an e-value, 1 when nothing was seen."""
        return math.exp(min(self.log_evidence, 700.0))

    def counted(self, *, hit: bool, at: datetime) -> "Stream":
        """Return the stream after one more observation of a hard rule: it counts, and the first hit alarms."""
        return replace(
            self,
            trials=self.trials + 1,
            hits=self.hits + hit,
            first_hit_at=at if hit and self.first_hit_at is None else self.first_hit_at,
            alarmed=self.alarmed or hit,
            alarms=self.alarms + (hit and not self.alarmed),
        )

    def rearmed(self) -> "Stream":
        """Return the stream as it starts again after a recovery: no evidence, its number of alarms kept."""
        return replace(self._anew(), alarmed=False, clean=0)

    def held_against(self, baseline: Baseline) -> "Stream":
        """Return the stream as it is weighed under a baseline: after another enrolment its evidence begins anew."""
        if self.enrolled_at == baseline.enrolled_at:
            return self
        stream = self if self.enrolled_at is None else self._anew()
        return replace(stream, enrolled_at=baseline.enrolled_at)

    def _anew(self) -> "Stream":
        return replace(self, log_e=(), log_evidence=0.0, trials=0, hits=0, first_hit_at=None, arming=self.arming + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a stream may use, for ever, of the false incidents that the whole installation is allowed."""

    rule: str
    subject: str
    part: float
    """Of the installation's budget, from 0 to 1."""
    alpha: float
    """The largest expected number of false alarms in the stream's whole life."""
