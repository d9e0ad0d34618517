"""Rows about what changes legitimately: the bank of benign engines, and declared rollouts."""

from collections.abc import Iterator
from typing import assert_never

import rfc8785
from sqlalchemy import Connection

from storage import schema
from storage.codec import instant
from storage.decided import decided, newest
from watchdog.domain.banks import BenignBank
from watchdog.domain.decisions import BankMeasured, RolloutDeclared, RolloutSeen, RolloutWithdrawn
from watchdog.domain.rollouts import Rollout, RolloutCount


def bank_rows(decision: BankMeasured) -> Iterator[dict[str, object]]:
    """Yield a row for each engine of a bank."""
    bank, threshold = decision.bank, decision.bank.threshold
    for number, it in enumerate(bank.variants):
        yield {
            "engine": it.engine.name,
            "subject": bank.subject,
            "model": bank.model,
            "runs_on": it.engine.runs_on,
            "precision": it.engine.precision,
            "batch_size": it.engine.batch_size,
            "libraries": rfc8785.dumps(list(it.engine.libraries)).decode(),
            "replies": it.replies,
            "unmeasured": it.unmeasured,
            "half": it.half,
            "ninety": it.ninety,
            "ninety_nine": it.ninety_nine,
            "largest": it.largest,
            "digest": it.digest,
            "counted": int(number < bank.counted),
            "tau": threshold.tau,
            "bound": threshold.bound,
            "decided_by": threshold.limit,
            "level": threshold.level,
            "confidence": threshold.confidence,
            "at": instant(bank.measured_at),
        }


def rollout_row(decision: RolloutDeclared | RolloutWithdrawn) -> dict[str, object]:
    """Return the row of a declaration, as it stands after a decision."""
    it = decision.rollout
    row: dict[str, object] = {
        "id": it.id,
        "target": it.target,
        "expects": it.expects,
        "expected": it.expected,
        "share": it.share,
        "begins": instant(it.begins),
        "ends": instant(it.ends),
        "reason": it.reason,
        "declared_by": str(it.by),
        "declared_at": instant(it.declared_at),
    }
    match decision:
        case RolloutDeclared():
            return row | {"withdrawn_by": None, "withdrawn_at": None, "withdrawn_why": None}
        case RolloutWithdrawn():
            by, why = str(decision.by), decision.reason
            return row | {"withdrawn_by": by, "withdrawn_at": instant(decision.at), "withdrawn_why": why}
        case _:
            assert_never(decision)


def count_row(decision: RolloutSeen) -> dict[str, object]:
    """Return the row of what was counted of a declaration on one channel."""
    it = decision.count
    return {
        "rollout": it.rollout,
        "subject": it.subject,
        "replies": it.replies,
        "named": it.named,
        "aside": it.aside,
        "at": instant(decision.at),
    }


def rollouts(connection: Connection, target: str | None = None) -> tuple[Rollout, ...]:
    """Return what was declared and not withdrawn, oldest first: for one target, or for all."""
    table = schema.rollout
    wanted = [table.c.withdrawn_at.is_(None), *([] if target is None else [table.c.target == target])]
    return tuple(it.rollout for it in decided(connection, RolloutDeclared, table, *wanted))


def counts(connection: Connection, rollout: str) -> tuple[RolloutCount, ...]:
    """Return what was counted of a declaration, for each channel of its target."""
    table = schema.rollout_count
    found = (it.count for it in decided(connection, RolloutSeen, table, table.c.rollout == rollout))
    return tuple(sorted(found, key=lambda it: it.subject))


def newest_bank(connection: Connection, subject: str) -> BenignBank | None:
    """Return the bank of a target that was measured last; None when none was."""
    found = newest(connection, BankMeasured, schema.benign_bank, subject=subject)
    return None if found is None else found.bank
