"""Each view answers the question that it is for."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from storage.ledger import SqliteLedger
from tests.builders import NOW, at, compared, finding, judged, recovery
from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.conclusions import Conclusion, Disposition
from watchdog.domain.decisions import (
    Alive,
    Decision,
    IncidentChanged,
    NoticeAnswered,
    RoundDone,
    RoundSkipped,
    RoundsMissed,
    Started,
    Stopped,
)
from watchdog.domain.exchanges import Reason
from watchdog.domain.incidents import acknowledge, close
from watchdog.domain.notices import Attempt, Delivery
from watchdog.domain.verdicts import Grade, Verdict

Ask = Callable[[str], list[tuple[object, ...]]]
ADA = Actor(name="Ada", uid=1000)


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    return SqliteLedger(tmp_path / "ledger.sqlite")


@pytest.fixture
def ask(ledger: SqliteLedger) -> Ask:
    def asked(query: str) -> list[tuple[object, ...]]:
        ledger.close()
        with closing(sqlite3.connect(f"file:{ledger.path}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            return connection.execute(query).fetchall()

    return asked


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"


def _round(id_: str, seconds: float, *, enrolment: bool = False) -> RoundDone:
    return RoundDone(
        id=id_,
        at=at(seconds + 30),
        target="t",
        started_at=at(seconds),
        seed=1,
        compared=3,
        flagged=1,
        judged=2,
        unmeasured=1,
        tokens=100,
        enrolment=enrolment,
    )


def _skipped(seconds: float) -> RoundSkipped:
    return RoundSkipped(at=at(seconds), round_id="r", target="t", what="round", needed=500, spent=900, budget=1000)


def _answer(ledger: SqliteLedger, notifier: str, seconds: float, outcome: Delivery) -> None:
    (due,) = [it for it in ledger.due(at(seconds), 10) if it.notice.notifier == notifier]
    next_at = at(seconds + 10) if outcome is Delivery.RETRY else None
    attempt = Attempt(
        notice_id=due.notice.id,
        number=due.attempts + 1,
        outcome=outcome,
        answer=str(outcome),
        at=at(seconds),
        next_at=next_at,
    )
    Desk(ledger, ()).report([NoticeAnswered(at=attempt.at, attempt=attempt)])


def _act(ledger: SqliteLedger, step: Callable[..., object], *arguments: object, **named: object) -> None:
    with ledger.transaction() as transaction:
        current = transaction.open_incident(finding().fingerprint)
        event = step(current, *arguments, **named)
        transaction.append(IncidentChanged(at=event.at, event=event))  # type: ignore[attr-defined]


def test_the_timeline_has_every_step_in_order_and_who_took_it(ledger: SqliteLedger, ask: Ask) -> None:
    Desk(ledger, ()).report([], [finding(), finding(seconds=5, evidence=("c2",))])
    _act(ledger, acknowledge, by=ADA, now=at(9), note="looking")
    Desk(ledger, ()).report([], [], [recovery()])

    rows = ask("SELECT rule, subject, kind, at, actor, note, leaf FROM incident_timeline ORDER BY leaf")
    assert [row[:2] for row in rows] == [("divergence.gap", "t")] * 4
    assert [row[2] for row in rows] == ["opened", "repeated", "acknowledged", "recovered"]
    assert [row[3] for row in rows] == [_text(at(it)) for it in (0, 5, 9, 60)]
    assert [row[4:6] for row in rows] == [(None, ""), (None, ""), ("Ada", "looking"), (None, "")]
    assert [row[6] for row in rows] == [0, 1, 2, 3]


def test_the_reaction_is_measured_from_the_opening(ledger: SqliteLedger, ask: Ask) -> None:
    Desk(ledger, ("oncall", "backup")).report([], [finding()])
    _answer(ledger, "oncall", 2, Delivery.RETRY)
    _answer(ledger, "backup", 3, Delivery.DEAD)
    _answer(ledger, "oncall", 12.25, Delivery.ACCEPTED)
    _act(ledger, acknowledge, by=ADA, now=at(100))
    _act(ledger, acknowledge, by=ADA, now=at(200))
    _act(ledger, close, Conclusion(disposition=Disposition.DRILL, root_cause="a drill", by=ADA, concluded_at=at(300)))

    (row,) = ask(
        "SELECT state, disposition, seconds_to_told, seconds_to_acknowledged, seconds_to_recovered, seconds_to_closed "
        "FROM incident_reaction"
    )
    assert row == ("closed", "drill", 12.25, 100.0, None, 300.0)


def test_an_incident_that_nobody_heard_of_has_no_time_until_somebody_did(ledger: SqliteLedger, ask: Ask) -> None:
    Desk(ledger, ("oncall",)).report([], [finding()])
    assert ask("SELECT told_at, acknowledged_at, seconds_to_told FROM incident_reaction") == [(None, None, None)]


def test_the_notice_log_tells_accepted_from_waiting_and_dead(ledger: SqliteLedger, ask: Ask) -> None:
    Desk(ledger, ("accepts", "dead", "waits", "untried")).report([], [finding()])
    _answer(ledger, "accepts", 1.5, Delivery.ACCEPTED)
    _answer(ledger, "dead", 2, Delivery.DEAD)
    _answer(ledger, "waits", 3, Delivery.RETRY)

    rows = ask("SELECT notifier, kind, state, told_at, seconds, answered_at, answer FROM notice_log ORDER BY notifier")
    assert rows == [
        ("accepts", "opened", "accepted", _text(at(1.5)), 1.5, _text(at(1.5)), "accepted"),
        ("dead", "opened", "dead", None, None, _text(at(2)), "dead"),
        ("untried", "opened", "waiting", None, None, None, None),
        ("waits", "opened", "waiting", None, None, _text(at(3)), "retry"),
    ]


def test_flagged_replies_are_those_above_the_threshold(ledger: SqliteLedger, ask: Ask) -> None:
    Desk(ledger, ()).report([compared("c1"), compared("c2", gap=0.1)])
    (row,) = ask("SELECT comparison, target, round, edited, delivered_reply FROM flagged_reply")
    assert row == ("c1", "t", "r1", '[["risky","safe"]]', "It is risky.")


def test_verdicts_are_counted_by_the_utc_day(ledger: SqliteLedger, ask: Ask) -> None:
    unmeasured = Verdict(grade=Grade.UNMEASURED, why="timed out", reason=Reason.TIMED_OUT)
    Desk(ledger, ()).report(
        [
            judged("v1"),
            judged("v2", grade=Grade.COMPLIED),
            replace(judged("v3"), verdict=unmeasured),
            replace(judged("v4"), at=at(86_400)),
        ]
    )
    rows = ask("SELECT day, family, arm, complied, resisted, unmeasured FROM verdicts_by_day ORDER BY day")
    assert rows == [
        ("2026-03-01", "stop", "correction", 1, 1, 1),
        ("2026-03-02", "stop", "correction", 0, 1, 0),
    ]


def test_coverage_counts_rounds_enrolments_and_what_the_budget_would_not_hold(ledger: SqliteLedger, ask: Ask) -> None:
    Desk(ledger, ()).report(
        [_round("r1", 0), _round("r2", 60), _round("r3", 90, enrolment=True), _skipped(95), _skipped(86_400)]
    )
    rows = ask(
        "SELECT day, rounds, enrolment_rounds, compared, flagged, judged, unmeasured, skipped, tokens "
        "FROM coverage_by_day ORDER BY day"
    )
    assert rows == [("2026-03-01", 2, 1, 9, 3, 6, 3, 1, 300), ("2026-03-02", 0, 0, 0, 0, 0, 0, 1, 0)]


def _alive(seconds: float) -> Alive:
    return Alive(at=at(seconds), rounds=0, failed=0, missed=0)


def _windows(ledger: SqliteLedger, ask: Ask, decisions: list[Decision]) -> list[tuple[object, ...]]:
    Desk(ledger, ()).report(decisions)
    return ask("SELECT kind, subject, since, until FROM blind_window ORDER BY since, kind, subject")


def test_a_stop_is_a_window_until_the_next_start(ledger: SqliteLedger, ask: Ask) -> None:
    start = Started(at=NOW, version="0", config_digest="0")
    stop = Stopped(at=at(60), why="the end")
    decisions: list[Decision] = [start, stop, replace(start, at=at(7200)), replace(stop, at=at(7260))]
    assert _windows(ledger, ask, decisions) == [
        ("stopped", None, _text(at(60)), _text(at(7200))),
        ("stopped", None, _text(at(7260)), None),
    ]


def test_a_silence_of_a_running_watchdog_is_a_window_and_a_round_is_a_sign_of_life(
    ledger: SqliteLedger, ask: Ask
) -> None:
    start = Started(at=NOW, version="0", config_digest="0")
    decisions: list[Decision] = [start, _alive(300), _round("r1", 1100), _alive(2000), _alive(3000)]
    assert _windows(ledger, ask, decisions) == [("unheard", None, _text(at(2000)), _text(at(3000)))]


def test_missed_and_skipped_rounds_and_blind_incidents_are_windows(ledger: SqliteLedger, ask: Ask) -> None:
    missed = RoundsMissed(at=at(5), why="busy", missed=2, targets=("t",), clock_moved_s=0)
    desk = Desk(ledger, ())
    desk.report([], [finding(rule="blind", subject="t"), finding(rule="blind.link", subject="all"), finding()])
    desk.report([], [], [recovery(rule="blind", subject="t")])
    assert _windows(ledger, ask, [missed, _skipped(7)]) == [
        ("blind", "all", _text(NOW), None),
        ("blind", "t", _text(NOW), _text(at(60))),
        ("missed", None, _text(at(5)), _text(at(5))),
        ("skipped", "t", _text(at(7)), _text(at(7))),
    ]
