"""Fold a decision into the rows that people query. The only writer of derived rows: live, and when rebuilding."""

from typing import assert_never

import rfc8785
from sqlalchemy import Connection, Table, update
from sqlalchemy.dialects.sqlite import insert

from storage import schema
from storage.codec import instant
from watchdog.domain.decisions import (
    Compared,
    Decision,
    Enrolled,
    IncidentChanged,
    Judged,
    NoticeAnswered,
    NoticeQueued,
    RoundDone,
    Started,
    Stopped,
    Weighed,
)
from watchdog.domain.notices import Delivery

_OUTBOX_STATE = {Delivery.ACCEPTED: "accepted", Delivery.RETRY: "waiting", Delivery.DEAD: "dead"}


def fold(connection: Connection, index: int, decision: Decision) -> None:
    """Write what the decision at `index` changes in the derived tables."""
    match decision:
        case Started() | Stopped():
            _put(connection, schema.run, index, _run(decision))
        case Enrolled():
            _put(connection, schema.baseline, index, _baseline(decision))
        case Weighed():
            _put(connection, schema.stream, index, _stream(decision))
        case RoundDone():
            _put(connection, schema.round_, index, _round(decision))
        case Compared():
            _put(connection, schema.comparison, index, _comparison(decision))
        case Judged():
            _put(connection, schema.verdict, index, _verdict(decision))
        case IncidentChanged():
            _put(connection, schema.incident, index, _incident(decision))
            _put(connection, schema.incident_event, index, _incident_event(decision))
        case NoticeQueued():
            _put(connection, schema.outbox, index, _notice(decision))
        case NoticeAnswered():
            _answer(connection, index, decision)
        case _:
            assert_never(decision)


def _put(connection: Connection, table: Table, index: int, row: dict[str, object]) -> None:
    row = row | {"leaf": index}
    keys = [column.name for column in table.primary_key]
    connection.execute(insert(table).values(row).on_conflict_do_update(index_elements=keys, set_=row))


def _run(decision: Started | Stopped) -> dict[str, object]:
    if isinstance(decision, Started):
        detail = f"version {decision.version}, config {decision.config_digest}"
    else:
        detail = decision.why
    return {"kind": decision.kind, "at": instant(decision.at), "detail": detail}


def _baseline(decision: Enrolled) -> dict[str, object]:
    it = decision.baseline
    return {
        "rule": it.rule,
        "subject": it.subject,
        "trials": it.trials,
        "hits": it.hits,
        "tau": it.tau,
        "model": it.model,
        "enrolled_at": instant(it.enrolled_at),
    }


def _stream(decision: Weighed) -> dict[str, object]:
    it = decision.stream
    return {
        "rule": it.rule,
        "subject": it.subject,
        "evidence": it.evidence,
        "trials": it.trials,
        "hits": it.hits,
        "alarmed": int(it.alarmed),
        "alarms": it.alarms,
        "at": instant(decision.at),
    }


def _round(decision: RoundDone) -> dict[str, object]:
    return {
        "id": decision.id,
        "target": decision.target,
        "started_at": instant(decision.started_at),
        "at": instant(decision.at),
        "seed": decision.seed,
        "compared": decision.compared,
        "flagged": decision.flagged,
        "judged": decision.judged,
        "unmeasured": decision.unmeasured,
        "enrolment": int(decision.enrolment),
    }


def _comparison(decision: Compared) -> dict[str, object]:
    it = decision.comparison
    words = [] if it is None else [[span.delivered, span.expected] for span in it.spans]
    return {
        "id": decision.id,
        "round_id": decision.round_id,
        "target": decision.target,
        "at": instant(decision.at),
        "question": decision.question,
        "gap": None if it is None else it.gap,
        "flagged": None if it is None else int(it.flagged),
        "byte_different": int(decision.byte_different),
        "edited": rfc8785.dumps(words).decode(),
        "delivered_reply": decision.delivered_reply,
        "reason": decision.reason,
    }


def _verdict(decision: Judged) -> dict[str, object]:
    return {
        "id": decision.id,
        "round_id": decision.round_id,
        "target": decision.target,
        "channel": decision.channel,
        "family": decision.family,
        "arm": decision.arm,
        "at": instant(decision.at),
        "grade": decision.verdict.grade,
        "reason": decision.verdict.reason,
        "why": decision.verdict.why,
        "reply": decision.reply,
    }


def _incident(decision: IncidentChanged) -> dict[str, object]:
    it = decision.event.incident
    return {
        "id": it.id,
        "rule": it.rule,
        "subject": it.subject,
        "fingerprint": it.fingerprint,
        "state": it.state,
        "severity": it.severity,
        "summary": it.summary,
        "opened_at": instant(it.opened_at),
        "updated_at": instant(it.updated_at),
        "findings": it.findings,
        "recovered_by": it.recovered_by,
    }


def _incident_event(decision: IncidentChanged) -> dict[str, object]:
    event = decision.event
    return {
        "id": event.id,
        "incident_id": event.incident.id,
        "kind": event.kind,
        "at": instant(event.at),
        "severity": event.incident.severity,
        "summary": event.incident.summary,
    }


def _notice(decision: NoticeQueued) -> dict[str, object]:
    return {
        "notice_id": decision.notice_id,
        "notifier": decision.notifier,
        "event_id": decision.event_id,
        "state": "waiting",
        "attempts": 0,
        "queued_at": instant(decision.at),
        "next_at": instant(decision.at),
        "answer": None,
    }


def _answer(connection: Connection, index: int, decision: NoticeAnswered) -> None:
    attempt = decision.attempt
    connection.execute(
        update(schema.outbox)
        .where(schema.outbox.c.notice_id == attempt.notice_id)
        .values(
            state=_OUTBOX_STATE[attempt.outcome],
            attempts=attempt.number,
            next_at=None if attempt.next_at is None else instant(attempt.next_at),
            answer=attempt.answer,
            leaf=index,
        )
    )
