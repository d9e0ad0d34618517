"""A target with up to three channels, each of which says what a test wants, and models that know single words."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from detectors.sequential import RateTest
from probes.channels.scripted import CannedChannel
from storage.memory import MemoryLedger
from tests.builders import at, span, threshold
from tests.watching import YesProbe
from watchdog.desk import Desk
from watchdog.domain.banks import Threshold
from watchdog.domain.comparisons import Comparison, Examined
from watchdog.domain.exchanges import ChannelRole, Exchange, Reason, Request
from watchdog.domain.findings import Finding
from watchdog.domain.incidents import IncidentState
from watchdog.domain.verdicts import Question
from watchdog.enrolment import Enrolling
from watchdog.errors import ChannelError
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.rounds import RoundReport, Rounds
from watchdog.targets import Target

DIRECT, DELIVERED, OURS = ChannelRole.DIRECT, ChannelRole.DELIVERED, ChannelRole.REFERENCE
Says = Callable[[Request], str | ChannelError]


@dataclass(frozen=True)
class Numbered:
    """Questions that are never the same twice."""

    count: "itertools.count[int]" = field(default_factory=itertools.count)

    def draw(self, seed: int, count: int) -> tuple[Question, ...]:
        numbers = itertools.islice(self.count, count)
        return tuple(Question(id=f"q{n}", topic="safety", seed=seed, text=f"question {n}") for n in numbers)


@dataclass
class Words:
    """Flags every reply with one of these words in it: words of a reply, so that the rest meets the model again."""

    words: Sequence[str]
    digest: str
    meets_again: bool = True

    def threshold(self, gaps: Sequence[float]) -> Threshold:
        return threshold()

    def compare(self, request: Request, delivered: Exchange, *, tau: float) -> Examined:
        flagged = any(word in delivered.reply for word in self.words)
        spans = (span(),) if flagged and self.meets_again else ()
        return Examined(comparison=Comparison(gap=9.0 if flagged else 0.1, tau=tau, tokens=3, spans=spans))


class World:
    """A target with up to three channels, each of which says what a test wants."""

    def __init__(
        self, *, reference: bool = False, direct: bool = True, direct_scores: bool = True, probes: bool = False
    ) -> None:
        self.ledger = MemoryLedger()
        seconds = itertools.count()
        self.now = lambda: at(next(seconds))
        self.says: dict[ChannelRole, Says] = {}
        self.channels = {role: CannedChannel(role, self.now, self._saying(role)) for role in ChannelRole}
        self.direct_model, self.reference_model = Words(["risky"], "direct"), Words(["risky", "steered"], "reference")
        models = {DIRECT: self.direct_model} if direct_scores and direct else {}
        models |= {OURS: self.reference_model} if reference else {}
        yardstick = next(iter(models))
        self.target = Target(
            name="t",
            delivered=self.channels[DELIVERED],
            direct=self.channels[DIRECT] if direct else None,
            reference=self.channels[OURS] if reference else None,
            comparator=models[yardstick],
            yardstick=yardstick,
            under_reference=models.get(OURS) if yardstick is DIRECT else None,
            evidence=RateTest(alpha=0.001, a_year=0.1),
            probes=(YesProbe(),) if probes else (),
            questions_per_round=3,
            reply_tokens=16,
            hosts={role: f"{role}.example" for role in ChannelRole},
        )
        questions, seeds = Numbered(), itertools.count(1)
        parts = {
            "questions": questions,
            "desk": Desk(self.ledger, ()),
            "measuring": Measuring(self.now),
            "now": self.now,
            "draw_seed": lambda: next(seeds),
            "lookout": Lookout(ledger=self.ledger),
        }
        self.rounds = Rounds(ledger=self.ledger, **parts)
        self.enrolling = Enrolling(**parts)

    def _saying(self, role: ChannelRole) -> Says:
        def say(request: Request) -> str | ChannelError:
            asked = request.messages[-1].text.startswith("question")
            return self.says.get(role, lambda it: "It is safe." if asked else "yes")(request)

        return say

    def enrol(self, questions: int = 60) -> None:
        self.enrolling.enrol(self.target, questions=questions, corrections=20)

    def run(self, most: int = 12) -> RoundReport:
        """Run rounds until one finds something."""
        for _ in range(most):
            report = self.rounds.run(self.target)
            if report.findings:
                return report
        return report

    def open_rules(self) -> set[str]:
        return {it.rule for it in self.ledger.incidents(IncidentState.OPEN)}


def only(report: RoundReport, rule: str) -> Finding:
    (finding,) = [it for it in report.findings if it.rule == rule]
    return finding


def always(text: str) -> Says:
    return lambda request: text if request.messages[-1].text.startswith("question") else "yes"


def fails(request: Request) -> ChannelError:
    return ChannelError("no reply", hint="wait", reason=Reason.UNREACHABLE)
