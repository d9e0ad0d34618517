"""How strongly the data speak against "all is well": one evidence value per stream."""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.domain.times import utc


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

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.trials:
            raise ValueError(f"hits must lie between 0 and trials, got {self.hits} of {self.trials}")
        object.__setattr__(self, "enrolled_at", utc(self.enrolled_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The running evidence about one rule and subject."""

    rule: str
    subject: str
    log_e: tuple[float, ...] = ()
    """Log wealth of each bet in the mixture, in nats; empty before the first observation."""
    trials: int = 0
    hits: int = 0
    first_hit_at: datetime | None = None
    alarmed: bool = False
    alarms: int = 0
    """How often this stream has alarmed in its life; each re-arm spends less of its share."""
    clean: int = 0
    """Rounds in a row without a hit since the alarm."""

    @property
    def evidence(self) -> float:
        """The evidence value: an e-value, 1 when nothing was seen."""
        if not self.log_e:
            return 1.0
        highest = max(self.log_e)
        return math.exp(min(highest, 700.0)) * sum(math.exp(x - highest) for x in self.log_e) / len(self.log_e)

    def rearmed(self) -> "Stream":
        """Return the stream as it starts again after a recovery: no evidence, its number of alarms kept."""
        return replace(self, log_e=(), trials=0, hits=0, first_hit_at=None, alarmed=False, clean=0)
