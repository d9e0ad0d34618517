"""A target as it was enrolled, on which scenarios are played from then on."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from attribution_parts.scenarios import Scenario, link_down
from attribution_parts.ways import DELIVERED, Parts
from detectors.divergence.gap import GapTest
from detectors.sequential import RateTest
from probes.questions import load_questions
from probes.stop import StopProbe
from storage.memory import MemoryLedger
from watchdog.attribution import Signs, attribute
from watchdog.desk import Desk
from watchdog.domain.departures import departure
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import Finding, Suspect
from watchdog.enrolment import Enrolling
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.rounds import RoundReport, Rounds
from watchdog.rules import EDITED, is_correction
from watchdog.targets import Target

MOST_ROUNDS = 40
QUIET_ROUNDS = 20
"""Rounds without a finding after which an unedited channel counts as unsuspected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """How one play of a scenario ended."""

    scenario: str
    expected: Suspect
    suspects: tuple[Suspect, ...]
    alone: tuple[Suspect, ...]
    """What the delivered channel alone would have told."""
    rules: tuple[str, ...]
    rounds: int
    right: bool


@dataclass
class Stage:
    """A target as it was enrolled, to be played on again and again."""

    parts: Parts
    questions: int
    seed: int
    probed: bool = True
    """Whether corrections are sent: the small real model leaves too many of them without a grade."""
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    _time: "Iterator[datetime]" = field(init=False)

    def __post_init__(self) -> None:
        start = datetime(2026, 3, 1, tzinfo=UTC)
        self._time = (start + timedelta(seconds=n) for n in itertools.count())
        self.seeds = itertools.count(self.seed * 1_000_000)
        for name in ("t", "u") if self.probed else ("t",):
            Enrolling(desk=Desk(self.ledger, ()), **self._common(self.ledger)).enrol(
                self.target(self.parts, name), questions=self.questions, corrections=12 if self.probed else 0
            )

    def target(self, parts: Parts, name: str) -> Target:
        """Return the target; `u` is only probed, and there to tell a link from an endpoint."""
        compared = name == "t"
        return Target(
            name=name,
            delivered=parts.delivered,
            direct=parts.direct if compared else None,
            comparator=GapTest(scorer=parts.scores) if compared else None,
            reference=parts.reference if compared else None,
            under_reference=GapTest(scorer=parts.verified) if compared and parts.verified is not None else None,
            evidence=RateTest(alpha=0.001, a_year=0.1),
            probes=(StopProbe(),) if self.probed else (),
            questions_per_round=3,
            reply_tokens=32,
            hosts={role: f"{role}.{name}.example" for role in ChannelRole},
        )

    def play(self, scenario: Scenario) -> Play:
        """Play a scenario to its first finding, over a copy of the ledger."""
        ledger = MemoryLedger(decisions=list(self.ledger.decisions))
        parts = scenario.spoil(self.parts, random.Random(f"{self.seed}/{scenario.name}"))  # noqa: S311 - repeatable
        rounds = Rounds(ledger=ledger, desk=Desk(ledger, ()), **self._common(ledger))
        most = QUIET_ROUNDS if scenario.expected is Suspect.NOBODY else MOST_ROUNDS
        report, number, findings = None, 0, ()
        while not findings and number < most:
            number += 1
            report = rounds.run(self.target(parts, "t"))
            other = rounds.run(self.target(parts, "u")) if scenario.spoil is link_down else None
            findings = report.findings + (() if other is None else other.findings)
        suspects = tuple(it.suspect for it in findings) or (Suspect.NOBODY,)
        return Play(
            scenario=scenario.name,
            expected=scenario.expected,
            suspects=suspects,
            alone=tuple(alone(it, report) for it in findings) or (Suspect.NOBODY,),
            rules=tuple(it.rule for it in findings),
            rounds=number,
            right=set(suspects) == {scenario.expected},
        )

    def _common(self, ledger: MemoryLedger) -> dict[str, object]:
        hosts = {name: frozenset({f"{role}.{name}.example" for role in ChannelRole}) for name in ("t", "u")}
        return {
            "questions": load_questions(),
            "measuring": Measuring(lambda: next(self._time)),
            "now": lambda: next(self._time),
            "draw_seed": lambda: next(self.seeds),
            "lookout": Lookout(ledger=ledger, hosts=hosts),
        }


def alone(finding: Finding, report: RoundReport | None) -> Suspect:
    """Return who is suspected when nothing but the delivered channel is looked at."""
    if finding.rule == EDITED and report is not None:
        return attribute(Signs(departure=departure(report.compared))).suspect
    if is_correction(finding.rule) and finding.subject.endswith(f"/{DELIVERED}"):
        return attribute(Signs(resists=frozenset({DELIVERED}))).suspect
    return Suspect.UNKNOWN
