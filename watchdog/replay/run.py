"""The use case: read recorded logs from beginning to end, and gather what the detectors say. No ledger, no network."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from watchdog.domain.queries import Alarm, LogChunk
from watchdog.ports import ClientWatch, LogFormat, QueryLog
from watchdog.replay.lane import LOG, Lane
from watchdog.replay.report import FileRead, LearnedFrom, Report, gathered

CHUNK = 2**17
"""Bytes that are read at once; between two chunks the progress is told."""

MOST_FOUND = 1_000
_MOST_ALARMS = 100_000
_MOST_PROBLEMS = 20

TOO_LONG = "too_long"
"""The kind of gap, and the reason, of a line that was skipped for its length."""
UNKNOWN = "unknown_format"
"""Why a line of a file was not read that is in no format we know."""


class Recording(QueryLog, Protocol):
    """A log that is complete."""

    @property
    def path(self) -> str:
        """Where it is; `-` for the standard input."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes on the disk; None when it is a pipe."""
        ...

    @property
    def taken(self) -> int:
        """Bytes on the disk that were read so far."""
        ...

    @property
    def over(self) -> bool:
        """Whether all of it was read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A log and how it is written."""

    log: Recording
    form: LogFormat | None
    """None where nobody could tell, and then nothing in it is a request."""
    why: str = ""
    """Why nobody could tell."""


class Told(Protocol):
    """Is told how far a replay is."""

    def __call__(self, *, taken: int, requests: int, alarms: int) -> None:
        """Take note of bytes, requests and alarms so far."""
        ...


def silent(*, taken: int, requests: int, alarms: int) -> None:
    """Take note of nothing."""


@dataclass
class _Reading:
    """What reading one file came to so far."""

    source: Source
    lines: int = 0
    malformed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    broken: bool = False

    def note(self, chunk: LogChunk, malformed: Mapping[str, int]) -> None:
        """Take note of some lines, and of those among them that were no requests."""
        self.lines += len(chunk.lines)
        self.malformed.update(malformed)
        for gap in chunk.gaps:
            if gap.what == TOO_LONG:
                self.lines += 1
                self.malformed[TOO_LONG] += 1
            self.broken = self.broken or gap.what != TOO_LONG
            self.problems += [gap.why] if len(self.problems) < _MOST_PROBLEMS else []

    def done(self, lane: Lane | None) -> FileRead:
        """Close the file, and return what it was."""
        log, form = self.source.log, self.source.form
        log.close()
        first, last = (None, None) if lane is None else lane.tally.period()
        return FileRead(
            path=log.path,
            format="" if form is None else form.name,
            size=log.taken,
            lines=self.lines,
            requests=0 if lane is None else lane.tally.requests,
            malformed=self.malformed.total(),
            first=first,
            last=last,
            problems=(*([self.source.why] if self.source.why else []), *self.problems),
            broken=self.broken,
        )


@dataclass
class Replay:
    """Reads recorded logs to their ends. Made for one run."""

    open_watch: Callable[[LogFormat], ClientWatch]
    """Makes the detectors for a format; called once for each, however many files are written in it."""
    log: str = LOG
    """What the logs are called in what is found."""
    told: Told = silent
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _alarms: list[Alarm] = field(default_factory=list)
    _malformed: Counter[str] = field(default_factory=Counter)
    _taken: int = 0
    _requests: int = 0

    def run(self, sources: Sequence[Source], references: Sequence[Source] = ()) -> Report:
        """Learn from the references, then read the sources in their order, and say what came of it."""
        begun = time.monotonic()
        learned = self._learn(references) if references else None
        files = tuple(self._read(source) for source in sources)
        found, more = gathered(self._alarms, MOST_FOUND)
        lanes = self._lanes.values()
        return Report(
            files=files,
            clients=sum(lane.tally.clients for lane in lanes),
            malformed=dict(self._malformed),
            looked=tuple(it for lane in lanes for it in lane.looked()),
            found=found,
            more_found=more,
            about_the_log=tuple(it for lane in lanes for it in lane.finish()),
            reference=learned,
            seconds=time.monotonic() - begun,
        )

    def _learn(self, references: Sequence[Source]) -> LearnedFrom:
        """Show the references to the detectors, and keep nothing of what they say but how often they said it."""
        files = [self._read(source) for source in references]
        _, alarms = gathered(self._alarms, 0)
        self._alarms.clear()
        self._malformed.clear()
        for lane in self._lanes.values():
            lane.begin()
        return LearnedFrom(
            paths=tuple(it.path for it in files), requests=sum(it.requests for it in files), alarms=alarms
        )

    def _read(self, source: Source) -> FileRead:
        """Read one log to its end."""
        lane = None if source.form is None else self._lane(source.form)
        reading = _Reading(source)
        if lane is not None:
            lane.tally.begin()
        while not source.log.over:
            chunk = source.log.read(CHUNK)
            malformed: Mapping[str, int] = {UNKNOWN: len(chunk.lines)} if chunk.lines else {}
            if lane is not None:
                sifted = lane.take(chunk)
                malformed = sifted.malformed
                self._requests += sifted.queries
                self._alarms += sifted.alarms[: max(_MOST_ALARMS - len(self._alarms), 0)]
            reading.note(chunk, malformed)
            self.told(taken=self._taken + source.log.taken, requests=self._requests, alarms=len(self._alarms))
        self._taken += source.log.taken
        self._malformed += reading.malformed
        return reading.done(lane)

    def _lane(self, form: LogFormat) -> Lane:
        if form.name not in self._lanes:
            self._lanes[form.name] = Lane.open(self.log, form, self.open_watch(form))
        return self._lanes[form.name]
