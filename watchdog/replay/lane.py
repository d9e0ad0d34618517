"""Everything of one format: one set of detectors, whatever the number of files, and the time that requests tell."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from watchdog.domain.findings import Finding
from watchdog.domain.queries import LogChunk, LogPosition, Looking
from watchdog.ports import ClientWatch, LogFormat
from watchdog.query_logs.checks import MINUTE, LogChecks
from watchdog.query_logs.findings import INTEGRITY
from watchdog.query_logs.sifting import Sifted, Sifting
from watchdog.replay.report import Looked
from watchdog.replay.tally import Tally

LOG = "recorded"
"""What a log is called that no configuration has a name for."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Lane:
    """One format's way from lines to alarms, as live; only the clock is the log's."""

    tally: Tally
    sifting: Sifting
    checks: LogChecks
    _learning: set[str] = field(default_factory=set)
    _since: dict[str, datetime] = field(default_factory=dict)
    _findings: list[Finding] = field(default_factory=list)
    _now: datetime = _BEGINNING

    @classmethod
    def open(cls, log: str, form: LogFormat, watch: ClientWatch) -> "Lane":
        """Return the lane of a format."""
        tally = Tally(watch)
        lane = cls(tally, Sifting(log=log, form=form, watch=tally), LogChecks(log))
        lane.begin()
        return lane

    def begin(self) -> None:
        """Begin what is reported; what was learned before stays learned."""
        self.tally.forget_clients()
        self.checks, self._now = LogChecks(self.sifting.log), _BEGINNING
        self.sifting.newest = None
        self._findings.clear()
        self._since.clear()
        self._learning = {it.rule for it in self.tally.standing() if it.looking is Looking.WARMING_UP}

    def take(self, chunk: LogChunk) -> Sifted:
        """Take lines in, and see who has learned enough by them, and whether the log can be trusted."""
        sifted = self.sifting.take(chunk)
        self._now = sifted.newest or self._now
        self._check(chunk, sifted)
        if self._learning and sifted.newest is not None:
            looking = {it.rule for it in self.tally.standing() if it.looking is Looking.LOOKING}
            self._since |= dict.fromkeys(self._learning & looking, sifted.newest)
            self._learning -= looking
        return sifted

    def looked(self) -> Iterator[Looked]:
        """Yield how it stands with each detector now."""
        for it in self.tally.standing():
            yield Looked(format=self.sifting.form.name, state=it, since=self._since.get(it.rule))

    def finish(self) -> list[Finding]:
        """Let the last minute end, and return what was found about the log itself."""
        self._now += MINUTE
        self._check(LogChunk(lines=(), position=LogPosition(), lag_bytes=1), Sifted())
        if not self._findings:
            return []
        more = f"; and so in {len(self._findings) - 1:,} other minutes" if len(self._findings) > 1 else ""
        return [replace(self._findings[0], summary=self._findings[0].summary + more)]

    def _check(self, chunk: LogChunk, sifted: Sifted) -> None:
        # Gaps are told beside their file, and who is blind beside the detectors.
        self._findings += [it for it in self.checks.look(chunk, sifted, (), self._now).findings if it.rule == INTEGRITY]
