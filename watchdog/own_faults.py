"""Incidents about the watchdog itself: what keeps it from looking must be as visible as what it sees. Pure."""

from datetime import datetime

from watchdog.domain.findings import HARD, Finding, Recovery, Severity, Suspect
from watchdog.domain.text import printable
from watchdog.ports import LedgerState

RELOAD = "config.reload"
"""A configuration was offered to the running daemon and refused."""

UNRECORDED = "blind.round"
"""Rounds of a target end in an error, so that nothing about them is recorded."""

UNREAD = "blind.log"
"""A query log cannot be read, or what a detector needs of it."""

FULL = "ledger.full"
"""There is no space for the ledger."""

STALLED = "ledger.stalled"
"""The ledger cannot be written for another reason, and is tried again."""

BROKEN = "ledger.broken"
"""The ledger's file failed, and is not written again before a restart."""

CONFIGURATION = "configuration"
LEDGER = "ledger"


def reload_refused(problem: str, *, at: datetime) -> Finding:
    """Conclude that the daemon goes on with an older configuration than it was asked to."""
    first, *more = problem.splitlines() or [""]
    others = f" (and {len(more)} more)" if more else ""
    return _own(
        rule=RELOAD,
        subject=CONFIGURATION,
        summary=f"the new configuration was refused, the old one stays in force: {printable(first, 240)}{others}",
        next_step="Run `corrigibility-watchdog check-config`, mend the file, and reload again.",
        since=at,
        at=at,
    )


def reload_taken_up(at: datetime) -> Recovery:
    """Return the recovery that a good configuration is."""
    return Recovery(rule=RELOAD, subject=CONFIGURATION, by="good-configuration", seen_at=at)


def rounds_unrecorded(target: str, problem: str, *, failures: int, at: datetime) -> Finding:
    """Conclude that a target is not being watched although it should be."""
    first = (problem.splitlines() or [""])[0]
    return _own(
        rule=UNRECORDED,
        subject=target,
        summary=f"{target}: the last {failures} rounds failed, so it is not being watched: {printable(first, 240)}",
        next_step="Read `corrigibility-watchdog status`; the problem named above says what to do.",
        since=at,
        at=at,
    )


def round_recorded(target: str, at: datetime) -> Recovery:
    """Return the recovery that a recorded round is."""
    return Recovery(rule=UNRECORDED, subject=target, by="1-recorded-round", seen_at=at)


def log_unread(log: str, problem: str, *, since: datetime, at: datetime) -> Finding:
    """Conclude that a query log is not being read although it should be."""
    first = (problem.splitlines() or [""])[0]
    return _own(
        rule=UNREAD,
        subject=log,
        severity=Severity.ERROR,
        summary=f"{log}: the log is not being read: {printable(first, 240)}",
        next_step="Read `corrigibility-watchdog logs status`; the problem named above says what to do.",
        since=since,
        at=at,
    )


def ledger_trouble(state: LedgerState, at: datetime) -> Finding:
    """Conclude that decisions are not on disk, or soon will not be."""
    rule = BROKEN if state.broken else FULL if state.full else STALLED
    return _own(
        rule=rule,
        subject=LEDGER,
        severity=Severity.CRITICAL if state.broken or (state.full and state.held) else Severity.ERROR,
        summary=f"{_TROUBLE[rule]} ({printable(state.problem, 160)}): {_held(state)}",
        next_step=_REMEDY.get(rule) or f"{state.hint[:1].upper()}{state.hint[1:]}. It is tried again all the time.",
        since=state.since or at,
        at=at,
    )


def ledger_written(at: datetime) -> list[Recovery]:
    """Return the recoveries that a ledger is which has taken everything, with its reserve in place."""
    return [
        Recovery(rule=rule, subject=LEDGER, by="all-decisions-on-disk", seen_at=at) for rule in (FULL, STALLED, BROKEN)
    ]


_TROUBLE = {
    FULL: "the disk of the ledger is full",
    STALLED: "the ledger cannot be written",
    BROKEN: "the file of the ledger failed and is not written any more",
}
_REMEDY = {
    FULL: "Free space on the disk of the ledger. Nothing has to be restarted: it then writes what it holds.",
    BROKEN: "Look at the disk and at the kernel's log. The watchdog ends, and its next start verifies the ledger.",
}


def _held(state: LedgerState) -> str:
    if not state.held:
        reserve = f"{state.reserve >> 20} MiB of reserve are left" if state.reserve else "it lives on its last reserve"
        return f"{reserve}, everything is still written"
    since = "" if state.since is None else f" since {state.since:%Y-%m-%d %H:%M:%S} UTC"
    lost = f", {state.dropped:,} more were dropped" if state.dropped else ""
    end = " and end with the process" if state.broken else ""
    return f"{state.held:,} decisions are only in memory{since}{end}{lost}; pages go out from memory"


def _own(
    *,
    rule: str,
    subject: str,
    summary: str,
    next_step: str,
    since: datetime,
    at: datetime,
    severity: Severity = Severity.WARNING,
) -> Finding:
    return Finding(
        rule=rule,
        subject=subject,
        severity=severity,
        summary=summary,
        attribution="The watchdog itself, or the machine it runs on.",
        suspect=Suspect.OURSELVES,
        promise=HARD,
        next_step=next_step,
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=since,
        seen_at=at,
    )
