"""What the lines of a log led to that is not in the record yet."""

from dataclasses import dataclass, field

from watchdog.domain.decisions import Decision
from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.streamed import CustomerText


@dataclass
class Effects:
    """What lines led to that is not in the record yet."""

    decisions: list[Decision] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    texts: list[CustomerText] = field(default_factory=list)
    moved: bool = False
    """Whether anything at all changed."""

    @property
    def urgent(self) -> bool:
        """Whether somebody has to be told."""
        return bool(self.findings or self.recoveries)
