"""The findings about a query log itself: the names of the rules, and what people read. Pure."""

from collections.abc import Sequence
from datetime import datetime

from watchdog.domain.findings import HARD, Finding, Recovery, Severity, Suspect
from watchdog.domain.queries import LogGap
from watchdog.domain.text import printable

GAP = "log_gap"
"""Lines of the log that nobody will read any more."""

INTEGRITY = "log_integrity"
"""The log is not what it should be: unreadable lines, times that go backwards, our own probes not as they were sent."""

BLIND = "blind.log"
"""The log, or what a detector needs of it, cannot be read."""

SOUND_AGAIN = "sound-for-an-hour"
NO_GAP = "no-gap-for-a-day"
READ_AGAIN = "read-again"

_MOST_NAMED = 3


def gap_finding(log: str, gaps: Sequence[LogGap], at: datetime) -> Finding:
    """Conclude that lines were lost."""
    known = [it.bytes_lost for it in gaps if it.bytes_lost is not None]
    unknown = " and an unknown number more" if len(known) < len(gaps) else ""
    lost = f"{sum(known):,} bytes{unknown}" if known else "an unknown number of bytes"
    reasons = "; ".join(printable(f"{it.path}: {it.why}", 160) for it in gaps[:_MOST_NAMED])
    return _finding(
        rule=GAP,
        log=log,
        severity=Severity.ERROR,
        summary=f"{log}: {lost} of the log were lost before they could be read ({reasons}){_more(len(gaps))}",
        attribution="Whoever rotates or writes the log; somebody who wants a request to go unseen would do the same.",
        next_step="Rotate by renaming, never by copying and truncating. If nobody rotated it, ask who wrote the file.",
        since=at,
        at=at,
    )


def gap_over(log: str, at: datetime) -> Recovery:
    """Return the recovery that a day without a gap is."""
    return Recovery(rule=GAP, subject=log, by=NO_GAP, seen_at=at)


def integrity_finding(log: str, signs: Sequence[str], *, since: datetime, at: datetime) -> Finding:
    """Conclude that a log is not to be trusted as it is."""
    return _finding(
        rule=INTEGRITY,
        log=log,
        severity=Severity.ERROR,
        summary=f"{log}: {'; '.join(signs)}",
        attribution="Whoever writes the log, or can write to it; or a format that it was not configured for.",
        next_step=(
            "Compare a few lines with `format` in the configuration. If it fits, find out who can write to the log, "
            "and have the gateway open it for appending only."
        ),
        since=since,
        at=at,
    )


def integrity_over(log: str, at: datetime) -> Recovery:
    """Return the recovery that an hour of sound lines is."""
    return Recovery(rule=INTEGRITY, subject=log, by=SOUND_AGAIN, seen_at=at)


def blind_finding(log: str, causes: Sequence[str], *, whole: bool, since: datetime, at: datetime) -> Finding:
    """Conclude that a log, or what detectors need of it, cannot be looked at."""
    return _finding(
        rule=BLIND,
        log=log,
        severity=Severity.ERROR if whole else Severity.WARNING,
        summary=f"{log}: {'; '.join(causes)}; meanwhile nobody would notice an attack that only this would show",
        attribution="The log, the rights on its files, or the watchdog's configuration.",
        next_step=(
            "See that the watchdog's user may read the files and that `paths` names them."
            if whole
            else "Have the gateway log these fields, or leave these detectors out, so that nobody relies on them."
        ),
        since=since,
        at=at,
    )


def blind_over(log: str, at: datetime) -> Recovery:
    """Return the recovery that a log is which can be looked at again."""
    return Recovery(rule=BLIND, subject=log, by=READ_AGAIN, seen_at=at)


def _more(count: int) -> str:
    return f", and {count - _MOST_NAMED} more times" if count > _MOST_NAMED else ""


def _finding(
    *,
    rule: str,
    log: str,
    severity: Severity,
    summary: str,
    attribution: str,
    next_step: str,
    since: datetime,
    at: datetime,
) -> Finding:
    return Finding(
        rule=rule,
        subject=log,
        severity=severity,
        summary=summary,
        attribution=attribution,
        suspect=Suspect.UNKNOWN,
        promise=HARD,
        next_step=next_step,
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=since,
        seen_at=at,
    )
