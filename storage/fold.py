"""Fold a decision into the rows that people query. The only writer of derived rows: live, and when rebuilding."""

from typing import Protocol, assert_never

import rfc8785
from sqlalchemy import Delete, Table, Update, update
from sqlalchemy.dialects.sqlite import Insert

from storage import schema
from storage.change_rows import bank_rows, count_row, rollout_row
from storage.codec import instant
from storage.incident_rows import incident_rows
from storage.log_rows import erasures, log_row
from storage.upsert import upsert
from watchdog.domain.calls import CallComparison
from watchdog.domain.decisions import (
    AbilitiesSeen,
    Alarmed,
    Alive,
    BankMeasured,
    ClientExpected,
    Compared,
    Decision,
    Enrolled,
    ForkDeclared,
    HeldBack,
    IncidentChanged,
    Judged,
    KeyAdopted,
    LogOpened,
    LogRead,
    NoticeAnswered,
    NoticeQueued,
    ReferenceFixed,
    Reloaded,
    RolloutDeclared,
    RolloutSeen,
    RolloutWithdrawn,
    RoundDone,
    RoundSkipped,
    RoundsMissed,
    ScheduleCommitted,
    ScheduleRevealed,
    SharesAllotted,
    SightChanged,
    Started,
    Stopped,
    TextErased,
    Weighed,
    WeightsChecked,
)
from watchdog.domain.notices import Delivery

_OUTBOX_STATE = {Delivery.ACCEPTED: "accepted", Delivery.RETRY: "waiting", Delivery.DEAD: "dead"}


class Writer(Protocol):
    """Runs statements: at once, as a connection does, or many together."""

    def execute(self, statement: Insert | Update | Delete, parameters: dict[str, object] | None = None, /) -> object:
        """Run a statement with the values of one row."""
        ...


def fold(writer: Writer, index: int, decision: Decision) -> None:  # noqa: C901, PLR0912 - one plain line for each kind
    """Write what the decision at `index` changes in the derived tables."""
    match decision:
        case Started() | Stopped() | Reloaded() | Alive() | RoundsMissed() | RoundSkipped() | HeldBack():
            _put(writer, schema.run, index, _run(decision))
        case KeyAdopted():
            _put(writer, schema.signing_key, index, _signing_key(decision))
        case ForkDeclared():
            _put(writer, schema.signing_key, index, _signing_key(decision))
            _put(writer, schema.fork, index, _fork(decision))
        case ScheduleCommitted() | ScheduleRevealed():
            _put(writer, schema.schedule, index, _schedule(decision))
        case Enrolled():
            _put(writer, schema.baseline, index, _baseline(decision))
        case BankMeasured():
            for row in bank_rows(decision):
                _put(writer, schema.benign_bank, index, row)
        case RolloutDeclared() | RolloutWithdrawn():
            _put(writer, schema.rollout, index, rollout_row(decision))
        case RolloutSeen():
            _put(writer, schema.rollout_count, index, count_row(decision))
        case SharesAllotted():
            _put(writer, schema.run, index, _run(decision))
            for row in _shares(decision):
                _put(writer, schema.share, index, row)
        case Weighed():
            _put(writer, schema.stream, index, _stream(decision))
        case RoundDone():
            _put(writer, schema.round_, index, _round(decision))
        case SightChanged():
            _put(writer, schema.sight, index, _sight(decision))
        case AbilitiesSeen():
            _put(writer, schema.ability, index, _abilities(decision))
        case WeightsChecked():
            _put(writer, schema.weights, index, _weights(decision))
        case Compared():
            _put(writer, schema.comparison, index, _comparison(decision))
        case Judged():
            _put(writer, schema.verdict, index, _verdict(decision))
        case LogOpened() | LogRead() | Alarmed() | ClientExpected() | ReferenceFixed():
            _put_row(writer, index, log_row(decision))
        case TextErased():
            _put_row(writer, index, log_row(decision))
            for erasure in erasures(decision):
                writer.execute(erasure)
        case IncidentChanged():
            for table, row in incident_rows(decision):
                _put(writer, table, index, row)
        case NoticeQueued():
            _put(writer, schema.outbox, index, _notice(decision))
        case NoticeAnswered():
            _answer(writer, index, decision)
        case _:
            assert_never(decision)


def _put(writer: Writer, table: Table, index: int, row: dict[str, object]) -> None:
    writer.execute(upsert(table), row | {"leaf": index})


def _put_row(writer: Writer, index: int, pair: tuple[Table, dict[str, object]]) -> None:
    _put(writer, pair[0], index, pair[1])


def _run(
    decision: Started | Stopped | Reloaded | Alive | RoundsMissed | RoundSkipped | HeldBack | SharesAllotted,
) -> dict[str, object]:
    match decision:
        case Started():
            detail = f"version {decision.version}, config {decision.config_digest}"
        case Reloaded():
            detail = f"config {decision.config_digest}"
        case Alive():
            detail = f"{decision.rounds} rounds, {decision.failed} failed, {decision.missed} missed"
        case RoundsMissed():
            detail = f"{decision.missed} rounds, {decision.why}, clock moved by {decision.clock_moved_s:.0f} s"
        case RoundSkipped():
            detail = f"{decision.target}: {decision.what} of up to {decision.needed} tokens, {decision.spent} spent"
        case HeldBack():
            lost = f", {decision.dropped} more dropped" if decision.dropped else ""
            held = f"{decision.decisions} leaves before this one since {instant(decision.since)}{lost}"
            detail = f"{held}: {decision.why}"
        case SharesAllotted():
            detail = f"{decision.false_incidents_per_year:g} false incidents a year over {len(decision.shares)} streams"
        case Stopped():
            detail = decision.why
        case _:
            assert_never(decision)
    target = decision.target if isinstance(decision, RoundSkipped) else None
    return {"kind": decision.kind, "at": instant(decision.at), "target": target, "detail": detail}


