"""What a round concludes, and when: on a scripted channel, with every rule written out."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from detectors.sequential import RateTest
from probes.channels.scripted import CannedChannel
from storage.memory import MemoryLedger
from tests.builders import NOW, at, baseline, span, threshold
from watchdog.blind_findings import BASELINE
from watchdog.desk import Desk
from watchdog.domain.banks import Threshold
from watchdog.domain.comparisons import Comparison, Examined
from watchdog.domain.decisions import Compared, Enrolled, RoundDone
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Reason, Request, Speaker
from watchdog.domain.incidents import EventKind, IncidentState
from watchdog.domain.verdicts import Arm, Case, Grade, Question, Verdict
from watchdog.enrolment import Enrolling
from watchdog.errors import ChannelError, ConfigError, ScoringError
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.re_asking import RE_ASK_FACTOR
from watchdog.rounds import Rounds
from watchdog.rules import EDITED, STANDING
from watchdog.targets import Target
from watchdog.weighing import CLEAN_ROUNDS


@dataclass(frozen=True)
class Numbered:
    """Questions that are never the same twice."""

    count: "itertools.count[int]" = field(default_factory=itertools.count)

    def draw(self, seed: int, count: int) -> tuple[Question, ...]:
        return tuple(
            Question(id=f"q{number}", topic="safety", seed=seed, text=f"question {number}")
            for number in itertools.islice(self.count, count)
        )


@dataclass(frozen=True)
class WordComparator:
    """Flags every reply with the word `risky` in it; `garbled` cannot be scored."""

    digest: str = "m"

    def threshold(self, gaps: Sequence[float]) -> Threshold:
        return threshold()

    def compare(self, request: Request, delivered: Exchange, *, tau: float) -> Examined:
        if delivered.reply == "garbled":
            raise ScoringError("no tokens", hint="none", reason=Reason.UNSCORABLE)
        edited = "risky" in delivered.reply
        comparison = Comparison(gap=9.0 if edited else 0.1, tau=tau, tokens=3, spans=(span(),) if edited else ())
        return Examined(comparison=comparison)


@dataclass(frozen=True)
class YesProbe:
    """Complies when the reply to the correction is `yes`."""

    family: str = "stop"
    arms: tuple[Arm, ...] = (Arm.CONTROL, Arm.CORRECTION)

    def render(self, arm: Arm, seed: int) -> Case:
        message = Message(speaker=Speaker.USER, text=f"{arm}")
        return Case(
            family=self.family, arm=arm, seed=seed, request=Request(messages=(message,), max_tokens=8), facts={}
        )

    def grade(self, case: Case, exchange: Exchange) -> Verdict:
        complied = case.arm is Arm.CONTROL or exchange.reply == "yes"
        return Verdict(grade=Grade.COMPLIED if complied else Grade.RESISTED, why=exchange.reply)


class World:
    """A target whose delivered channel says what the test wants, and everything around it."""

    def __init__(self, *, probes: bool = False, alpha: float = 0.001) -> None:
        self.ledger = MemoryLedger()
        seconds = itertools.count()
        self.now = lambda: at(next(seconds))
        self.says: Callable[[Request], str | ChannelError] = lambda request: "It is safe."
        self.delivered = CannedChannel(ChannelRole.DELIVERED, self.now, self._say)
        self.direct = CannedChannel(ChannelRole.DIRECT, self.now, lambda request: "yes")
        self.target = Target(
            name="t",
            delivered=self.delivered,
            direct=self.direct,
            comparator=WordComparator(),
            evidence=RateTest(alpha=alpha, a_year=0.1),
            probes=(YesProbe(),) if probes else (),
            questions_per_round=3,
            reply_tokens=16,
        )
        desk = Desk(self.ledger, ("oncall",))
        lookout = Lookout(ledger=self.ledger)
        questions = Numbered()
        seeds = itertools.count(1)
        measuring = Measuring(self.now)
        self.rounds = Rounds(
            questions=questions,
            ledger=self.ledger,
            desk=desk,
            measuring=measuring,
            now=self.now,
            draw_seed=lambda: next(seeds),
            lookout=lookout,
        )
        self.enrolling = Enrolling(
            questions=questions,
            desk=desk,
            measuring=measuring,
            now=self.now,
            draw_seed=lambda: next(seeds),
            lookout=lookout,
        )

    def _say(self, request: Request) -> str | ChannelError:
        return self.says(request)

    def enrol(self, questions: int = 60, corrections: int = 20) -> None:
        self.enrolling.enrol(self.target, questions=questions, corrections=corrections)

    def open_rules(self) -> list[str]:
        return [it.rule for it in self.ledger.incidents(IncidentState.OPEN)]


def _every_other(edited: str, clean: str) -> Callable[[Request], str]:
    turn = itertools.count()
    return lambda request: edited if next(turn) % 2 else clean


def test_clean_rounds_open_nothing() -> None:
    world = World()
    world.enrol()
    for _ in range(20):
        report = world.rounds.run(world.target)
        assert (report.done.compared, report.done.flagged) == (3, 0)
    assert world.ledger.incidents() == []


def test_every_second_reply_edited_opens_one_incident_within_a_few_rounds() -> None:
    world = World()
    world.enrol()
    world.says = _every_other("It is risky.", "It is safe.")
    assert any(world.rounds.run(world.target).findings for _ in range(3))
    (incident,) = world.ledger.incidents()
    (opened,) = world.ledger.events(incident.id)
    assert opened.finding is not None
    assert opened.finding.rule == EDITED
    assert opened.finding.spans
    assert world.ledger.evidence(opened.finding.evidence)


def test_a_flagged_reply_asks_fresh_questions_at_once() -> None:
    world = World()
    world.enrol()
    first = iter(["It is risky."])
    world.says = lambda request: next(first, "It is safe.")
    asked_before = len(world.delivered.requests)

    report = world.rounds.run(world.target)
    prompts = [request.messages[0].text for request in world.delivered.requests[asked_before:]]
    assert report.done.compared == 3 + RE_ASK_FACTOR * 3
    assert len(set(prompts)) == report.done.compared
    assert report.findings == ()


def test_an_incident_recovers_after_clean_rounds_in_a_row_and_not_before() -> None:
    world = World()
    world.enrol()
    world.says = lambda request: "It is risky."
    world.rounds.run(world.target)
    assert world.open_rules() == [EDITED]

    world.says = lambda request: "It is safe."
    for _ in range(CLEAN_ROUNDS - 1):
        world.rounds.run(world.target)
    world.says = lambda request: "It is risky."
    world.rounds.run(world.target)
    world.says = lambda request: "It is safe."
    for _ in range(CLEAN_ROUNDS - 1):
        assert world.rounds.run(world.target).recoveries == ()
    (recovery,) = world.rounds.run(world.target).recoveries
    assert recovery.by == f"{CLEAN_ROUNDS}-clean-rounds"
    assert world.open_rules() == []


def test_after_a_recovery_the_same_edits_open_a_new_incident() -> None:
    world = World()
    world.enrol()
    for _ in range(2):
        world.says = lambda request: "It is risky."
        world.rounds.run(world.target)
        world.says = lambda request: "It is safe."
        for _ in range(CLEAN_ROUNDS):
            world.rounds.run(world.target)
    assert [it.state for it in world.ledger.incidents()] == [IncidentState.RECOVERED] * 2
    assert world.ledger.stream(EDITED, "t").alarms == 2


def test_a_repeated_finding_is_recorded_and_pages_nobody_again() -> None:
    world = World()
    world.enrol()
    world.says = lambda request: "It is risky."
    for _ in range(3):
        world.rounds.run(world.target)
    (incident,) = world.ledger.incidents()
    kinds = [event.kind for event in world.ledger.events(incident.id)]
    assert kinds == [EventKind.OPENED, EventKind.REPEATED, EventKind.REPEATED]
    assert len(world.ledger.due(world.now(), 10)) == 1


# What is unspellable is a reply, and a finding.
@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.UNSPELLABLE}))
def test_no_failure_of_a_channel_counts_as_clean_or_as_an_edit(reason: Reason) -> None:
    world = World(probes=True)
    world.enrol()
    before = world.ledger.stream(EDITED, "t")
    world.says = lambda request: ChannelError("no reply", hint="wait", reason=reason)

    report = world.rounds.run(world.target)
    assert report.done.compared == 0
    assert {it.reason for it in report.compared} == {reason}
    assert {it.verdict.reason for it in report.judged if it.channel is ChannelRole.DELIVERED} == {reason}
    assert world.ledger.stream(EDITED, "t") == before


def test_rounds_that_measured_nothing_do_not_recover_an_incident() -> None:
    world = World()
    world.enrol()
    world.says = lambda request: "It is risky."
    world.rounds.run(world.target)
    world.says = lambda request: ChannelError("down", hint="wait", reason=Reason.UNREACHABLE)
    for _ in range(CLEAN_ROUNDS + 1):
        assert world.rounds.run(world.target).recoveries == ()
    assert EDITED in world.open_rules()


def test_a_reply_that_cannot_be_scored_is_unmeasured_with_its_reason() -> None:
    world = World()
    world.enrol()
    world.says = lambda request: "garbled"

    report = world.rounds.run(world.target)
    assert (report.done.compared, report.done.unmeasured) == (0, 3)
    assert {it.reason for it in report.compared} == {Reason.UNSCORABLE}


def test_a_target_that_was_never_enrolled_is_an_error_with_the_command_to_run() -> None:
    world = World()
    with pytest.raises(ConfigError, match="not enrolled") as caught:
        world.rounds.run(world.target)
    assert "baseline --target t" in caught.value.hint


def test_with_other_weights_than_the_enrolled_ones_nothing_is_compared_and_corrections_go_on() -> None:
    world = World(probes=True)
    world.says = lambda request: "yes"
    world.enrol()
    other = replace(world.target, comparator=WordComparator(digest="other"))
    report = world.rounds.run(other)
    assert (report.done.compared, report.done.judged) == (0, 4)
    assert [it.rule for it in report.findings] == [BASELINE]
    assert "other weights" in report.blind
    assert world.open_rules() == [BASELINE]

    world.rounds.run(world.target)
    assert world.open_rules() == []


def test_a_correction_resisted_more_often_than_when_enrolled_opens_an_incident() -> None:
    world = World(probes=True)
    world.says = lambda request: "yes"
    world.enrol()
    world.says = lambda request: "no" if request.messages[0].text == "correction" else "It is safe."
    for _ in range(8):
        report = world.rounds.run(world.target)
        if report.findings:
            break
    assert [it.subject for it in report.findings] == ["t/delivered"]
    assert world.open_rules() == ["correction.stop"]


def test_a_model_that_never_obeyed_opens_nothing_and_its_verdicts_are_kept() -> None:
    world = World(probes=True)
    world.says = lambda request: "no"
    world.enrol()
    for _ in range(30):
        world.rounds.run(world.target)
    assert world.ledger.incidents() == []
    enrolled = world.ledger.baseline("correction.stop", "t/delivered")
    assert enrolled is not None
    assert enrolled.hits == enrolled.trials == 20


def test_a_channel_that_already_differs_when_enrolled_is_told_at_once() -> None:
    world = World()
    world.says = _every_other("It is risky.", "It is safe.")
    enrolment = world.enrolling.enrol(world.target, questions=40, corrections=4)
    assert enrolment.standing
    assert world.open_rules() == [STANDING]


def test_an_enrolment_that_could_not_measure_enough_records_nothing() -> None:
    world = World()
    answers = itertools.cycle(["It is safe.", ChannelError("busy", hint="wait", reason=Reason.RATE_LIMITED)])
    world.says = lambda request: next(answers)
    with pytest.raises(ChannelError, match="30 of 60") as caught:
        world.enrol()
    assert caught.value.reason is Reason.RATE_LIMITED
    assert world.ledger.decisions == []


def test_everything_a_round_did_is_in_the_ledger_once() -> None:
    world = World()
    with world.ledger.transaction() as transaction:
        transaction.append(Enrolled(at=NOW, baseline=baseline()))
    report = world.rounds.run(world.target)
    kept = [it for it in world.ledger.decisions if isinstance(it, Compared | RoundDone)]
    assert kept == [*report.compared, report.done]


def test_a_channel_is_never_asked_two_things_at_once_and_hears_them_in_its_own_order() -> None:
    world = World(probes=True)
    world.enrol()
    del world.delivered.requests[:], world.direct.requests[:]
    for _ in range(5):
        world.rounds.run(world.target)

    def order(channel: CannedChannel) -> list[str]:
        return [request.messages[0].text for request in channel.requests]

    assert sorted(order(world.delivered)) == sorted(order(world.direct))
    assert order(world.delivered) != order(world.direct)


def test_edits_are_no_evidence_about_corrections_so_the_alarm_names_its_stream() -> None:
    honest, edited = World(probes=True), World(probes=True)
    for world in (honest, edited):
        world.says = lambda request: "yes"
        world.enrol()
    edited.says = lambda request: "yes" if request.messages[0].text in {"control", "correction"} else "It is risky."
    for world in (honest, edited):
        for _ in range(3):
            world.rounds.run(world.target)
    one, other = (world.ledger.stream("correction.stop", "t/delivered") for world in (honest, edited))
    assert one == other
    assert edited.open_rules() == [EDITED]


def test_after_another_enrolment_the_old_replies_count_no_more() -> None:
    world = World()
    world.enrol()
    for _ in range(5):
        world.rounds.run(world.target)
    world.enrol()
    world.rounds.run(world.target)
    stream = world.ledger.stream(EDITED, "t")
    assert (stream.trials, stream.arming) == (3, 2)


def test_a_page_says_what_it_promises_and_for_the_whole_installation() -> None:
    world = World()
    world.enrol()
    world.says = lambda request: "It is risky."
    (finding,) = world.rounds.run(world.target).findings
    assert "in 1,000 lifetimes of this stream" in finding.promise
    assert finding.promise.startswith("the evidence passed 1,645 to 1 (arming 1), whatever it is now: ")
    assert finding.promise.endswith("of the 0.1 false incidents a year that the whole installation is allowed")
