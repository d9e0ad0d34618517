"""False alarms in a benign week, held against the promise."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stream_parts import ours
from stream_parts.benign import population, week
from stream_parts.customers import WEEK
from stream_parts.scenes import Counting
from stream_parts.texts import Texts
from watchdog.domain.findings import Severity
from watchdog.domain.queries import Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """A simulated week and its alarms."""

    events: int
    budget: float
    """False alarms that were allowed in it."""
    alarms: tuple[Alarm, ...]

    def by_rule(self) -> Counter[str]:
        """Count the alarms of each detector."""
        return Counter(alarm.rule for alarm in self.tickets)

    def by_population(self, rule: str | None = None) -> Counter[str]:
        """Count the alarms about each kind of customer."""
        return Counter(population(alarm.client) for alarm in self.tickets if rule is None or alarm.rule == rule)

    @property
    def tickets(self) -> Sequence[Alarm]:
        """The alarms at the level of a ticket; one that goes on to the level of a page is the same alarm."""
        found: dict[tuple[str, str], bool] = {}
        kept = []
        for alarm in self.alarms:
            raised = found.get((alarm.rule, alarm.client), False)
            if alarm.severity is not Severity.CRITICAL or not raised:
                kept.append(alarm)
            found[alarm.rule, alarm.client] = alarm.severity is not Severity.CRITICAL
        return kept

    @property
    def clients(self) -> int:
        """How many customers were alarmed about."""
        return len({alarm.client for alarm in self.tickets})


def simulate(texts: Texts, *, rate: float, budget: float, seed: int, seconds: float) -> Week:
    """Watch part of a benign week at so many requests a second, with a budget of so many false alarms a week."""
    counted = Counting(week(texts, rate, seed).queries(seed, seconds))
    alarms = ours.play(ours.watch(budget), counted)
    return Week(events=counted.seen, budget=budget * seconds / WEEK, alarms=tuple(alarms))
