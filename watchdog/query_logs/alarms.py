"""Alarms on their way into the record: what clients wrote is put aside, and when an alarm is over is known."""

import json
import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from watchdog import alarm_words
from watchdog.domain.decisions import Alarmed
from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.queries import Alarm, EvidencePoint, Example
from watchdog.domain.streamed import CustomerText
from watchdog.ports import ClientWatch

QUIET = timedelta(days=1)
RECOVERY = "quiet-for-a-day"
"""No request of the client counted for the rule in a day of the log's time."""

PREFIX = "open/"
"""How the keys of this state begin."""

_NAMESPACE = uuid.UUID("9c6b1f0e-4f0e-5d57-8a4b-52a0d2a8f7c3")
_LARGEST = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alarm as it is recorded."""

    alarmed: Alarmed
    finding: Finding
    texts: tuple[CustomerText, ...]


def raised(alarm: Alarm, *, salt: Callable[[], bytes], at: datetime) -> Raised:
    """Part an alarm from what the client wrote, and make the finding that people read."""
    texts = [_aside(alarm, it, salt()) if it.text else None for it in alarm.examples]
    examples = tuple(
        replace(it, text="", digest="" if text is None else text.digest)
        for it, text in zip(alarm.examples, texts, strict=True)
    )
    plain = _finite(replace(alarm, examples=examples))
    source = (alarm.log, alarm.rule, alarm.client, alarm.severity, alarm.at.isoformat(), str(alarm.trials))
    alarmed = Alarmed(id=str(uuid.uuid5(_NAMESPACE, "\0".join(source))), at=at, alarm=plain)
    finding = replace(alarm_words.finding(plain, (alarmed.id,)), seen_at=at)
    return Raised(alarmed=alarmed, finding=finding, texts=tuple(it for it in texts if it is not None))


@dataclass
class OpenAlarms:
    """Which clients were alarmed about, so that it can be said when it is over."""

    log: str
    _last: dict[tuple[str, str], float] = field(default_factory=dict)
    """The last request that counted, by rule and client, as far as it is known."""
    _changed: set[tuple[str, str]] = field(default_factory=set)

    def note(self, alarm: Alarm) -> None:
        """Note an alarm."""
        key = alarm.rule, alarm.client
        self._last[key] = alarm.at.timestamp()
        self._changed.add(key)

    def over(self, watch: ClientWatch, newest: datetime, now: datetime) -> list[Recovery]:
        """Return the recoveries of those that have been quiet for long enough, by the log's time."""
        found = []
        for (rule, client), alarmed_at in list(self._last.items()):
            last = max(alarmed_at, watch.last_hit(rule, client) or 0.0)
            if newest.timestamp() - last >= QUIET.total_seconds():
                del self._last[rule, client]
                self._changed.add((rule, client))
                found.append(Recovery(rule=rule, subject=f"{self.log}/{client}", by=RECOVERY, seen_at=now))
        return found

    def changed(self) -> dict[str, bytes | None]:
        """Return what changed since the last `committed`, as `ClientWatch.changed` does."""
        found: dict[str, bytes | None] = {}
        for rule, client in self._changed:
            last = self._last.get((rule, client))
            found[f"{PREFIX}{rule}/{client}"] = None if last is None else json.dumps(last).encode()
        return found

    def committed(self) -> None:
        """Take what `changed` returned as being in the ledger."""
        self._changed.clear()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up what an earlier process had open."""
        for key, body in state.items():
            if key.startswith(PREFIX):
                rule, _, client = key.removeprefix(PREFIX).partition("/")
                self._last[rule, client] = float(json.loads(body))


def _aside(alarm: Alarm, it: Example, salt: bytes) -> CustomerText:
    return CustomerText.of(it.text, salt=salt, log=alarm.log, client=alarm.client, at=it.at)


def _finite(alarm: Alarm) -> Alarm:
    """Return the alarm with numbers that JSON has: evidence may have grown beyond all of them."""
    return replace(
        alarm,
        evidence=_number(alarm.evidence),
        threshold=_number(alarm.threshold),
        expected=_number(alarm.expected),
        base_rate=_number(alarm.base_rate),
        path=tuple(_points(alarm.path)),
        deviations=tuple(
            replace(it, client=_number(it.client), usual=_number(it.usual), spread=_number(it.spread))
            for it in alarm.deviations
        ),
    )


def _points(path: Iterable[EvidencePoint]) -> Iterable[EvidencePoint]:
    return (EvidencePoint(at=it.at.astimezone(UTC), evidence=_number(it.evidence)) for it in path)


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else max(-_LARGEST, min(_LARGEST, value))
