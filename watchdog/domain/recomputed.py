"""What came of recomputing a decision from the record: the same, something else, or nothing."""

import math
from dataclasses import dataclass
from enum import StrEnum

from watchdog.domain.exhibits import Code

_ROUNDING = 1e-6
"""Relative. Less than this, where logarithms went into a value, says nothing about the record."""

Value = bool | float | int | str | None


class Outcome(StrEnum):
    """How what was recomputed stands to what was recorded."""

    SAME = "same"
    DIFFERS = "differs"
    UNABLE = "cannot be recomputed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One value, as recorded and as recomputed."""

    what: str
    recorded: Value
    recomputed: Value
    rounds: bool = False
    """Whether logarithms went into it: those of another C library may differ in the last digit."""

    @property
    def identical(self) -> bool:
        """Whether both are the same to the last bit."""
        return self.recorded == self.recomputed

    @property
    def holds(self) -> bool:
        """Whether both are the same, but for the rounding of another machine."""
        if self.rounds and isinstance(self.recorded, float) and isinstance(self.recomputed, float):
            return self.identical or math.isclose(self.recorded, self.recomputed, rel_tol=_ROUNDING)
        return self.identical


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """One decision, recomputed."""

    kind: str
    """comparison, verdict, finding or incident."""
    id: str
    leaf: int | None
    """Index of the leaf that recorded it; None when it is not in the record."""
    checks: tuple[Check, ...] = ()
    parts: tuple["Recomputed", ...] = ()
    """What it rests on, recomputed too."""
    unable: str | None = None
    """Why it cannot be recomputed; None when it could."""
    notes: tuple[str, ...] = ()
    """What a reader should know, and what does not change the outcome."""
    made_by: Code | None = None
    """Which code measured or graded; None when the record does not say."""

    @property
    def outcome(self) -> Outcome:
        """The worst of its own checks and of its parts; a difference is worse than not knowing."""
        outcomes = {it.outcome for it in self.parts}
        if Outcome.DIFFERS in outcomes or not all(it.holds for it in self.checks):
            return Outcome.DIFFERS
        if Outcome.UNABLE in outcomes or self.unable is not None:
            return Outcome.UNABLE
        return Outcome.SAME
