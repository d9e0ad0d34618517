"""What came of a round so far, while it may still ask again."""

from dataclasses import dataclass, field

from watchdog.asides import Asides
from watchdog.domain.decisions import Compared, Judged, RoundSkipped
from watchdog.domain.evidence import Baseline
from watchdog.measuring import Measured


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Grows with each plan that is carried out."""

    baseline: Baseline | None
    spent: int
    """Tokens of the day that were spent before the round; 0 when nothing limits them."""
    asides: Asides
    """Puts replies aside that name a declared model."""
    asked: bool = False
    measured: Measured = field(default_factory=lambda: Measured(compared=[], judged=[], tokens=0))
    skipped: RoundSkipped | None = None

    @property
    def compared(self) -> list[Compared]:
        """The comparisons of all plans."""
        return self.measured.compared

    @property
    def judged(self) -> list[Judged]:
        """The verdicts of all plans."""
        return self.measured.judged

    def take(self, more: Measured) -> None:
        """Take in what came of a plan."""
        self.asked = True
        self.measured = Measured(
            compared=self.measured.compared + more.compared,
            judged=self.measured.judged + more.judged,
            tokens=self.measured.tokens + more.tokens,
        )
