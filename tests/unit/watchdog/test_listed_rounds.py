"""Rounds on a channel that lists its tokens: what each way of handling the list leads to."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from detectors.divergence.gap import GapTest
from detectors.divergence.logprobs import LogprobTest
from detectors.sequential import RateTest, observe
from probes.channels.scripted import ScriptedModelChannel
from probes.questions import load_questions
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from storage.record import open_record
from tests.builders import at
from watchdog.blind_findings import BLIND
from watchdog.desk import Desk
from watchdog.domain.decisions import Compared, Enrolled
from watchdog.domain.exchanges import ChannelRole, Exchange, Reason, Request, Unsaid
from watchdog.domain.incidents import IncidentState
from watchdog.downgrades import BACK, DOWNGRADE
from watchdog.enrolment import Enrolling, Enrolment
from watchdog.errors import ChannelError
from watchdog.listing_findings import LOGPROBS, TOKEN_STREAM
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.ports import Ledger
from watchdog.refolding import refold
from watchdog.rounds import RoundReport, Rounds
from watchdog.rules import EDITED
from watchdog.targets import Target
from watchdog.weighing import CLEAN_ROUNDS

Alters = Callable[[Exchange], Exchange]
DIRECT = ScriptedModel(seed=1)
SERVED = ScriptedModel(seed=1, noise=0.1)
OTHER = ScriptedModel(seed=2)


def _edited(it: Exchange) -> Exchange:
    return replace(it, reply=it.reply.replace(" ", " never ", 1))


def _without_list(it: Exchange) -> Exchange:
    return replace(it, tokens_said=Unsaid.ABSENT if it.request.logprobs else it.tokens_said)


def _zeros(it: Exchange) -> Exchange:
    if not isinstance(it.tokens_said, tuple):
        return it
    return replace(it, tokens_said=tuple(replace(token, logprob=0.0) for token in it.tokens_said))


def _at_no_temperature(it: Exchange) -> Exchange:
    return replace(it, temperature_honoured=False)


@dataclass
class Wrapped:
    """A channel with somebody in front of it, and whoever serves the model behind it."""

    clock: Callable[[], object]
    role: ChannelRole = ChannelRole.DELIVERED
    model: ScriptedModel = SERVED
    alters: Alters = lambda it: it
    asked: list[Request] = field(default_factory=list)

    def ask(self, request: Request) -> Exchange:
        self.asked.append(request)
        channel = ScriptedModelChannel(self.model, self.role, lambda: at(0))
        return self.alters(channel.ask(request))


class World:
    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or MemoryLedger()
        seconds, seeds = itertools.count(), itertools.count(1)
        self.now = lambda: at(next(seconds))
        self.delivered = Wrapped(self.now)
        scorer = ScriptedScorer(DIRECT)
        self.target = Target(
            name="t",
            delivered=self.delivered,
            direct=None,
            comparator=GapTest(scorer=scorer),
            evidence=RateTest(alpha=0.001, a_year=0.1),
            probes=(),
            questions_per_round=3,
            reply_tokens=24,
            logprobs=LogprobTest(scorer=scorer),
        )
        self._parts = {
            "questions": load_questions(),
            "measuring": Measuring(self.now),
            "now": self.now,
            "draw_seed": lambda: next(seeds),
        }

    def enrol(self, questions: int = 30) -> Enrolment:
        desk, lookout = Desk(self.ledger, ()), Lookout(ledger=self.ledger)
        enrolling = Enrolling(desk=desk, lookout=lookout, **self._parts)  # type: ignore[arg-type]
        return enrolling.enrol(self.target, questions=questions, corrections=0)

    def run(self, alters: Alters | None = None) -> RoundReport:
        self.delivered.alters = alters or self.delivered.alters
        desk, lookout = Desk(self.ledger, ("oncall",)), Lookout(ledger=self.ledger)
        rounds = Rounds(ledger=self.ledger, desk=desk, lookout=lookout, **self._parts)  # type: ignore[arg-type]
        return rounds.run(self.target)

    def open_rules(self) -> set[str]:
        assert isinstance(self.ledger, MemoryLedger)
        return {it.rule for it in self.ledger.incidents(IncidentState.OPEN)}


def _honest(it: Exchange) -> Exchange:
    return it


def test_an_honest_channel_opens_nothing_and_its_numbers_are_enrolled() -> None:
    world = World()
    baselines = {it.rule: it for it in world.enrol().baselines}
    assert baselines[LOGPROBS].tau == 0.5
    assert (baselines[LOGPROBS].trials, baselines[LOGPROBS].hits) == (30, 0)
    for _ in range(8):
        world.run()
    assert world.open_rules() == set()
    assert world.ledger.stream(LOGPROBS, "t").trials == 24
    assert world.ledger.stream(TOKEN_STREAM, "t").trials == 24


def test_an_edit_that_leaves_the_list_alone_is_certain_after_one_reply() -> None:
    world = World()
    world.enrol()
    report = world.run(_edited)
    (found,) = [it for it in report.findings if it.rule == TOKEN_STREAM]
    assert found.how_sure == "certain: counted, not inferred"
    assert found.promise == "A hard rule; no statistical promise."
    assert "delivered is" in found.summary
    assert LOGPROBS not in world.open_rules()
    for _ in range(CLEAN_ROUNDS):
        world.run(_honest)
    assert world.open_rules() == set()


def test_a_list_that_is_dropped_is_a_downgrade_and_the_gap_test_goes_on() -> None:
    world = World()
    world.enrol()
    for _ in range(2):
        world.run(_without_list)
    assert world.open_rules() == set()
    report = world.run(_without_list)
    assert [it.rule for it in report.findings] == [DOWNGRADE]
    assert world.run(lambda it: _without_list(_edited(it))).done.flagged > 0
    assert {DOWNGRADE, EDITED} <= world.open_rules()
    back = world.run(_honest)
    assert [it.by for it in back.recoveries if it.rule == DOWNGRADE] == [BACK]


def test_another_model_is_seen_in_the_numbers() -> None:
    world = World()
    world.enrol()
    world.delivered.model = OTHER
    for _ in range(3):
        world.run()
    assert LOGPROBS in world.open_rules()
    assert TOKEN_STREAM not in world.open_rules()


def test_numbers_of_another_distribution_are_recorded_as_such_and_never_weighed() -> None:
    world = World()
    world.delivered.alters = _zeros
    (unusable,) = [it for it in world.enrol().baselines if it.rule == LOGPROBS]
    assert (unusable.tau, unusable.hits) == (None, 0)
    world.delivered.model = OTHER
    report = world.run()
    assert all(it.logprobs is not None and not it.logprobs.flagged for it in report.compared)
    assert world.ledger.stream(LOGPROBS, "t").trials == 0
    assert world.run(lambda it: _edited(_zeros(it))).findings  # the text is held against the tokens all the same
    assert TOKEN_STREAM in world.open_rules()


def test_a_channel_that_gave_no_list_when_enrolled_is_not_asked_for_one_again() -> None:
    world = World()
    world.delivered.alters = _without_list
    assert LOGPROBS not in {it.rule for it in world.enrol().baselines}
    assert all(it.logprobs for it in world.delivered.asked)
    world.delivered.asked.clear()
    assert [it.logprobs for it in world.run(_honest).compared] == [None] * 3
    assert not any(it.logprobs for it in world.delivered.asked)


def test_a_channel_that_parts_from_its_list_at_enrolment_is_told_then() -> None:
    world = World()
    world.delivered.alters = _edited
    assert world.enrol().standing
    assert TOKEN_STREAM in world.open_rules()


def test_a_channel_that_refuses_the_temperature_can_be_watched_by_its_numbers_alone() -> None:
    world = World()
    world.delivered.alters = _at_no_temperature
    assert {it.rule for it in world.enrol().baselines} == {EDITED, LOGPROBS}
    report = world.run()
    assert [it.reason for it in report.compared] == [Reason.TEMPERATURE_REFUSED] * 3
    assert (report.blind, report.done.compared, report.done.unmeasured) == ("", 3, 0)
    for _ in range(4):
        world.run()
    assert world.open_rules() == set()
    world.delivered.model = OTHER
    for _ in range(3):
        world.run()
    assert LOGPROBS in world.open_rules()


def test_without_the_temperature_and_without_usable_numbers_there_is_no_baseline() -> None:
    world = World()
    world.delivered.alters = lambda it: _at_no_temperature(_zeros(it))
    with pytest.raises(ChannelError, match="temperature_refused"):
        world.enrol()


def test_a_temperature_that_is_refused_later_is_a_downgrade_and_no_blindness() -> None:
    world = World()
    world.enrol()
    for _ in range(4):
        world.run(_at_no_temperature)
    assert world.open_rules() == {DOWNGRADE}


LOSSES: dict[str, dict[str, object]] = {
    "the list is refused": {"tokens_said": Unsaid.REFUSED},
    "the list has no probabilities": {"tokens_said": Unsaid.NO_PROBABILITIES},
    "the temperature is refused": {"temperature_honoured": False},
    "the temperature and the list are refused": {"temperature_honoured": False, "tokens_said": Unsaid.REFUSED},
    "hidden reasoning is switched on": {"hidden_reasoning": True},
    "replies come out of a cache": {"cached": True},
    "the model is not named": {"model": ""},
}


NOT_COMPARED_AT_ALL = {
    "the temperature and the list are refused",
    "hidden reasoning is switched on",
    "replies come out of a cache",
}


@pytest.mark.parametrize("name", LOSSES)
def test_whatever_a_channel_ceases_to_do_is_one_downgrade_that_ends_when_it_is_back(name: str) -> None:
    world = World()
    world.enrol()
    for _ in range(5):
        world.run(lambda it: replace(it, **LOSSES[name]))  # type: ignore[arg-type]
    expected = {DOWNGRADE, BLIND} if name in NOT_COMPARED_AT_ALL else {DOWNGRADE}
    assert world.open_rules() == expected
    assert isinstance(world.ledger, MemoryLedger)
    assert sorted(it.rule for it in world.ledger.incidents()) == sorted(expected)
    back = world.run(_honest)
    assert back.findings == ()
    assert {it.rule for it in back.recoveries} == expected
    assert world.open_rules() == set()


def test_the_count_of_a_downgrade_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path) as ledger:
        World(ledger).enrol()
    for last in (False, False, True):
        with SqliteLedger(path) as ledger:
            assert bool(World(ledger).run(_without_list).findings) is last
    with SqliteLedger(path) as ledger:
        assert [it.by for it in World(ledger).run(_honest).recoveries] == [BACK]


def test_what_hard_rules_and_numbers_concluded_is_weighed_again_from_the_leaves(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path) as ledger:
        world = World(ledger)
        world.enrol()
        world.run(_edited)
        world.delivered.model = OTHER
        for _ in range(3):
            world.run(_honest)
    memory = _replayed(path)
    for rule in (TOKEN_STREAM, LOGPROBS):
        (incident,) = [it for it in memory.incidents() if it.rule == rule]
        with open_record(path) as record:
            found = refold(record, observe, incident, until=2**62)
        assert found
        assert all(it.unable is None and all(check.holds for check in it.checks) for it in found)


def _replayed(path: Path) -> MemoryLedger:
    memory = MemoryLedger()
    kinds = {"incident_changed", "enrolled", "compared"}
    with open_record(path) as record:
        for _, decision in record.history(kinds, naming={"t"}, until=2**62):
            memory.append(decision)
    assert any(isinstance(it, Enrolled) for it in memory.decisions)
    assert any(isinstance(it, Compared) for it in memory.decisions)
    return memory
