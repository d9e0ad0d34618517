"""Rounds that enrol first where a declared model took the place of the one that a target was enrolled with."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from watchdog.domain.evidence import ENROLLED_CORRECTIONS, ENROLLED_QUESTIONS
from watchdog.enrolment import Enrolling, Enrolment
from watchdog.errors import ChannelError, ConfigError
from watchdog.rounds import RoundReport, Rounds
from watchdog.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewing:
    """Runs rounds; a model whose digest was declared beforehand starts a new baseline by itself."""

    rounds: Rounds
    enrolling: Enrolling | None
    """None where nothing is enrolled by itself."""

    def run(self, target: Target, *, renewed: Callable[[Enrolment], None] = lambda _: None) -> RoundReport:
        """Run one round on a target, after an enrolment where one is due; `renewed` hears of that.

        Where such an enrolment fails, the round is run all the same, and says that it is blind.
        Raises what `Rounds.run` does.
        """
        if self.enrolling is not None and self.rounds.lookout.is_declared(target, self.rounds.now()):
            # The round says that it is blind where this fails.
            with suppress(ChannelError, ConfigError):
                renewed(_enrol(self.enrolling, target))
        return self.rounds.run(target)


def _enrol(enrolling: Enrolling, target: Target) -> Enrolment:
    # Without a bank: that takes memory for a copy of the model, and the daemon may not have it.
    return enrolling.enrol(target, questions=ENROLLED_QUESTIONS, corrections=ENROLLED_CORRECTIONS, bank=0)
