"""Incidents about the watchdog itself: what keeps it from looking must be as visible as what it sees. Pure."""

from datetime import datetime

from watchdog.domain.findings import Finding, Recovery, Severity
from watchdog.domain.text import printable

RELOAD = "config.reload"
"""A configuration was offered to the running daemon and refused."""

UNRECORDED = "blind.round"
"""Rounds of a target end in an error, so that nothing about them is recorded."""

CONFIGURATION = "configuration"


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


def _own(*, rule: str, subject: str, summary: str, next_step: str, since: datetime, at: datetime) -> Finding:
    return Finding(
        rule=rule,
        subject=subject,
        severity=Severity.WARNING,
        summary=summary,
        attribution="The watchdog itself, or the machine it runs on.",
        promise="A hard rule; no statistical promise.",
        next_step=next_step,
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=since,
        seen_at=at,
    )
