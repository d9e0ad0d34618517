"""A replay's report as plain values, for programs. Its shape is a promise: a change of it is a new `SCHEMA`."""

from datetime import datetime

from watchdog.alarm_tree import alarm_tree
from watchdog.domain.findings import Finding
from watchdog.replay import words
from watchdog.replay.report import FileRead, Found, Looked, Report

SCHEMA = "corrigibility-watchdog/replay/1"


def tree(report: Report, *, show_text: bool = False) -> dict[str, object]:
    """Return the report by name; what clients wrote is redacted unless `show_text`."""
    period = report.period
    return {
        "schema": SCHEMA,
        "outcome": report.outcome,
        "verdict": words.verdict(report),
        "advice": words.advice(report),
        "read": {
            "files": [_file(it) for it in report.files],
            "lines": report.lines,
            "requests": report.requests,
            "clients": report.clients,
            "first": _at(period and period[0]),
            "last": _at(period and period[1]),
            "malformed": dict(sorted(report.malformed.items())),
            "seconds": round(report.seconds, 3),
        },
        "reference": None
        if report.reference is None
        else {
            "files": list(report.reference.paths),
            "requests": report.reference.requests,
            "alarms": report.reference.alarms,
        },
        "warm_up": report.warm_up,
        "detectors": [_looked(it) for it in report.looked],
        "found": [_found(it, show_text=show_text) for it in report.found],
        "more_found": report.more_found,
        "about_the_log": [_finding(it) for it in report.about_the_log],
    }


def _file(it: FileRead) -> dict[str, object]:
    return {
        "path": it.path,
        "format": it.format,
        "bytes": it.size,
        "lines": it.lines,
        "requests": it.requests,
        "malformed": it.malformed,
        "first": _at(it.first),
        "last": _at(it.last),
        "problems": list(it.problems),
        "broken": it.broken,
    }


def _looked(it: Looked) -> dict[str, object]:
    return {
        "format": it.format,
        "rule": it.state.rule,
        "state": it.state.looking,
        "missing": list(it.state.missing),
        "learned": it.state.learned,
        "needed": it.state.needed,
        "since": _at(it.since),
    }


def _found(it: Found, *, show_text: bool) -> dict[str, object]:
    row = alarm_tree(it.alarm, show_text=show_text)
    return row | {"since": _at(it.since), "times": it.times}


def _finding(it: Finding) -> dict[str, object]:
    return {
        "rule": it.rule,
        "subject": it.subject,
        "severity": it.severity,
        "summary": it.summary,
        "next_step": it.next_step,
        "since": _at(it.since),
    }


def _at(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
