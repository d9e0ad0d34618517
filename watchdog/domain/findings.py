"""One conclusion about one subject: the only thing probes, comparisons and detectors hand on."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchdog.domain.comparisons import Span
from watchdog.domain.times import utc


class Severity(StrEnum):
    """How loudly to tell people; the words of PagerDuty's Events API."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position in the order from info (0) to critical (3)."""
        return list(Severity).index(self)


def fingerprint(rule: str, subject: str) -> str:
    """Name the incident of a rule and subject; severity is not part of it, so it may rise inside one."""
    return hashlib.sha256(f"{rule}\0{subject}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One conclusion about one subject, with what a reader needs to act on it."""

    rule: str
    subject: str
    severity: Severity
    summary: str
    attribution: str
    """Who did it, as far as the comparison of channels tells."""
    promise: str
    """How often a finding like this would be wrong, and under which assumption."""
    next_step: str
    """The first thing to do."""
    spans: tuple[Span, ...]
    """The edited words, where the finding is about words."""
    evidence_value: float
    evidence: tuple[str, ...]
    """Ids of the comparisons and verdicts behind it."""
    since: datetime
    seen_at: datetime

    @property
    def how_sure(self) -> str:
        """The evidence value in words; a hard rule has none."""
        if self.evidence_value == 1.0:
            return "certain: counted, not inferred"
        return f"evidence {self.evidence_value:,.3g} to 1 against `all is well`"

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", utc(self.since))
        object.__setattr__(self, "seen_at", utc(self.seen_at))

    @property
    def fingerprint(self) -> str:
        """The incident this finding belongs to."""
        return fingerprint(self.rule, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The watched thing behaves again, by a rule that has a name."""

    rule: str
    subject: str
    by: str
    """The recovery rule, e.g. `3-clean-rounds`."""
    seen_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "seen_at", utc(self.seen_at))

    @property
    def fingerprint(self) -> str:
        """The incident this recovery belongs to."""
        return fingerprint(self.rule, self.subject)
