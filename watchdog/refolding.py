"""Weigh again, from the leaves alone, what the findings of an incident were concluded from.

The observations of a stream are its comparisons, or its graded corrections, of every round since it was last armed;
the null is the baseline that was in force. The alarm itself is not decided again: when to alarm is a setting, and
settings are not in the ledger. The evidence value depends on neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from watchdog import rules
from watchdog.domain.decisions import (
    Compared,
    Decision,
    Enrolled,
    HeldBack,
    IncidentChanged,
    Judged,
    RoundDone,
    Weighed,
)
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.findings import Finding
from watchdog.domain.incidents import Incident
from watchdog.domain.recomputed import Check, Recomputed
from watchdog.lines import Observed, counted, lines_of
from watchdog.ports import Observe, Record

_KINDS = frozenset({"enrolled", "compared", "judged", "weighed", "round_done", "incident_changed"})
_NEWEST = 2**62
"""Beyond any leaf: the leaf that tells of a loss comes after those it tells about."""


def refold(record: Record, observe: Observe, incident: Incident, *, until: int) -> list[Recomputed]:
    """Return every finding that an incident took in before a leaf, with its evidence value weighed again."""
    fold = _Fold(observe=observe, rule=incident.rule, subject=incident.subject)
    names = {fold.target, incident.subject}
    found = []
    for index, decision in record.history(_KINDS, naming=names, until=until):
        if isinstance(decision, IncidentChanged):
            if decision.event.incident.id == incident.id and decision.event.finding is not None:
                found.append(fold.finding(index, decision.event.finding))
        else:
            fold.take(decision)
    if any(it.unable is None and not all(check.holds for check in it.checks[1:]) for it in found):
        found = _explained(found, _dropped(record))
    return found


@dataclass(slots=True, kw_only=True)
class _Fold:
    """One stream, weighed again."""

    observe: Observe
    rule: str
    subject: str
    baseline: Baseline | None = None
    round: list[Observed] = field(default_factory=list)
    """What the round at hand observed; a round is recorded in one piece."""
    recorded: Stream | None = None
    counts: bool = False
    """Whether the rule counts, and is held against no baseline."""
    stream: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.stream = Stream(rule=self.rule, subject=self.subject)

    @property
    def target(self) -> str:
        """The target that the stream is about."""
        return rules.target_of(self.subject)

    def take(self, decision: Decision) -> None:
        """Take in the next leaf."""
        match decision:
            case Enrolled(baseline=it) if (it.rule, it.subject) == (self.rule, self.subject):
                self.baseline = it
            case Compared() | Judged() if decision.target == self.target:
                self.round.append(decision)
            case Weighed(stream=it) if (it.rule, it.subject) == (self.rule, self.subject):
                self._weigh(it)
            case RoundDone() if decision.target == self.target:
                self.round = []
            case _:
                pass

    def finding(self, index: int, finding: Finding) -> Recomputed:
        """Hold a finding against the evidence as it stands here."""
        if self.recorded is None:
            hard = "a hard rule: it counts, and no evidence was weighed"
            if finding.evidence:
                return Recomputed(kind="finding", id=finding.id, leaf=index, notes=(hard,))
            return Recomputed(kind="finding", id=finding.id, leaf=index, unable=hard)
        held_against = self.baseline is not None or self.counts
        return Recomputed(
            kind="finding",
            id=finding.id,
            leaf=index,
            checks=(
                Check(
                    what="evidence value",
                    recorded=finding.evidence_value,
                    recomputed=self.stream.evidence,
                    rounds=True,
                ),
                Check(what="observations", recorded=self.recorded.trials, recomputed=self.stream.trials),
                Check(what="hits", recorded=self.recorded.hits, recomputed=self.stream.hits),
            ),
            unable=None if held_against else "the baseline it was weighed against is not in the ledger",
        )

    def _weigh(self, recorded: Stream) -> None:
        self.recorded = recorded
        if not recorded.trials:
            self.stream = recorded  # armed again: what was observed before no longer counts
            return
        for line in lines_of(self.target, self.round):
            if (line.rule, line.subject) != (self.rule, self.subject):
                continue
            if line.hard:
                self.counts, self.stream = True, counted(self.stream, line)
            elif self.baseline is not None:
                for it in line.observations:
                    self.stream = self.observe(self.stream, self.baseline, hit=it.hit, at=it.at)


def _dropped(record: Record) -> int:
    """Return how many leaves were never written, because the file could not take them for too long."""
    held = record.history({"held_back"}, naming={"held_back"}, until=_NEWEST)
    return sum(it.dropped for _, it in held if isinstance(it, HeldBack))


def _explained(found: Sequence[Recomputed], dropped: int) -> list[Recomputed]:
    if not dropped:
        return list(found)
    why = f"observations are missing: {dropped} leaves were dropped while the ledger could not be written"
    return [it if all(check.holds for check in it.checks) else replace(it, unable=why, checks=()) for it in found]
