"""The second act of a demo: customers use the API, one of them floods it, and the gateway's query log gives it away."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol

from watchdog.domain.findings import Finding
from watchdog.ports import Clock
from watchdog.query_logs.streaming import Stepped
from watchdog.rehearsal import traffic
from watchdog.rehearsal.front import Front

LOG = "gateway"
WARM_UP = 150
"""Distinct requests that the demo's detectors learn from; live it is more."""
_ORDINARY = 400
_WAVE = 4
_RULE = "boundary_flood"
_FLOODER = f"{LOG}/{traffic.FLOODER.name}"


class Stream(Protocol):
    """What reads the query log."""

    def step(self, now: datetime) -> Stepped:
        """Read what is there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """What came of the flood."""

    ordinary: int = 0
    """Requests of the customers."""
    refused: int = 0
    """Requests of the flood until it was noticed."""
    own_probes: int = 0
    """Our own requests that were found in the log, and taken out."""
    finding: Finding | None = None
    """The one about the flood; None when it was not noticed."""
    others: int = 0
    """Findings about anybody else, or about the log."""


def section(log: Path, target: str) -> dict[str, object]:
    """Return what a configuration says about the gateway's log."""
    named = {"name": LOG, "paths": [str(log.absolute())], "format": "openai", "target": target}
    return named | {"from": "beginning", "warm-up": WARM_UP}


def front(log: Path) -> Front:
    """Return what the gateway answers by itself, and where it writes what it was asked."""
    return Front(log=log, accounts=traffic.ACCOUNTS, refused=traffic.POLICY)


def play(stream: Stream, base_url: str, model: str, now: Clock) -> Flooded:
    """Send what customers send, then flood as well; the log is read in between, as it would be live."""
    customers, reading = traffic.ordinary(seed=1), _Reading(stream, now)
    traffic.send(base_url, model, list(islice(customers, _ORDINARY)))
    reading.read()
    ordinary, refused, attempts = _ORDINARY, 0, traffic.flood()
    while reading.flood is None and (wave := list(islice(attempts, _WAVE))):
        refused += traffic.send(base_url, model, wave)
        traffic.send(base_url, model, list(islice(customers, 2 * _WAVE)))
        ordinary += 2 * _WAVE
        reading.read()
    return Flooded(
        ordinary=ordinary,
        refused=refused,
        own_probes=reading.ours,
        finding=reading.flood,
        others=sum(it.subject != _FLOODER for it in reading.findings),
    )


@dataclass
class _Reading:
    """What was read of the log so far."""

    stream: Stream
    now: Clock
    ours: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def flood(self) -> Finding | None:
        """The first finding about the flood."""
        return next((it for it in self.findings if (it.rule, it.subject) == (_RULE, _FLOODER)), None)

    def read(self) -> None:
        """Read everything that is there now."""
        more = True
        while more:
            stepped = self.stream.step(self.now())
            self.ours += stepped.sifted.ours
            self.findings += stepped.findings
            more = stepped.more
