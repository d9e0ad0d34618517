"""What people do goes the same way as what rules do: one transaction, a leaf, and a notice where it pages."""

import sqlite3
from pathlib import Path

import pytest

from alerts.page import page
from alerts.webhook import payload
from storage.audit import audit
from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from tests.builders import at, finding, person, recovery
from watchdog.casework import Casework
from watchdog.desk import Desk
from watchdog.domain.acts import Acknowledge, Approve, Close
from watchdog.domain.conclusions import Disposition
from watchdog.domain.findings import Severity
from watchdog.domain.incidents import EventKind, IncidentEvent, IncidentState
from watchdog.domain.notices import Notice
from watchdog.errors import ConfigError, LedgerError

ADA, BOB = person("Ada", uid=1000), person("Bob", uid=1001)


@pytest.fixture
def desk() -> Desk:
    return Desk(MemoryLedger(), ("oncall",))


def _work(desk: Desk, seconds: float = 100) -> Casework:
    return Casework(desk, lambda: at(seconds))


def _close(incident: str, **changes: object) -> Close:
    said: dict[str, object] = {"disposition": Disposition.DRILL, "root_cause": "we rehearsed"} | changes
    return Close(incident=incident, **said)  # type: ignore[arg-type]


def _approval(proposed: IncidentEvent) -> Approve:
    assert proposed.incident.proposal is not None
    return Approve(incident=proposed.incident.id, proposal=proposed.incident.proposal.digest)


def _opened(desk: Desk, severity: Severity = Severity.ERROR) -> str:
    desk.report([], [finding(severity=severity)])
    (due,) = desk.ledger.due(at(0), 10)
    return due.notice.event.incident.id


def test_a_closing_of_an_open_incident_is_told_so_that_the_pager_resolves(desk: Desk) -> None:
    event = _work(desk).perform(_close(_opened(desk)[:6]), ADA)

    assert (event.kind, event.actor, event.at) == (EventKind.CLOSED, ADA, at(100))
    assert [it.notice.event.kind for it in desk.ledger.due(at(200), 10)] == [EventKind.OPENED, EventKind.CLOSED]


def test_an_acknowledgement_and_a_proposal_wake_nobody(desk: Desk) -> None:
    id_ = _opened(desk, Severity.CRITICAL)
    _work(desk).perform(Acknowledge(incident=id_, note="on it"), ADA)
    proposed = _work(desk).perform(_close(id_), ADA)
    assert proposed.kind is EventKind.CLOSE_PROPOSED
    assert len(desk.ledger.due(at(200), 10)) == 1

    assert _work(desk, 120).perform(_approval(proposed), BOB).kind is EventKind.CLOSED
    assert len(desk.ledger.due(at(200), 10)) == 2


def test_after_a_recovery_a_closing_is_only_recorded(desk: Desk) -> None:
    id_ = _opened(desk)
    desk.report([], [], [recovery()])
    _work(desk).perform(_close(id_), ADA)
    kinds = [it.notice.event.kind for it in desk.ledger.due(at(200), 10)]
    assert kinds == [EventKind.OPENED, EventKind.RECOVERED]


def test_what_is_refused_leaves_no_trace_and_says_what_to_do(desk: Desk) -> None:
    id_ = _opened(desk, Severity.CRITICAL)
    proposed = _work(desk).perform(_close(id_), ADA)
    ledger = desk.ledger
    assert isinstance(ledger, MemoryLedger)
    before = list(ledger.decisions)
    refused = (
        (_approval(proposed), ADA, "second person"),
        (Approve(incident=id_, proposal="0" * 12), BOB, "is not the closing that is proposed"),
        (_close(id_, root_cause=" "), ADA, "root cause"),
        (_close(id_, disposition=Disposition.TRUE), ADA, "also needs"),
        (_close(id_, affected="a\0b"), ADA, r"U\+0000"),
        (_close(id_, known_at=at(101)), ADA, "lies after"),
        (Acknowledge(incident=id_, note="x" * 1001), ADA, "1,000 characters"),
    )
    for act, actor, why in refused:
        with pytest.raises(ConfigError, match=why) as caught:
            _work(desk).perform(act, actor)
        assert caught.value.hint
    with pytest.raises(LedgerError):
        _work(desk).perform(Approve(incident="zz", proposal="0" * 12), ADA)
    assert ledger.decisions == before


def test_the_rows_of_a_life_are_what_its_leaves_fold_to(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path) as ledger:
        desk = Desk(ledger, ("oncall",))
        id_ = _opened(desk, Severity.CRITICAL)
        _work(desk).perform(Acknowledge(incident=id_, note="on it"), person("Ada", uid=0, login=1000))
        _work(desk, 110).perform(_close(id_), ADA)
        desk.report([], [finding(severity=Severity.CRITICAL, seconds=120)])
        proposed = _work(desk, 130).perform(_close(id_, references=("T-1", "T-2"), affected="nobody"), ADA)
        _work(desk, 140).perform(_approval(proposed), BOB)

    rows = sqlite3.connect(path)
    rows.row_factory = sqlite3.Row
    (incident,) = rows.execute("SELECT * FROM incident")
    assert (incident["state"], incident["acknowledged_by"], incident["proposed_by"]) == ("closed", "Ada", None)
    assert incident["closed_at"].startswith("2026-03-01T12:02:20")
    (it,) = rows.execute("SELECT * FROM conclusion")
    assert (it["disposition"], it["reference_list"], it["affected_from"]) == ("drill", '["T-1","T-2"]', None)
    assert (it["concluded_by"], it["concluded_by_uid"], it["approved_by"], it["approved_by_uid"]) == (
        ("Ada", 1000, "Bob", 1001)
    )
    steps = rows.execute(
        "SELECT kind, actor, actor_uid, actor_login, note FROM incident_event ORDER BY leaf"
    ).fetchall()
    assert [tuple(step) for step in steps] == [
        ("opened", None, None, None, ""),
        ("acknowledged", "Ada", 0, 1000, "on it"),
        ("close_proposed", "Ada", 1000, None, ""),
        ("repeated", None, None, None, ""),
        ("close_proposed", "Ada", 1000, None, ""),
        ("closed", "Bob", 1001, None, ""),
    ]
    assert len(rows.execute("SELECT * FROM finding").fetchall()) == 2
    rows.close()
    assert [it for it in audit(path).faults if "sign" not in it and "checkpoint" not in it] == []


def test_the_page_of_a_closing_says_what_it_was_and_who_says_so(desk: Desk) -> None:
    id_ = _opened(desk)
    event = _work(desk).perform(_close(id_, root_cause="a\nb\N{RIGHT-TO-LEFT OVERRIDE}c", corrective_action=""), ADA)

    text = page(event)
    assert text.startswith("[CLOSED] error divergence.gap: ")
    assert "Concluded      drill" in text
    assert "Root cause     a b\N{REPLACEMENT CHARACTER}c" in text
    assert "Done           not stated" in text
    assert "By             Ada (user id 1000)" in text
    body = payload(Notice.of(event, "oncall"))
    assert body["type"] == "incident.closed"
    data = body["data"]
    assert isinstance(data, dict)
    assert (data["state"], data["conclusion"]["disposition"]) == (IncidentState.CLOSED, "drill")
