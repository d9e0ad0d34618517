"""An alarm as plain values, for programs: the same names in `logs replay` and in `incidents show`."""

import math

from watchdog import alarm_words
from watchdog.domain.queries import Alarm, Deviation, Example
from watchdog.redaction import shown


def alarm_tree(alarm: Alarm, *, show_text: bool = False) -> dict[str, object]:
    """Return an alarm by name; what the client wrote is redacted unless `show_text`."""
    return {
        "rule": alarm.rule,
        "level": alarm_words.level(alarm),
        "severity": alarm.severity,
        "client": alarm.client,
        "org": alarm.org,
        "segment": alarm.segment,
        "summary": alarm_words.summary(alarm),
        "said": alarm.said,
        "since": alarm.since.isoformat(),
        "at": alarm.at.isoformat(),
        "evidence": _number(alarm.evidence),
        "threshold": _number(alarm.threshold),
        "expected_a_week": _number(alarm.expected),
        "promise": alarm_words.promise(alarm),
        "base_rate": _number(alarm.base_rate),
        "hits": alarm.hits,
        "trials": alarm.trials,
        "path": [{"at": point.at.isoformat(), "evidence": _number(point.evidence)} for point in alarm.path],
        "deviations": [_deviation(it) for it in alarm.deviations],
        "examples": [_example(it, show_text=show_text) for it in alarm.examples],
        "blind": list(alarm.blind),
        "next_step": alarm_words.next_step(alarm.rule),
    }


def _deviation(it: Deviation) -> dict[str, object]:
    return {
        "feature": it.feature,
        "client": _number(it.client),
        "usual": _number(it.usual),
        "spread": _number(it.spread),
        "distance": _number(it.distance),
    }


def _example(it: Example, *, show_text: bool) -> dict[str, object]:
    return {"at": it.at.isoformat(), "query": it.query, "why": it.why, "text": shown(it, whole=show_text)}


def _number(value: float) -> float | None:
    """Return a number as JSON can have it; None for what is none, or beyond all of them."""
    return value if math.isfinite(value) else None
