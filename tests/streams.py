"""A small world for streams: a log in memory, a format, and a watch that counts refusals, over any ledger."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from detectors.logs.in_memory import MemoryLog
from tests.builders import NOW
from watchdog.desk import Desk
from watchdog.domain.findings import Severity
from watchdog.domain.queries import (
    FIELDS,
    Alarm,
    DetectorState,
    Deviation,
    EvidencePoint,
    Example,
    Expectation,
    Looking,
    Query,
    Reference,
)
from watchdog.errors import LineError
from watchdog.ports import Ledger
from watchdog.query_logs.checks import LogChecks
from watchdog.query_logs.own_probes import OwnProbes
from watchdog.query_logs.sifting import Sifting
from watchdog.query_logs.streaming import Streaming

LOG = "gateway"
RULE = "boundary_flood"
LEARNS = 5
"""Requests from which this watch learns what is usual."""


def line(client: str = "alice", prompt: str = "hello", *, seconds: float = 0.0, **more: object) -> bytes:
    """Return one line of the log, so many seconds after the beginning."""
    return json.dumps({"at": NOW.timestamp() + seconds, "client": client, "prompt": prompt, **more}).encode()


def refusals(client: str, count: int, *, seconds: float = 0.0) -> list[bytes]:
    """Return lines of a client that is refused again and again, a second apart."""
    return [line(client, f"how do I {it}", seconds=seconds + it, refused=True) for it in range(count)]


@dataclass(frozen=True)
class JsonLines:
    """A line is the fields of a request."""

    name: str = "json"
    fields: frozenset[str] = FIELDS

    def parse(self, line: bytes) -> Sequence[Query]:
        try:
            return [Query(**json.loads(line))]
        except (ValueError, TypeError) as exc:
            raise LineError("not JSON", hint="look at it", reason="not_json") from exc


@dataclass
class CountingWatch:
    """Alarms at every `level`-th refusal of a client; its state is what it counted. Satisfies `ports.ClientWatch`."""

    level: int = 3
    blind: tuple[str, ...] = ()
    counts: dict[str, list[float]] = field(default_factory=dict)
    """By client: trials, hits, and when the last hit was."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    expected: tuple[Expectation, ...] = ()
    seen: int = 0
    observed: list[Query] = field(default_factory=list)
    _changed: set[str] = field(default_factory=set)
    _settled: list[Reference] = field(default_factory=list)

    def observe(self, queries: Sequence[Query]) -> list[Alarm]:
        self.observed += queries
        return [alarm for it in queries if (alarm := self._observe(it)) is not None]

    def _observe(self, it: Query) -> Alarm | None:
        client = it.client or "?"
        self.seen += 1
        if self.seen == LEARNS:
            self._settled.append(Reference(segment="default", signal="refused", trials=LEARNS, hits=0, p0=0.1))
        count = self.counts.setdefault(client, [0, 0, 0.0])
        count[0] += 1
        self._changed |= {f"client/{client}", f"text/{client}", "log"}
        expected = {word.client for word in self.expected if word.rule == RULE}
        if not it.refused or client in expected:
            return None
        count[1], count[2] = count[1] + 1, it.at
        self.texts.setdefault(client, []).append(it.prompt or "")
        return self._alarm(it, client, count) if not count[1] % self.level else None

    def _alarm(self, it: Query, client: str, count: list[float]) -> Alarm:
        at = datetime.fromtimestamp(it.at, UTC)
        kept = self.texts.get(client, [])[-5:]
        examples = tuple(Example(at=at, query="", text=text, why="refused") for text in kept)
        return Alarm(
            rule=RULE,
            log=LOG,
            client=client,
            org=None,
            segment="default",
            severity=Severity.WARNING,
            since=at,
            at=at,
            evidence=10.0 * count[1],
            threshold=30.0,
            expected=0.5,
            base_rate=0.1,
            hits=int(count[1]),
            trials=int(count[0]),
            path=(EvidencePoint(at=at, evidence=10.0),),
            deviations=(Deviation(feature="refusals", client=1.0, usual=0.1, spread=0.05),),
            examples=examples,
            blind=(),
            said="it was refused again and again",
        )

    def standing(self) -> Sequence[DetectorState]:
        looking = Looking.BLIND if self.blind else Looking.LOOKING
        return [DetectorState(rule=RULE, looking=looking, missing=self.blind)]

    def expect(self, these: Sequence[Expectation]) -> None:
        self.expected = tuple(these)

    def last_hit(self, rule: str, client: str) -> float | None:
        count = self.counts.get(client)
        return None if count is None else count[2]

    def forget(self, client: str | None) -> None:
        gone = list(self.texts) if client is None else [client]
        for it in gone:
            self.texts.pop(it, None)
            self._changed.add(f"text/{it}")

    def settled(self) -> Sequence[Reference]:
        return list(self._settled)

    def changed(self) -> Mapping[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for key in self._changed:
            kind, _, client = key.partition("/")
            known: object = (
                self.seen if kind == "log" else {"client": self.counts, "text": self.texts}[kind].get(client)
            )
            found[key] = None if known is None else json.dumps(known).encode()
        return found

    def committed(self) -> None:
        self._changed.clear()
        self._settled.clear()

    def restore(self, state: Mapping[str, bytes]) -> None:
        for key, body in state.items():
            kind, _, client = key.partition("/")
            if kind == "log":
                self.seen = json.loads(body)
            else:
                {"client": self.counts, "text": self.texts}[kind][client] = json.loads(body)


@dataclass
class Flowing:
    """One log over a ledger, on a clock that a test sets; `again` is what a new process would have."""

    ledger: Ledger
    log: MemoryLog = field(default_factory=MemoryLog)
    watch: CountingWatch = field(default_factory=CountingWatch)
    own: OwnProbes | None = None
    chunk: int = 1
    """One line at a time."""
    commit_s: float = 0.0
    time: datetime = NOW
    salts: "itertools.count[int]" = field(default_factory=itertools.count)
    stream: Streaming = field(init=False)
    refused: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        sifting = Sifting(
            log=LOG,
            form=JsonLines(),
            watch=self.watch,
            quarantine=self.refused.append,
            own=self.own,
        )
        self.stream = Streaming(
            log=self.log,
            sifting=sifting,
            ledger=self.ledger,
            desk=Desk(self.ledger, ("oncall",)),
            checks=LogChecks(LOG, own=self.own),
            salt=lambda: str(next(self.salts)).encode(),
            monotonic=self._seconds,
            chunk=self.chunk,
            commit_s=self.commit_s,
        )
        self.stream.resume(self.time)

    def _seconds(self) -> float:
        return self.time.timestamp()

    def again(self) -> "Flowing":
        """Return what a process has that starts after this one was killed."""
        own = None if self.own is None else OwnProbes()
        log = MemoryLog(self.log.lines)
        return Flowing(
            self.ledger, log=log, own=own, chunk=self.chunk, commit_s=self.commit_s, time=self.time, salts=self.salts
        )

    def flow(self, *lines: bytes, seconds: float = 1.0) -> None:
        """Write lines, and step until all are read, a second for each step."""
        self.log.append(lines)
        while self.step(seconds):
            pass

    def step(self, seconds: float = 1.0) -> bool:
        """Step once, and say whether more lines wait."""
        self.time += timedelta(seconds=seconds)
        return self.stream.step(self.time).more
