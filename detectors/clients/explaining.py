"""What an alarm says: who, since when, on what evidence, and what is unusual about the client; in our own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from detectors.clients.folding import near
from detectors.clients.references import Segment
from detectors.clients.signals import Signal
from detectors.clients.state import FEATURES, Case, Client
from watchdog.alarm_words import percent, words_of
from watchdog.domain.findings import Severity
from watchdog.domain.queries import Alarm, Deviation, EvidencePoint, Example

_DEVIATIONS: Final = 3
_A_FEW: Final = 4
_A_FAMILY: Final = 0.5
"""Share of the last hits that are near-duplicates of the hit before them, from which on it is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What an alarm says beside the evidence."""

    log: str
    at: float
    severity: Severity
    threshold: float
    expected: float
    segment: Segment
    texts: list[str]
    blind: Mapping[str, str]
    of_an_org: bool
    """Whether the evidence is that of an organisation, spread over its accounts."""
    warming_up: bool


def alarm(client: Client, case: Case, signal: Signal, occasion: Occasion) -> Alarm:
    """Say what the evidence against a client has come to."""
    return Alarm(
        rule=signal.rule,
        log=occasion.log,
        client=client.name,
        org=client.org,
        segment=client.segment,
        severity=occasion.severity,
        since=_time(case.since),
        at=_time(occasion.at),
        evidence=case.value,
        threshold=occasion.threshold,
        expected=occasion.expected,
        base_rate=case.base,
        hits=case.hits,
        trials=case.trials,
        path=tuple(EvidencePoint(at=_time(when), evidence=value) for when, value in case.path),
        deviations=() if occasion.of_an_org else deviations(client, occasion.segment),
        examples=tuple(
            Example(at=_time(it.at), query=it.query, text=text, why=it.why)
            for it, text in zip(case.marks, occasion.texts, strict=True)
        ),
        blind=tuple(f"{rule}: {lacks}" for rule, lacks in sorted(occasion.blind.items())),
        said=_said(case, signal, occasion),
    )


def deviations(client: Client, segment: Segment) -> tuple[Deviation, ...]:
    """Return the features of a client that are furthest from what is usual in its segment, furthest first."""
    found = [
        Deviation(feature=name, client=own, usual=mean, spread=(squares / (count - 1)) ** 0.5)
        for name, own, (count, mean, squares) in zip(FEATURES, client.moments, segment.features, strict=False)
        if count > 1
    ]
    return tuple(sorted(found, key=lambda it: -it.distance)[:_DEVIATIONS])


def _said(case: Case, signal: Signal, occasion: Occasion) -> str:
    who = "The accounts of one organisation together" if occasion.of_an_org else "The client"
    units = words_of(signal.rule).units
    whys = {kind.name: kind.why for kind in signal.kinds}
    kinds = sorted(case.reasons.items(), key=lambda it: (-it[1], it[0]))
    counted = "; ".join(f"{count} x {whys.get(name, name)}" for name, count in kinds)
    rate = "is assumed, as the segment still warms up" if occasion.warming_up else "are expected"
    return (
        f"{who}: of {case.trials:,} {units} since the first that counted, {case.hits:,} did ({counted}), where at most "
        f"{percent(case.base)} {rate}.{_of_family(case)}"
    )


def _of_family(case: Case) -> str:
    alike = sum(near(one, other) for one, other in pairwise(case.sketches))
    if len(case.sketches) < _A_FEW or alike < _A_FAMILY * (len(case.sketches) - 1):
        return ""
    return f" Of the last {len(case.sketches)} of these, {alike} are a small change of the one before."


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
