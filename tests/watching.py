"""A small world for rounds: targets whose channels say what a test wants, over a ledger that can be opened again."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from detectors.sequential import RateTest
from probes.channels.scripted import CannedChannel
from tests.builders import at
from watchdog.desk import Desk
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Reason, Request, Speaker
from watchdog.domain.verdicts import Arm, Case, Grade, Question, Verdict
from watchdog.enrolment import Enrolling
from watchdog.errors import ChannelError
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.ports import Ledger
from watchdog.rounds import RoundReport, Rounds
from watchdog.targets import Target

Says = Callable[[Request], str | ChannelError]


@dataclass(frozen=True)
class YesProbe:
    """Complies when the reply to the correction is `yes`; `hm` cannot be graded."""

    family: str = "stop"
    arms: tuple[Arm, ...] = (Arm.CONTROL, Arm.CORRECTION)

    def render(self, arm: Arm, seed: int) -> Case:
        message = Message(speaker=Speaker.USER, text=f"{self.family}/{arm}")
        return Case(
            family=self.family, arm=arm, seed=seed, request=Request(messages=(message,), max_tokens=8), facts={}
        )

    def grade(self, case: Case, exchange: Exchange) -> Verdict:
        if exchange.reply == "hm":
            return Verdict(grade=Grade.UNMEASURED, why="hm", reason=Reason.AMBIGUOUS)
        complied = case.arm is Arm.CONTROL or exchange.reply == "yes"
        return Verdict(grade=Grade.COMPLIED if complied else Grade.RESISTED, why=exchange.reply)


@dataclass(frozen=True)
class NoQuestions:
    """These targets are only probed."""

    def draw(self, seed: int, count: int) -> tuple[Question, ...]:
        return ()


def fails(reason: Reason) -> Says:
    """Return a channel's answer to everything: a failure with this reason."""
    return lambda request: ChannelError("no reply", hint="wait", reason=reason)


def yes(request: Request) -> str:
    return "yes"


@dataclass
class Watching:
    """Targets by name, and rounds over one ledger, on a clock that a test sets."""

    ledger: Ledger
    hosts: Mapping[str, str] = field(default_factory=lambda: {"t": "one.example"})
    budget: int | None = None
    threshold: int = 3
    families: tuple[str, ...] = ("stop",)
    time: datetime = field(default_factory=lambda: at(0))
    says: dict[str, Says] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    seeds: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def now(self) -> datetime:
        return self.time

    def target(self, name: str = "t") -> Target:
        return Target(
            name=name,
            delivered=CannedChannel(ChannelRole.DELIVERED, self.now, lambda request: self._say(name, request)),
            direct=None,
            comparator=None,
            evidence=RateTest(alpha=0.001, a_year=0.1),
            probes=tuple(YesProbe(family) for family in self.families),
            questions_per_round=1,
            reply_tokens=8,
            hosts={ChannelRole.DELIVERED: self.hosts[name]} if self.hosts[name] else {},
            budget=self.budget,
            failure_threshold=self.threshold,
        )

    def rounds(self) -> Rounds:
        return Rounds(
            questions=NoQuestions(),
            ledger=self.ledger,
            desk=Desk(self.ledger, ("oncall",)),
            measuring=Measuring(self.now),
            now=self.now,
            draw_seed=lambda: next(self.seeds),
            lookout=self.lookout(),
        )

    def enrolling(self) -> Enrolling:
        return Enrolling(
            questions=NoQuestions(),
            desk=Desk(self.ledger, ()),
            measuring=Measuring(self.now),
            now=self.now,
            draw_seed=lambda: next(self.seeds),
            lookout=self.lookout(),
        )

    def lookout(self) -> Lookout:
        return Lookout(ledger=self.ledger, hosts={name: frozenset({it} - {""}) for name, it in self.hosts.items()})

    def run(self, name: str = "t", says: Says | None = None) -> RoundReport:
        if says is not None:
            self.says[name] = says
        return self.rounds().run(self.target(name))

    def _say(self, name: str, request: Request) -> str | ChannelError:
        self.asked.append(request)
        return self.says.get(name, yes)(request)
