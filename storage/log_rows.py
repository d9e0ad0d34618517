"""What decisions about query logs change in the tables that people query."""

from datetime import datetime
from typing import assert_never

import rfc8785
from sqlalchemy import Delete, Table, delete, func

from storage import schema
from storage.codec import instant
from watchdog.domain.decisions import Alarmed, ClientExpected, LogOpened, LogRead, ReferenceFixed, TextErased
from watchdog.domain.streamed import TEXTS

AboutLogs = LogOpened | LogRead | Alarmed | ClientExpected | ReferenceFixed | TextErased

Row = tuple[Table, dict[str, object]]


def log_row(decision: AboutLogs) -> Row:
    """Return the row that a decision writes, with its table."""
    match decision:
        case LogOpened() | LogRead():
            return schema.log_read, _read(decision)
        case Alarmed():
            return schema.alarm, _alarm(decision)
        case ClientExpected():
            return schema.client_expected, _expected(decision)
        case ReferenceFixed():
            return schema.log_reference, _reference(decision)
        case TextErased():
            return schema.text_erased, _erased(decision)
        case _:
            assert_never(decision)


def erasures(it: TextErased) -> tuple[Delete, ...]:
    """Return what takes away the texts that a person had erased, in the same transaction as the leaf about it.

    Also what detectors keep of prompts that may yet become examples: of these nobody knows how old they are.
    """
    texts, state = schema.customer_text, schema.log_state
    kept, seen = delete(texts), delete(state)
    if it.log is not None:
        kept, seen = kept.where(texts.c.log == it.log), seen.where(state.c.log == it.log)
    if it.before is not None:
        kept = kept.where(texts.c.at < instant(it.before))
    if it.client is not None:
        return kept.where(texts.c.client == it.client), seen.where(state.c.key == TEXTS + it.client)
    # Not LIKE: that folds case, and takes signs in a name for patterns.
    return kept, seen.where(func.substr(state.c.key, 1, len(TEXTS)) == TEXTS)


def _read(it: LogOpened | LogRead) -> dict[str, object]:
    row: dict[str, object] = {"kind": it.kind, "log": it.log, "at": instant(it.at), "position": it.position}
    if isinstance(it, LogOpened):
        return row | {"lines": 0, "queries": 0, "ours": 0, "malformed": "{}", "newest": None}
    malformed = {bad.reason: bad.lines for bad in it.malformed}
    counts = {"lines": it.lines, "queries": it.queries, "ours": it.ours}
    return row | counts | {"malformed": rfc8785.dumps(malformed).decode(), "newest": _maybe(it.newest)}


def _alarm(decision: Alarmed) -> dict[str, object]:
    it = decision.alarm
    return {
        "id": decision.id,
        "log": it.log,
        "client": it.client,
        "rule": it.rule,
        "segment": it.segment,
        "severity": it.severity,
        "since": instant(it.since),
        "seen_at": instant(it.at),
        "evidence": it.evidence,
        "threshold": it.threshold,
        "expected": it.expected,
        "base_rate": it.base_rate,
        "hits": it.hits,
        "trials": it.trials,
        "said": it.said,
        "at": instant(decision.at),
    }


def _expected(it: ClientExpected) -> dict[str, object]:
    return {
        "log": it.log,
        "client": it.client,
        "rule": it.rule,
        "rate": it.rate,
        "until": _maybe(it.until),
        "incident": it.incident,
        "said_by": it.by.name,
        "said_by_uid": it.by.uid,
        "said_by_login": it.by.login,
        "reason": it.reason,
        "at": instant(it.at),
    }


def _reference(decision: ReferenceFixed) -> dict[str, object]:
    it = decision.reference
    return {
        "log": decision.log,
        "segment": it.segment,
        "signal": it.signal,
        "trials": it.trials,
        "hits": it.hits,
        "p0": it.p0,
        "at": instant(decision.at),
    }


def _erased(it: TextErased) -> dict[str, object]:
    return {
        "at": instant(it.at),
        "log": it.log,
        "client": it.client,
        "before": _maybe(it.before),
        "texts": it.texts,
        "erased_by": it.by.name,
        "erased_by_uid": it.by.uid,
        "erased_by_login": it.by.login,
        "reason": it.reason,
    }


def _maybe(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
