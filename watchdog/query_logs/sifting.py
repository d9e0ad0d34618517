"""From lines to alarms: parse what can be read, count what cannot, take our own probes out, let detectors look."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from watchdog.domain.queries import Alarm, LogChunk, Query
from watchdog.errors import LineError
from watchdog.ports import ClientWatch, LogFormat
from watchdog.query_logs.own_probes import OwnProbes

MOST_BACK_S = 3600.0
"""How much older than the newest request one may be, where a log is read as it is written."""

FAULT = "fault"
"""The reason for a line at which a parser failed in a way that it should not."""

Refuse = Callable[[bytes], None]
"""Takes a line that could not be read."""


def refuse_nothing(line: bytes) -> None:
    """Keep nothing of a line that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """What some lines came to."""

    alarms: tuple[Alarm, ...] = ()
    lines: int = 0
    queries: int = 0
    """Requests in them, our own included."""
    ours: int = 0
    malformed: Mapping[str, int] = field(default_factory=dict)
    """Lines that could not be read, by reason."""
    newest: datetime | None = None
    """The newest request so far, by the log's own time."""
    backward: int = 0
    """Requests that are older than the newest before them by more than an hour."""

    @property
    def bad(self) -> int:
        """Lines that could not be read."""
        return sum(self.malformed.values())


@dataclass
class Sifting:
    """Everything between the lines of one log and the alarms. It writes nothing, and waits for nothing."""

    log: str
    form: LogFormat
    watch: ClientWatch
    quarantine: Refuse = refuse_nothing
    own: OwnProbes | None = None
    newest: float | None = None
    """The newest request so far, in seconds since 1970."""

    @property
    def newest_at(self) -> datetime | None:
        """The newest request so far, by the log's own time."""
        return None if self.newest is None else datetime.fromtimestamp(self.newest, UTC)

    def take(self, chunk: LogChunk) -> Sifted:
        """Take lines in, in order. Never raises for what is in a line."""
        malformed: Counter[str] = Counter()
        queries: list[Query] = []
        for line in chunk.lines:
            try:
                queries += self.form.parse(line)
            except LineError as exc:
                self._refuse(line, exc.reason, malformed)
            except Exception:  # noqa: BLE001 - whatever a hostile line does to a parser, the next one is read
                self._refuse(line, FAULT, malformed)
        backward = self._look_at_times(queries)
        others = queries if self.own is None else self.own.take(queries)
        return Sifted(
            alarms=tuple(self.watch.observe(others)) if others else (),
            lines=len(chunk.lines),
            queries=len(queries),
            ours=len(queries) - len(others),
            malformed=malformed,
            newest=self.newest_at,
            backward=backward,
        )

    def _refuse(self, line: bytes, reason: str, malformed: Counter[str]) -> None:
        malformed[reason] += 1
        self.quarantine(line)

    def _look_at_times(self, queries: Sequence[Query]) -> int:
        """Move the newest time on, and count the requests that lie far behind what was the newest before these."""
        if not queries:
            return 0
        before = self.newest
        newest = max(it.at for it in queries)
        self.newest = newest if before is None else max(before, newest)
        return 0 if before is None else sum(it.at < before - MOST_BACK_S for it in queries)
