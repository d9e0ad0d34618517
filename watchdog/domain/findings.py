"""One conclusion about one subject: the only thing probes, comparisons and detectors hand on."""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchdog.domain.comparisons import Span
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.times import utc

HARD = "A hard rule; no statistical promise."
"""What a rule promises that counts and infers nothing."""


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


class Suspect(StrEnum):
    """Who did it, as far as the channels beside each other tell."""

    NOBODY = "nobody"
    UNKNOWN = "unknown"
    OURSELVES = "ourselves"
    """The watchdog: its scorer, its transport, its copy of the weights, or its link."""
    WRAPPER = "wrapper"
    """Whatever is between the model and its users."""
    PROVIDER = "provider"
    """Whoever serves the model behind the delivered channel."""
    MODEL = "model"
    """The model as it was handed over, or trained."""
    CLIENT = "client"
    """Somebody who uses the API."""
    DEPLOYED_MODEL = "deployed_model"
    """The model as it is deployed, changed or steered since it was handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeControl:
    """What the same test says of replies that nobody can have edited: those of the scoring model's own channel."""

    channel: ChannelRole
    hits: int
    trials: int
    evidence_value: float

    def row(self) -> dict[str, object]:
        """Return it by name, for programs."""
        return {
            "channel": self.channel,
            "hits": self.hits,
            "trials": self.trials,
            "evidence_value": self.evidence_value,
        }

    def __str__(self) -> str:
        return (
            f"the gap test on the {self.channel} channel's own replies: {self.hits} of {self.trials} flagged, "
            f"evidence {odds(self.evidence_value)} to 1"
        )


def odds(value: float) -> str:
    """Return a ratio as people read it: two or three digits, and only a power of ten where it is very large."""
    if value < 100:
        return f"{value:.2g}"
    if value < 1e9:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"10^{math.floor(math.log10(value))}"


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
    """Who did it, as far as the comparison of channels tells, in a sentence."""
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
    suspect: Suspect = Suspect.UNKNOWN
    """The same as `attribution`, in one word."""
    control: NegativeControl | None = None
    """The negative control as it stood then; None when there is none for this rule."""

    @property
    def how_sure(self) -> str:
        """The evidence value in words; a hard rule has none."""
        if self.evidence_value == 1.0:
            return "certain: counted, not inferred"
        if self.suspect is Suspect.CLIENT:
            # An e-detector's value is no bet, and has no odds.
            return f"evidence {odds(self.evidence_value)}"
        return f"evidence {odds(self.evidence_value)} to 1 against `all is well` after this round"

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", utc(self.since))
        object.__setattr__(self, "seen_at", utc(self.seen_at))

    @property
    def fingerprint(self) -> str:
        """The incident this finding belongs to."""
        return fingerprint(self.rule, self.subject)

    @property
    def id(self) -> str:
        """Name the finding by its source, so that the ledger takes in the same one once, however often it comes.

        SHA-256, in hex, of the JSON array [rule, subject, severity, sorted ids of its evidence]. Where there is no
        such id, `since` and `seen_at` follow in the array.
        """
        source: list[object] = [self.rule, self.subject, self.severity, sorted(self.evidence)]
        if not self.evidence:
            source += [self.since.isoformat(), self.seen_at.isoformat()]
        return hashlib.sha256(json.dumps(source, separators=(",", ":")).encode()).hexdigest()


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