def _signing_key(decision: KeyAdopted | ForkDeclared) -> dict[str, object]:
    return {
        "at": instant(decision.at),
        "origin": decision.origin,
        "key": decision.key,
        "endorsed": int(decision.endorsement is not None),
    }


def _fork(decision: ForkDeclared) -> dict[str, object]:
    return {
        "at": instant(decision.at),
        "origin": decision.origin,
        "parent_origin": decision.parent_origin,
        "parent_size": decision.parent_size,
        "parent_root": decision.parent_root,
        "reason": decision.reason,
        "declared_by": str(decision.by),
        "lost": decision.lost,
    }


def _schedule(decision: ScheduleCommitted | ScheduleRevealed) -> dict[str, object]:
    return {
        "kind": decision.kind,
        "at": instant(decision.at),
        "day": decision.day.isoformat(),
        "value": decision.commitment if isinstance(decision, ScheduleCommitted) else decision.seed,
    }


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


def _shares(decision: SharesAllotted) -> list[dict[str, object]]:
    return [{"rule": it.rule, "subject": it.subject, "part": it.part, "alpha": it.alpha} for it in decision.shares]


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
        "tokens": decision.tokens,
        "enrolment": int(decision.enrolment),
    }


def _sight(decision: SightChanged) -> dict[str, object]:
    it = decision.sight
    dark: list[list[str | int]] = [[part.name, part.channel, part.reason, part.rounds] for part in it.dark]
    return {
        "rule": it.rule,
        "subject": it.subject,
        "rounds": it.rounds,
        "since": None if it.since is None else instant(it.since),
        "dark": rfc8785.dumps(dark).decode(),
        "offline": int(it.offline),
        "told": int(it.told),
        "at": instant(decision.at),
    }


def _weights(it: WeightsChecked) -> dict[str, object]:
    difference = {"changed": it.difference.changed, "missing": it.difference.missing, "added": it.difference.added}
    return {
        "subject": it.subject,
        "path": it.path,
        "digest": it.digest,
        "files": len(it.files),
        "difference": rfc8785.dumps({name: list(files) for name, files in difference.items()}).decode(),
        "signature": it.signature.signature,
        "problem": it.problem,
        "altered_at": None if it.altered_at is None else instant(it.altered_at),
        "at": instant(it.at),
    }


def _abilities(decision: AbilitiesSeen) -> dict[str, object]:
    it = decision.abilities
    lacking: list[list[str | int]] = [[held.ability, held.lacking] for held in it.held if held.since is not None]
    return {
        "subject": it.subject,
        "enrolled": rfc8785.dumps([held.ability.value for held in it.held if held.enrolled]).decode(),
        "lacking": rfc8785.dumps(lacking).decode(),
        "told": int(it.told),
        "at": instant(decision.at),
    }


def _comparison(decision: Compared) -> dict[str, object]:
    it = decision.comparison
    listed, calls = decision.logprobs, decision.calls
    words = [] if it is None else [[span.delivered, span.expected] for span in it.spans]
    return {
        "id": decision.id,
        "round_id": decision.round_id,
        "target": decision.target,
        "at": instant(decision.at),
        "question": decision.question,
        "gap": None if it is None else it.gap,
        "flagged": None if decision.declared or not _is_measured(decision) else int(decision.flagged),
        "sides": rfc8785.dumps(_sides(decision)).decode(),
        "unsaid": None if listed is None else listed.unsaid,
        "spelled": None if listed is None or listed.spelled is None else int(listed.spelled),
        "logprob_distance": None if listed is None else listed.distance,
        "logprob_flagged": None if listed is None or not listed.weighable else int(listed.flagged),
        "byte_different": int(decision.byte_different),
        "calls": None if calls is None else rfc8785.dumps(_differences(calls)).decode(),
        "call_gap": None if calls is None else calls.gap,
        "edited": rfc8785.dumps(words).decode(),
        "delivered_reply": decision.delivered_reply,
        "reason": decision.reason,
        "declared": decision.declared or None,
        "exhibit": None if decision.exhibit is None else decision.exhibit.digest,
    }


def _is_measured(it: Compared) -> bool:
    return it.comparison is not None or (it.calls is not None and it.calls.reason is None)


def _differences(calls: CallComparison) -> list[list[str]]:
    return [[it.path, it.delivered, it.direct] for it in calls.differences]


def _sides(decision: Compared) -> dict[str, list[float] | str]:
    return {
        f"{it.of} under {it.under}": str(it.reason) if it.comparison is None else [it.comparison.gap, it.comparison.tau]
        for it in decision.sides
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
        "exhibit": None if decision.exhibit is None else decision.exhibit.digest,
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
        "answered_at": None,
        "answer": None,
    }


def _answer(writer: Writer, index: int, decision: NoticeAnswered) -> None:
    attempt = decision.attempt
    writer.execute(
        update(schema.outbox)
        .where(schema.outbox.c.notice_id == attempt.notice_id)
        .values(
            state=_OUTBOX_STATE[attempt.outcome],
            attempts=attempt.number,
            next_at=None if attempt.next_at is None else instant(attempt.next_at),
            answered_at=instant(attempt.at),
            answer=attempt.answer,
            leaf=index,
        )
    )
