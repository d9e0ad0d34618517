"""March 2026 on a clock that is set: a scripted model behind a gateway that edits on some days, and what it left."""

import itertools
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from detectors.divergence.gap import GapTest
from detectors.sequential import RateTest
from probes.catalog import PROBES
from probes.channels.scripted import ScriptedModelChannel
from probes.questions import load_questions
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from storage.ledger import SqliteLedger
from storage.signing import open_signed
from watchdog.desk import Desk
from watchdog.domain.decisions import Alive, Started, Stopped
from watchdog.domain.exchanges import ChannelRole, Exchange, Request
from watchdog.enrolment import Enrolling
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.rehearsal.editing import edit
from watchdog.rounds import Rounds
from watchdog.targets import Target

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
EDITED_DAYS = (9, 10, 21)
_ALIVE = timedelta(minutes=15)
_ROUNDS = (time(7, 30, tzinfo=UTC), time(19, 15, tzinfo=UTC))


@dataclass
class Gateway:
    """Delivers what the model says, with value words rewritten in every second reply while it is told to."""

    model: ScriptedModelChannel
    editing: bool = False
    role: ChannelRole = ChannelRole.DELIVERED
    count: "itertools.count[int]" = field(default_factory=itertools.count)

    def ask(self, request: Request) -> Exchange:
        said = self.model.ask(request)
        number = next(self.count)
        rewritten = self.editing and request.temperature == 0 and number % 2
        return replace(said, reply=edit(said.reply, random.Random(number)).text) if rewritten else said


class Month:
    """A watchdog over one ledger, day by day."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.time = BEGIN
        model = ScriptedModel(1)
        self.gateway = Gateway(ScriptedModelChannel(model, ChannelRole.DELIVERED, self.now))
        self.target = Target(
            name="assistant",
            delivered=self.gateway,
            direct=ScriptedModelChannel(model, ChannelRole.DIRECT, self.now),
            comparator=GapTest(scorer=ScriptedScorer(model)),
            evidence=RateTest(alpha=0.0003, a_year=0.1),
            probes=(PROBES["stop"](),),
            questions_per_round=3,
            reply_tokens=24,
        )
        self._questions = load_questions()
        self._seeds = itertools.count(1)

    def now(self) -> datetime:
        return self.time

    def live(self, first: int, last: int) -> None:
        """Run the watchdog from the first day of March up to the end of the last; days may lie beyond the 31st."""
        with open_signed(self.path, now=self.now) as ledger:
            desk = Desk(ledger, ("oncall",))
            self.time = BEGIN + timedelta(days=first - 1, seconds=1)
            self._seeds = itertools.count(1000 * first)
            desk.report([Started(at=self.time, version="0.1.0", config_digest="0" * 64)])
            if first == 1:
                self._enrol(ledger, desk)
            for day in range(first, last + 1):
                self._day(ledger, desk, day)
            desk.report([Stopped(at=self.time, why="signal SIGTERM")])

    def _enrol(self, ledger: SqliteLedger, desk: Desk) -> None:
        enrolling = Enrolling(
            questions=self._questions,
            desk=desk,
            measuring=Measuring(self.now),
            now=self.now,
            draw_seed=lambda: next(self._seeds),
            lookout=Lookout(ledger=ledger),
        )
        enrolling.enrol(self.target, questions=30, corrections=6)

    def _day(self, ledger: SqliteLedger, desk: Desk, day: int) -> None:
        midnight = BEGIN + timedelta(days=day - 1)
        self.gateway.editing = day in EDITED_DAYS
        rounds = Rounds(
            questions=self._questions,
            ledger=ledger,
            desk=desk,
            measuring=Measuring(self.now),
            now=self.now,
            draw_seed=lambda: next(self._seeds),
            lookout=Lookout(ledger=ledger),
        )
        for clock in _ROUNDS if self.gateway.editing else _ROUNDS[:1]:
            self._live_until(desk, datetime.combine(midnight, clock))
            rounds.run(self.target)
        self._live_until(desk, midnight + timedelta(days=1))

    def _live_until(self, desk: Desk, end: datetime) -> None:
        signs = []
        while self.time + _ALIVE <= end:
            self.time += _ALIVE
            signs.append(Alive(at=self.time, rounds=0, failed=0, missed=0))
        self.time = end
        desk.report(signs)
