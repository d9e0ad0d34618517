"""Rounds in which tool calls are compared: what opens an incident, what is named, and what can be computed again."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from detectors.divergence.calls import CallTest
from detectors.sequential import RateTest
from probes.channels.scripted import CannedChannel
from probes.questions.calling import load_calls
from probes.scripted_calls import call_for
from storage.memory import MemoryLedger
from tests.builders import at
from tests.watching import NoQuestions, YesProbe
from watchdog.call_findings import TOOL_CALL, UNASKED
from watchdog.desk import Desk
from watchdog.domain.decisions import Compared
from watchdog.domain.exchanges import ChannelRole, Reason, Request
from watchdog.domain.findings import Suspect
from watchdog.domain.incidents import IncidentState
from watchdog.domain.recomputed import Outcome
from watchdog.domain.tools import ToolCall
from watchdog.enrolment import Enrolling
from watchdog.errors import ChannelError, ConfigError
from watchdog.incident_view import print_incident
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.provenance import running_code
from watchdog.recompute import Recomputing
from watchdog.rounds import RoundReport, Rounds
from watchdog.rules import STANDING
from watchdog.targets import Calls, Target

Says = Callable[[Request], str | tuple[ToolCall, ...] | ChannelError]


def honest(request: Request) -> str | tuple[ToolCall, ...]:
    return (call_for(request),) if request.tools else "yes"


def edited(request: Request) -> str | tuple[ToolCall, ...]:
    if not request.tools:
        return "yes"
    call = call_for(request)
    values = json.loads(call.arguments)
    last = list(values)[-1]
    return (ToolCall.of(call.name, json.dumps(values | {last: "Mallory"})),)


def refuses(request: Request) -> str | ChannelError:
    return ChannelError("no", hint="none", reason=Reason.TOOLS_REFUSED) if request.tools else "yes"


def talks(request: Request) -> str:
    return "I would call something." if request.tools else "yes"


def injects(request: Request) -> str | tuple[ToolCall, ...]:
    return (ToolCall.of("run\x1b[2J", "{}"),)


class World:
    """A target whose tool calls are compared with those of its direct channel; nothing scores."""

    def __init__(self, *, per_round: int = 2) -> None:
        self.ledger = MemoryLedger()
        self.delivered: Says = honest
        self.direct: Says = honest
        seconds, seeds = itertools.count(), itertools.count(1)
        now = lambda: at(next(seconds))  # noqa: E731 - a clock of one line
        self.target = Target(
            name="t",
            delivered=CannedChannel(ChannelRole.DELIVERED, now, lambda it: self.delivered(it)),  # noqa: PLW0108 - as it is then
            direct=CannedChannel(ChannelRole.DIRECT, now, lambda it: self.direct(it)),  # noqa: PLW0108 - the same
            comparator=None,
            evidence=RateTest(alpha=0.0001, a_year=0.1),
            probes=(YesProbe(),),
            questions_per_round=2,
            reply_tokens=8,
            calls=Calls(questions=load_calls(), per_round=per_round, check=CallTest(), against=ChannelRole.DIRECT),
        )
        shared = {
            "questions": NoQuestions(),
            "desk": Desk(self.ledger, ()),
            "measuring": Measuring(now),
            "now": now,
            "draw_seed": lambda: next(seeds),
            "lookout": Lookout(ledger=self.ledger),
        }
        self.rounds = Rounds(ledger=self.ledger, **shared)  # type: ignore[arg-type]
        self.enrolling = Enrolling(**shared)  # type: ignore[arg-type]

    def enrol(self) -> "World":
        self.enrolling.enrol(self.target, questions=48, corrections=8)
        return self

    def run(self) -> RoundReport:
        return self.rounds.run(self.target)

    def open_rules(self) -> set[str]:
        return {it.rule for it in self.ledger.incidents(IncidentState.OPEN)}

    def calls(self) -> list[Compared]:
        return [it for it in self.ledger.decisions if isinstance(it, Compared) and it.calls is not None]


def test_honest_calls_open_nothing_and_are_counted() -> None:
    world = World().enrol()
    reports = [world.run() for _ in range(10)]
    assert {(it.done.compared, it.done.flagged, it.done.unmeasured) for it in reports} == {(2, 0, 0)}
    assert world.open_rules() == set()
    baseline = world.ledger.baseline(TOOL_CALL, "t")
    assert baseline is not None
    assert (baseline.trials, baseline.hits) == (48, 0)


def test_edited_calls_open_an_incident_in_one_round_that_names_the_argument_and_both_values() -> None:
    world = World().enrol()
    world.delivered = edited
    report = world.run()
    (finding,) = report.findings
    assert (finding.rule, finding.suspect) == (TOOL_CALL, Suspect.WRAPPER)
    assert "arguments." in finding.summary
    assert '"Mallory"' in finding.summary
    assert all("Mallory" in span.delivered and span.expected for span in finding.spans)
    assert set(finding.evidence) <= {it.id for it in report.compared}
    assert world.open_rules() == {TOOL_CALL}
    world.delivered = honest
    for _ in range(3):
        world.run()
    assert world.open_rules() == set()


def test_a_flagged_call_is_asked_about_again_at_once_and_one_alone_is_no_incident() -> None:
    world = World().enrol()
    turn = itertools.count()
    world.delivered = lambda request: edited(request) if request.tools and next(turn) == 0 else honest(request)
    report = world.run()
    assert sum(it.calls is not None for it in report.compared) == 2 + 8
    assert report.done.flagged == 1
    assert world.open_rules() == set()


def test_a_wholly_different_call_points_at_nobody_in_particular() -> None:
    world = World().enrol()
    world.delivered = lambda request: (ToolCall.of("other", "{}"),) if request.tools else "yes"
    (finding,) = world.run().findings
    assert finding.suspect is Suspect.UNKNOWN


@pytest.mark.parametrize(
    ("delivered", "direct", "reason"),
    [
        (refuses, honest, Reason.TOOLS_REFUSED),
        (talks, talks, Reason.NO_CALL),
        (honest, refuses, Reason.DIRECT_SILENT),
    ],
)
def test_calls_that_cannot_be_compared_are_named_and_soon_told(delivered: Says, direct: Says, reason: Reason) -> None:
    world = World().enrol()
    world.delivered, world.direct = delivered, direct
    report = world.run()
    assert {it.reason for it in report.compared} == {reason}
    assert report.done.compared == 0
    for _ in range(12):
        world.run()
    (incident,) = world.ledger.incidents(IncidentState.OPEN)
    assert (incident.rule, reason in incident.summary, "edited tool calls" in incident.summary) == ("blind", True, True)


def test_an_endpoint_that_refuses_tools_cannot_be_enrolled_with_them() -> None:
    world = World()
    world.delivered = refuses
    with pytest.raises(ChannelError, match="tools_refused") as caught:
        world.enrol()
    assert "tool-questions-per-round" in caught.value.hint


def test_a_target_that_was_enrolled_without_tool_calls_is_not_silently_left_unwatched() -> None:
    world = World()
    world.enrolling.enrol(replace(world.target, calls=None), questions=4, corrections=8)
    with pytest.raises(ConfigError, match="without tool calls"):
        world.run()


def test_calls_that_differ_already_at_enrolment_are_said_to() -> None:
    world = World()
    world.delivered = edited
    world.enrol()
    assert world.open_rules() == {STANDING}


@pytest.mark.parametrize("calls", [True, False])
def test_a_call_that_nobody_asked_for_is_a_finding_of_its_own(calls: bool) -> None:
    world = World().enrol()
    if not calls:
        world.target = replace(world.target, calls=None)
    world.delivered = injects
    report = world.run()
    unasked = next(it for it in report.findings if it.rule == UNASKED)
    assert unasked.suspect is Suspect.WRAPPER
    assert unasked.summary.isprintable()
    assert {it.verdict.reason for it in report.judged if it.channel is ChannelRole.DELIVERED} == {Reason.UNASKED_CALL}
    world.delivered = honest
    for _ in range(3):
        world.run()
    assert UNASKED not in world.open_rules()


def test_the_record_alone_gives_the_differences_again(capsys: pytest.CaptureFixture[str]) -> None:
    world = World().enrol()
    world.delivered = edited
    world.run()
    recompute = Recomputing(
        record=world.ledger,
        remeasure=lambda scoring, tau: pytest.fail("no words were compared"),
        observe=RateTest(alpha=0.0001, a_year=0.1).weigh,
        probes={"stop": YesProbe},
        code=running_code(),
    )
    (incident,) = world.ledger.incidents(IncidentState.OPEN)
    flagged = [it for it in world.calls() if it.flagged]
    for it in flagged:
        found = recompute.recompute(it.id)
        assert found.outcome is Outcome.SAME, found
        assert "flagged" in {check.what for check in found.checks}
    print_incident(incident, world.ledger.events(incident.id), flagged)
    shown = capsys.readouterr().out
    assert "Mallory" in shown
    assert flagged[0].calls is not None
    assert flagged[0].calls.differences[0].path in shown
