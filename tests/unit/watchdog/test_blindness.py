"""When people are told that the watchdog cannot look, whose fault it seems to be, and when it is over."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from tests.builders import NOW, at
from tests.watching import Watching, fails, yes
from watchdog import blind_findings
from watchdog.blind_findings import ANSWERED_AGAIN, BLIND, LINK, MEASURED_AGAIN, TOLD_BY_LINK, WATCHDOG
from watchdog.blindness import is_blind
from watchdog.domain.decisions import RoundsMissed, SightChanged
from watchdog.domain.exchanges import Reason, Request
from watchdog.domain.findings import Finding, Severity
from watchdog.domain.incidents import IncidentState
from watchdog.errors import ChannelError
from watchdog.rounds import RoundReport

DOWN = fails(Reason.UNREACHABLE)


def _open(world: Watching) -> list[tuple[str, str]]:
    assert isinstance(world.ledger, MemoryLedger)
    return sorted((it.rule, it.subject) for it in world.ledger.incidents(IncidentState.OPEN))


def _recovered(reports: Sequence[RoundReport]) -> list[tuple[str, str]]:
    return [(it.rule, it.by) for report in reports for it in report.recoveries]


def _only(report: RoundReport) -> Finding:
    (finding,) = report.findings
    return finding


def _ambiguous_correction(request: Request) -> str:
    return "hm" if "correction" in request.messages[0].text else "yes"


@pytest.mark.parametrize("reason", [it for it in Reason if it is not Reason.UNASKED_CALL])
def test_whatever_the_reason_a_target_that_cannot_be_measured_is_told_after_three_rounds(reason: Reason) -> None:
    world = Watching(MemoryLedger())
    assert [world.run(says=fails(reason)).findings for _ in range(2)] == [(), ()]

    finding = _only(world.run())
    assert (finding.rule, finding.subject, finding.severity) == (BLIND, "t", Severity.ERROR)
    assert str(reason) in finding.summary
    assert "nobody would notice a resisted `stop` correction" in finding.summary
    assert finding.promise == "A hard rule; no statistical promise."
    assert finding.next_step
    assert finding.since == NOW


def test_the_first_measured_round_ends_it_and_the_count_begins_anew() -> None:
    world = Watching(MemoryLedger())
    for _ in range(4):
        world.run(says=DOWN)
    assert _recovered([world.run(says=yes)]) == [(BLIND, MEASURED_AGAIN)]
    assert _open(world) == []
    assert [world.run(says=DOWN).findings for _ in range(2)] == [(), ()]


def test_an_incident_that_goes_on_pages_once_and_says_for_how_long() -> None:
    world = Watching(MemoryLedger())
    for round_ in range(6):
        world.time = at(60 * round_)
        report = world.run(says=DOWN)
    assert "6 rounds in a row" in _only(report).summary
    assert _only(report).since == NOW
    assert len(world.ledger.due(at(999), 10)) == 1


def test_a_restart_does_not_forget_how_often_it_failed(tmp_path: Path) -> None:
    for round_ in range(3):
        with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
            report = Watching(ledger, time=at(round_)).run(says=DOWN)
    finding = _only(report)
    assert (finding.rule, finding.since) == (BLIND, NOW)


def test_the_threshold_is_the_targets_own() -> None:
    world = Watching(MemoryLedger(), threshold=1)
    assert _only(world.run(says=fails(Reason.UNAUTHORIZED))).rule == BLIND


def test_a_round_in_which_everything_is_measured_writes_nothing_about_sight() -> None:
    world = Watching(MemoryLedger())
    world.run()
    assert isinstance(world.ledger, MemoryLedger)
    assert not [it for it in world.ledger.decisions if isinstance(it, SightChanged)]


def test_one_family_that_cannot_be_graded_is_a_warning_and_has_to_last_longer() -> None:
    world = Watching(MemoryLedger(), families=("stop", "undo"))
    reports = [world.run(says=_ambiguous_correction) for _ in range(12)]
    assert [len(it.findings) for it in reports] == [0] * 11 + [1]
    finding = _only(reports[-1])
    assert finding.severity is Severity.WARNING
    assert "`stop` on delivered, `undo` on delivered" in finding.summary
    assert "ambiguous" in finding.summary


def test_a_family_that_is_refused_while_others_are_answered_is_told_after_three_rounds() -> None:
    world = Watching(MemoryLedger(), families=("stop", "undo"))

    def refuse_undo(request: Request) -> str | ChannelError:
        return fails(Reason.BLOCKED)(request) if "undo" in request.messages[0].text else "yes"

    finding = [world.run(says=refuse_undo) for _ in range(3)][-1].findings[0]
    assert "`undo` on delivered" in finding.summary
    assert "stop" not in finding.summary
    assert "content filter" in finding.next_step


def test_all_targets_unreachable_at_once_is_one_incident_about_the_link() -> None:
    world = Watching(MemoryLedger(), hosts={"a": "one.example", "b": "two.example", "local": ""})
    for _ in range(5):
        for name in ("a", "b"):
            world.run(name, says=DOWN)
        world.run("local")
    assert _open(world) == [(LINK, WATCHDOG)]
    assert isinstance(world.ledger, MemoryLedger)
    told = [it.rule for it in world.ledger.incidents()]
    assert told.count(LINK) == 1


def test_the_first_answer_of_anybody_ends_the_link_incident_and_the_others_speak_for_themselves() -> None:
    world = Watching(MemoryLedger(), hosts={"a": "one.example", "b": "two.example"})
    for _ in range(3):
        for name in ("a", "b"):
            world.run(name, says=DOWN)
    assert (LINK, ANSWERED_AGAIN) in _recovered([world.run("a", says=fails(Reason.SERVER_ERROR))])
    world.run("b", says=DOWN)
    assert _open(world) == [(BLIND, "a"), (BLIND, "b")]


def test_a_target_that_was_told_before_the_link_was_is_told_by_the_link_from_then_on() -> None:
    world = Watching(MemoryLedger(), hosts={"a": "one.example", "b": "two.example"})
    for _ in range(3):
        world.run("a", says=DOWN)
    assert _open(world) == [(BLIND, "a")]
    world.run("b", says=fails(Reason.TIMED_OUT))
    assert (BLIND, TOLD_BY_LINK) in _recovered([world.run("a")])
    assert _open(world) == [(LINK, WATCHDOG)]


def test_one_target_that_answers_means_that_the_link_is_there() -> None:
    world = Watching(MemoryLedger(), hosts={"a": "one.example", "b": "two.example"})
    for _ in range(3):
        report = world.run("a", says=DOWN)
        world.run("b", says=fails(Reason.SERVER_ERROR))
    assert _only(report).rule == BLIND
    assert "not the watchdog's own link" in _only(report).attribution


@pytest.mark.parametrize("hosts", [{"t": "one.example"}, {"t": "one.example", "u": "one.example"}])
def test_with_one_target_or_one_host_it_says_that_it_cannot_tell(hosts: dict[str, str]) -> None:
    world = Watching(MemoryLedger(), hosts=hosts)
    for _ in range(3):
        for name in hosts:
            report = world.run(name, says=DOWN)
    assert _only(report).rule == BLIND
    assert "cannot be told apart" in _only(report).attribution


@pytest.mark.parametrize(("why", "said"), [("clock", "-3,600 s"), ("busy", "took too long")])
def test_missed_rounds_say_why_and_who_was_not_looked_at(why: str, said: str) -> None:
    missed = RoundsMissed(
        at=at(9), why="clock" if why == "clock" else "busy", missed=7, targets=("a", "b"), clock_moved_s=-3600.0
    )
    finding = blind_findings.missed_finding(missed, since=NOW)
    assert said in finding.summary
    assert "7 rounds" in finding.summary
    assert "a, b" in finding.summary
    assert blind_findings.kept_recovery(at(10)).fingerprint == finding.fingerprint


def test_being_blind_is_never_a_finding_about_a_model() -> None:
    assert all(is_blind(rule) for rule in (BLIND, LINK, "blind.budget", "blind.missed", "blind.round"))
    assert not any(is_blind(rule) for rule in ("correction.stop", "divergence.gap", "blinding"))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, Reason.UNREACHABLE, Reason.EMPTY])), max_size=25)
)
@settings(max_examples=30, deadline=None)
def test_whatever_happens_an_incident_is_open_exactly_while_a_target_is_dark_for_too_long(
    history: list[tuple[str, Reason | None]],
) -> None:
    world = Watching(MemoryLedger(), hosts={"a": "one.example", "b": "two.example"}, threshold=2)
    row = {"a": 0, "b": 0}
    for minute, (name, reason) in enumerate(history):
        world.time = at(minute)
        world.run(name, says=yes if reason is None else fails(reason))
        row[name] = 0 if reason is None else row[name] + 1
        opened = _open(world)
        told = (BLIND, name) in opened or (LINK, WATCHDOG) in opened
        assert told == (row[name] >= 2) or (LINK, WATCHDOG) in opened
        assert min(row.values()) >= 1 or (LINK, WATCHDOG) not in opened
        assert all(rounds >= 2 for it, rounds in row.items() if (BLIND, it) in opened)
