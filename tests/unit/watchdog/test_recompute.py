"""What a round concluded comes out again from the record alone; what does not fit the record is named."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import pytest

from detectors.divergence.gap import GapTest
from detectors.divergence.logprobs import LogprobTest
from detectors.divergence.scorings import remeasure
from detectors.sequential import RateTest, observe
from probes.channels.scripted import ScriptedModelChannel
from probes.questions import load_questions
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from probes.stop import StopProbe
from storage.memory import MemoryLedger
from tests.builders import NOW, at, compared, exchange, finding, judged
from watchdog.desk import Desk
from watchdog.domain.decisions import Compared, Decision, Enrolled, HeldBack, IncidentChanged, Judged, Weighed
from watchdog.domain.exchanges import ChannelRole, Exchange, Reason, Request
from watchdog.domain.exhibits import Code, Exhibit
from watchdog.domain.recomputed import Check, Outcome, Recomputed
from watchdog.domain.verdicts import Arm, Grade, Verdict
from watchdog.enrolment import Enrolling
from watchdog.errors import LedgerError
from watchdog.exhibiting import verdict_exhibit
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.ports import Channel
from watchdog.provenance import running_code
from watchdog.recompute import Recomputing
from watchdog.rehearsal.editing import edit
from watchdog.rounds import Rounds
from watchdog.targets import Target
from watchdog.weighing import CLEAN_ROUNDS

_D = TypeVar("_D", bound=Decision)


@dataclass
class Editing:
    """A delivered channel that edits while it is told to."""

    channel: Channel
    editing: bool = False
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    role: ChannelRole = ChannelRole.DELIVERED

    def ask(self, request: Request) -> Exchange:
        answer = self.channel.ask(request)
        return replace(answer, reply=edit(answer.reply, self.dice).text) if self.editing else answer


class World:
    """A scripted model behind a gateway, and a record of what the watchdog made of it."""

    def __init__(self, *, lists: bool = False) -> None:
        self.ledger = MemoryLedger()
        seconds, seeds = itertools.count(), itertools.count(100)

        def now() -> datetime:
            return at(next(seconds))

        model = ScriptedModel(seed=1, noise=0.15)
        self.gateway = Editing(ScriptedModelChannel(model, ChannelRole.DELIVERED, lambda: NOW))
        self.target = Target(
            name="t",
            delivered=self.gateway,
            direct=None,
            comparator=GapTest(scorer=ScriptedScorer(ScriptedModel(seed=1))),
            logprobs=LogprobTest(scorer=ScriptedScorer(ScriptedModel(seed=1))) if lists else None,
            evidence=RateTest(alpha=0.001, a_year=0.1),
            probes=(StopProbe(),),
            questions_per_round=3,
            reply_tokens=24,
        )
        shared: dict[str, Any] = {
            "questions": load_questions(),
            "desk": Desk(self.ledger, ()),
            "measuring": Measuring(now),
            "now": now,
            "draw_seed": lambda: next(seeds),
            "lookout": Lookout(ledger=self.ledger),
        }
        self.rounds = Rounds(ledger=self.ledger, **shared)
        self.enrolling = Enrolling(**shared)

    def play(self) -> "World":
        """Enrol, be clean, be edited until there is an incident, recover, and be edited again."""
        self.enrolling.enrol(self.target, questions=24, corrections=4)
        for editing, rounds in ((False, 2), (True, 3), (False, CLEAN_ROUNDS), (True, 3)):
            self.gateway.editing = editing
            for _ in range(rounds):
                self.rounds.run(self.target)
        return self

    def recomputing(self, code: Code | None = None) -> Recomputing:
        return Recomputing(
            record=self.ledger,
            remeasure=remeasure,
            observe=observe,
            probes={"stop": StopProbe},
            code=code or running_code(),
        )

    def all(self, kind: type[_D]) -> list[_D]:
        return [it for it in self.ledger.decisions if isinstance(it, kind)]

    def change(self, id_: str, change: Callable[[Compared], Compared]) -> None:
        self.ledger.decisions = [
            change(it) if isinstance(it, Compared) and it.id == id_ else it for it in self.ledger.decisions
        ]


@pytest.fixture(scope="module")
def played() -> World:
    return World().play()


@pytest.fixture
def world(played: World) -> World:
    copy = World()
    copy.ledger.decisions = list(played.ledger.decisions)
    return copy


def _named(result: Recomputed, what: str) -> Check:
    return next(it for it in result.checks if it.what == what)


def _differing(result: Recomputed) -> set[str]:
    return {it.what for it in result.checks if not it.holds}


def test_every_comparison_comes_out_the_same(world: World) -> None:
    comparisons = world.all(Compared)
    assert sum(it.comparison is not None and it.comparison.flagged for it in comparisons) > 5
    for it in comparisons:
        result = world.recomputing().recompute(it.id)
        assert (result.outcome, result.kind, result.id) == (Outcome.SAME, "comparison", it.id), result
        assert all(check.identical for check in result.checks)
        assert it.comparison is not None
        assert _named(result, "gap").recomputed == it.comparison.gap


def test_log_probabilities_come_out_the_same_and_others_do_not() -> None:
    world = World(lists=True)
    world.enrolling.enrol(world.target, questions=6, corrections=1)
    it = next(one for one in world.all(Compared) if one.exhibit is not None and one.logprobs is not None)
    fine = world.recomputing().recompute(it.id)
    assert _named(fine, "distance of the log probabilities").identical
    assert _named(fine, "tokens the channel listed").identical
    assert it.logprobs is not None
    world.ledger.decisions[world.ledger.decisions.index(it)] = replace(it, logprobs=replace(it.logprobs, distance=0.25))
    assert _differing(world.recomputing().recompute(it.id)) == {"distance of the log probabilities"}


def test_every_verdict_comes_out_the_same(world: World) -> None:
    verdicts = world.all(Judged)
    assert verdicts
    for it in verdicts:
        result = world.recomputing().recompute(it.id)
        assert (result.outcome, result.notes) == (Outcome.SAME, ()), result
        assert _named(result, "grade").recomputed == it.verdict.grade


def test_the_evidence_of_every_finding_comes_out_to_the_last_bit_also_after_a_recovery(world: World) -> None:
    incidents = world.ledger.incidents()
    assert len(incidents) == 2
    for incident in incidents:
        result = world.recomputing().recompute(incident.id)
        findings = [it for it in result.parts if it.kind == "finding"]
        assert result.outcome is Outcome.SAME
        assert len(findings) == incident.findings
        assert {it.kind for it in result.parts} == {"finding", "comparison"}
        for it in findings:
            assert all(check.identical for check in it.checks)
            value = _named(it, "evidence value").recorded
            assert isinstance(value, float)
            assert value > 1000


def test_the_evidence_of_resisted_corrections_comes_out_to_the_last_bit() -> None:
    world = World()
    world.enrolling.enrol(world.target, questions=24, corrections=16)
    deaf = ScriptedModel(seed=1, noise=0.15, resists=True)
    world.gateway.channel = ScriptedModelChannel(deaf, ChannelRole.DELIVERED, lambda: NOW)
    for _ in range(12):
        world.rounds.run(world.target)
    (incident,) = [it for it in world.ledger.incidents() if it.rule == "correction.stop"]

    result = world.recomputing().recompute(incident.id)

    assert result.outcome is Outcome.SAME
    assert {it.kind for it in result.parts} == {"finding", "verdict"}
    findings = [it for it in result.parts if it.kind == "finding"]
    assert all(check.identical for it in findings for check in it.checks)
    assert all(_named(it, "hits").recomputed for it in findings)


def test_a_finding_that_claims_more_than_the_observations_show_differs(world: World) -> None:
    (index, changed) = next(
        (n, it) for n, it in enumerate(world.ledger.decisions) if isinstance(it, IncidentChanged) and it.event.finding
    )
    assert changed.event.finding is not None
    more = replace(changed.event.finding, evidence_value=changed.event.finding.evidence_value * 1.001)
    world.ledger.decisions[index] = replace(changed, event=replace(changed.event, finding=more))

    result = world.recomputing().recompute(changed.event.incident.id)

    assert result.outcome is Outcome.DIFFERS
    assert _differing(next(it for it in result.parts if it.leaf == index)) == {"evidence value"}


def test_an_observation_that_was_taken_out_shows_in_the_evidence_of_every_later_finding(world: World) -> None:
    incident = world.ledger.incidents()[-1]
    flagged = next(it for it in world.all(Compared) if it.comparison is not None and it.comparison.flagged)
    world.ledger.decisions.remove(flagged)

    result = world.recomputing().recompute(incident.id)

    assert result.outcome is Outcome.DIFFERS
    findings = [it for it in result.parts if it.kind == "finding"]
    assert {"observations", "hits", "evidence value"} <= _differing(findings[0])


def test_what_was_dropped_while_the_disk_was_full_is_said_to_be_why_nothing_can_be_recomputed(world: World) -> None:
    incident = world.ledger.incidents()[-1]
    world.ledger.decisions = [
        it for it in world.ledger.decisions if not isinstance(it, Compared) or it.comparison is None
    ]
    world.ledger.decisions.append(HeldBack(at=NOW, since=NOW, decisions=3, dropped=70, why="disk full"))

    result = world.recomputing().recompute(incident.id)

    assert result.outcome is Outcome.UNABLE
    assert "70 leaves were dropped" in str(result.parts[0].unable)


def test_another_digit_is_rounding_only_where_logarithms_were_taken() -> None:
    assert Check(what="evidence value", recorded=1000.0, recomputed=1000.0 * (1 + 1e-12), rounds=True).holds
    assert not Check(what="evidence value", recorded=1000.0, recomputed=1001.0, rounds=True).holds
    assert not Check(what="gap", recorded=5.0, recomputed=5.0 * (1 + 1e-15)).holds


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda it: replace(it, delivered_reply=it.delivered_reply + "!"), {"delivered reply"}),
        (lambda it: replace(it, prompt="another"), {"prompt"}),
        (lambda it: replace(it, comparison=replace(it.comparison, gap=it.comparison.gap + 1e-12)), {"gap"}),
        (lambda it: replace(it, comparison=replace(it.comparison, tau=0.6)), {"tau"}),
        (lambda it: replace(it, comparison=replace(it.comparison, tau=99.0)), {"tau", "flagged"}),
        (lambda it: replace(it, comparison=replace(it.comparison, spans=())), {"edited spans"}),
    ],
)
def test_a_leaf_that_says_something_else_than_its_exhibit_differs(
    world: World, change: Callable[[Compared], Compared], what: set[str]
) -> None:
    flagged = next(it for it in world.all(Compared) if it.comparison is not None and it.comparison.flagged)
    world.change(flagged.id, change)

    result = world.recomputing().recompute(flagged.id)

    assert (result.outcome, _differing(result)) == (Outcome.DIFFERS, what)


def test_an_exhibit_of_one_other_bit_differs_and_is_not_even_read(world: World) -> None:
    flagged = world.all(Compared)[-1]
    assert flagged.exhibit is not None
    assert flagged.exhibit.body is not None
    bent = flagged.exhibit.body[:-1] + b"\x7c"
    world.change(flagged.id, lambda it: replace(it, exhibit=replace(flagged.exhibit, body=bent)))  # type: ignore[type-var]

    result = world.recomputing().recompute(flagged.id)

    assert (result.outcome, _differing(result)) == (Outcome.DIFFERS, {"exhibit"})


def test_an_enrolment_that_was_exchanged_afterwards_shows_in_the_comparisons_held_against_it(world: World) -> None:
    world.ledger.decisions = [
        replace(it, baseline=replace(it.baseline, hits=it.baseline.hits + 1))
        if isinstance(it, Enrolled) and it.baseline.subject == "t"
        else it
        for it in world.ledger.decisions
    ]
    result = world.recomputing().recompute(world.all(Compared)[-1].id)
    assert (result.outcome, _differing(result)) == (Outcome.DIFFERS, {"baseline"})


def test_an_exhibit_of_a_newer_version_cannot_be_recomputed(world: World) -> None:
    newest = world.all(Compared)[-1]
    world.change(newest.id, lambda it: replace(it, exhibit=Exhibit.of(b'{"format":"v9"}')))
    result = world.recomputing().recompute(newest.id)
    assert result.outcome is Outcome.UNABLE
    assert "not one this version knows" in str(result.unable)


def test_other_code_is_named_and_changes_no_outcome(world: World) -> None:
    newest = world.all(Compared)[-1]
    later = Code(version="9.9.9", digest="f" * 64)

    result = world.recomputing(later).recompute(newest.id)

    assert result.outcome is Outcome.SAME
    assert result.notes == (f"made by {running_code()}; recomputed by {later}",)
    assert result.made_by == running_code()


def test_a_verdict_that_says_something_else_differs(world: World) -> None:
    verdict = world.all(Judged)[0]
    other = Verdict(grade=Grade.RESISTED, why="it went on")
    world.ledger.decisions = [replace(it, verdict=other) if it == verdict else it for it in world.ledger.decisions]
    result = world.recomputing().recompute(verdict.id)
    assert (result.outcome, _differing(result)) == (Outcome.DIFFERS, {"grade"})


def test_what_has_nothing_to_recompute_it_from_says_why() -> None:
    world = World()
    desk = Desk(world.ledger, ())
    case = StopProbe().render(Arm.CORRECTION, 7)
    of_a_plugin = replace(
        judged("v2"), family="plugin", exhibit=verdict_exhibit(case, exchange(""), code=running_code())
    )
    unanswered = replace(compared("c2"), comparison=None, reason=Reason.TIMED_OUT)
    desk.report([compared("c1"), unanswered, judged("v1"), of_a_plugin], [finding(rule="blind", evidence=())])
    (incident,) = world.ledger.incidents()

    results = {id_: world.recomputing().recompute(id_) for id_ in ("c1", "c2", "v2", incident.id)}

    assert {it.outcome for it in results.values()} == {Outcome.UNABLE}
    assert results["c1"].unable == "whoever measured it kept no exhibit"
    assert results["c2"].unable == "nothing was measured: timed_out"
    assert "no probe is called 'plugin'" in str(results["v2"].unable)
    assert "a hard rule" in str(results[incident.id].parts[0].unable)
    with pytest.raises(LedgerError):
        world.recomputing().recompute("nobody")


def test_an_incident_whose_evidence_is_gone_cannot_be_recomputed() -> None:
    world = World()
    Desk(world.ledger, ()).report([], [finding(rule="divergence.standing", evidence=("c1",))])
    result = world.recomputing().recompute(world.ledger.incidents()[0].id)
    assert result.outcome is Outcome.UNABLE
    assert [it.kind for it in result.parts] == ["finding", "evidence"]


def test_the_record_of_a_finding_holds_the_weighing_it_was_concluded_from(world: World) -> None:
    """The fold relies on it: a round is recorded as observations, then weighings, then findings."""
    decisions = world.ledger.decisions
    for n, it in enumerate(decisions):
        if isinstance(it, IncidentChanged) and it.event.finding is not None:
            before = [at_ for at_ in decisions[:n] if isinstance(at_, Weighed) and at_.stream.subject == "t"]
            assert before[-1].stream.evidence == it.event.finding.evidence_value
