"""How many units a week has, and so how much evidence an alarm takes. Knows only the past, and never falls."""

from dataclasses import dataclass
from typing import Final

import msgspec

from detectors.clients.state import Case
from watchdog.domain.findings import Severity

WEEK_H: Final = 168
FLOOR: Final = 10_000.0
"""Units a week that are taken at least: a quiet log must not make two hits enough."""


class Pace(msgspec.Struct, array_like=True):
    """Units of one rule by the hour of the log. One that comes late counts in the hour that runs.

    A week is taken to have 168 times the units of the busiest hour so far, the running one included. So the sum of
    1/c over a week passes its share only while records are being set, and then by the logarithm of the growth over
    168: six hundredths for traffic that grows 20,000-fold.
    """

    count: int = 0
    """Units of the running hour."""
    busiest: int = 0
    """Units of the busiest hour that is over."""

    def next_hour(self) -> None:
        """Begin another hour."""
        self.busiest, self.count = max(self.busiest, self.count), 0

    @property
    def week(self) -> float:
        """Units of a week, at least."""
        return max(FLOOR, float(WEEK_H * max(self.busiest, self.count)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the alarms of one rule may cost: false alarms that are expected in a week, at most."""

    tickets: float
    pages: float | None
    """None for rules that never page."""

    def threshold(self, severity: Severity, pace: Pace) -> float:
        """Return the evidence at which to alarm at a level."""
        return pace.week / self.expected(severity)

    def expected(self, severity: Severity) -> float:
        """Return the false alarms that are expected in a week at a level, at most."""
        return self.pages if severity is Severity.CRITICAL and self.pages is not None else self.tickets

    def passed(self, case: Case, pace: Pace, most: int) -> Severity | None:
        """Return the highest level, up to `most`, that the evidence has newly passed; None when it has passed none."""
        for level, severity in ((2, Severity.CRITICAL), (1, Severity.WARNING)):
            if level > most or (level == 2 and self.pages is None):
                continue
            if case.level < level and case.value >= self.threshold(severity, pace):
                return severity
        return None

    def guard(self, pace: Pace) -> float:
        """Return the evidence from which on nothing is learned from a client: three quarters of the way, in factors."""
        return float(self.threshold(Severity.WARNING, pace) ** 0.75)
