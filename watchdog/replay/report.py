"""What a replay came to: what was read, who looked, and what was found. Values only; how it is shown is elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from watchdog.alarm_words import is_organisation
from watchdog.domain.findings import Finding, Severity
from watchdog.domain.queries import Alarm, DetectorState, Looking

_LEAST_WARM_UP = 20


class Outcome(StrEnum):
    """What a replay came to, in one word."""

    FOUND = "found"
    CLEAN = "clean"
    NOT_EVALUATED = "not_evaluated"
    """Nobody looked: nothing was read, every detector was blind, or all of it was needed to learn what is usual."""
    UNREADABLE = "unreadable"
    """A file could not be read to its end, and nothing was found in what was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """One file, as far as it was read."""

    path: str
    format: str
    size: int
    """Bytes on the disk that were read; fewer than its lines have where it is compressed."""
    lines: int
    requests: int
    malformed: int
    first: datetime | None
    last: datetime | None
    problems: tuple[str, ...] = ()
    """What could not be read of it, in sentences."""
    broken: bool = False
    """Whether reading ended before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One detector on all files of one format."""

    format: str
    state: DetectorState
    since: datetime | None
    """From which request on it could have alarmed; None when it never could, or from the first one on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found about one client by one rule: its strongest alarm, and how many there were."""

    alarm: Alarm
    times: int
    since: datetime
    """The first request that counted, over all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFrom:
    """The traffic that was only learned from."""

    paths: tuple[str, ...]
    requests: int
    alarms: int
    """Alarms in it, which make it a doubtful reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a replay has to say."""

    files: tuple[FileRead, ...]
    clients: int
    """Different clients; 0 where no line names one."""
    malformed: Mapping[str, int]
    """Lines that were no requests, by the reason."""
    looked: tuple[Looked, ...]
    found: tuple[Found, ...]
    """The most severe first, then the oldest."""
    more_found: int
    """Alarms about further clients that were counted, and not kept."""
    about_the_log: tuple[Finding, ...]
    """Findings about the log itself, and about no client."""
    reference: LearnedFrom | None
    seconds: float
    """What the replay took."""
    warm_up: int | None = None
    """Distinct requests that were learned from, where it was too short for as many as live; else None."""

    @property
    def lines(self) -> int:
        """Lines of all files."""
        return sum(it.lines for it in self.files)

    @property
    def requests(self) -> int:
        """Requests in them."""
        return sum(it.requests for it in self.files)

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """When the first and the last request came; None when there was none."""
        firsts = [it.first for it in self.files if it.first is not None]
        lasts = [it.last for it in self.files if it.last is not None]
        return (min(firsts), max(lasts)) if firsts and lasts else None

    @property
    def blind(self) -> tuple[Looked, ...]:
        """The detectors that could not look."""
        return self._that(Looking.BLIND)

    @property
    def warming_up(self) -> tuple[Looked, ...]:
        """The detectors that were still learning when the files ended."""
        return self._that(Looking.WARMING_UP)

    @property
    def looking(self) -> tuple[Looked, ...]:
        """The detectors that looked."""
        return self._that(Looking.LOOKING)

    @property
    def outcome(self) -> Outcome:
        """What it came to. Something found counts whatever could not be read beside it."""
        if self.found or (self.about_the_log and self.requests):
            return Outcome.FOUND
        if any(it.broken for it in self.files):
            return Outcome.UNREADABLE
        return Outcome.CLEAN if self.requests and self.looking else Outcome.NOT_EVALUATED

    def _that(self, state: Looking) -> tuple[Looked, ...]:
        return tuple(it for it in self.looked if it.state.looking is state)


def gathered(alarms: Sequence[Alarm], most: int) -> tuple[tuple[Found, ...], int]:
    """Gather alarms by rule and client, the most severe first, and count the clients that are one too many."""
    by_client: dict[tuple[str, str, str], list[Alarm]] = {}
    for it in alarms:
        by_client.setdefault((it.rule, it.log, it.client), []).append(it)
    found = [
        Found(
            alarm=max(these, key=lambda it: (it.severity.rank, it.evidence)),
            times=len(these),
            since=min(it.since for it in these),
        )
        for these in by_client.values()
    ]
    found = [it for it in found if not _told_already(it, found)]
    found.sort(key=lambda it: (-it.alarm.severity.rank, it.alarm.at, it.alarm.rule, it.alarm.client))
    return tuple(found[:most]), max(len(found) - most, 0)


def _told_already(it: Found, found: Sequence[Found]) -> bool:
    """Tell whether an alarm is about an organisation, and one of its accounts is told of as urgently."""
    alarm = it.alarm
    return (
        alarm.org is not None
        and is_organisation(alarm)
        and any(
            (other.rule, other.org) == (alarm.rule, alarm.org)
            and not is_organisation(other)
            and other.severity.rank >= alarm.severity.rank
            for other in (it.alarm for it in found)
        )
    )


def shorter_warm_up(report: Report) -> int | None:
    """Return how many requests to learn from in a second try; None when there is nothing to gain by one.

    A third of a recording that was too short to learn from: what is usual is known less well by it, and bounded higher
    for that, so that the promise stays and a detector is only less keen.
    """
    if report.found or not report.warming_up:
        return None
    third = max(it.state.learned for it in report.warming_up) // 3
    return third if third >= _LEAST_WARM_UP else None


def merged(first: Report, second: Report, warm_up: int) -> Report:
    """Put two tries together: of the second, only what detectors say that were still learning in the first."""
    learning = {it.state.rule for it in first.warming_up}
    again = {(it.format, it.state.rule): it for it in second.looked if it.state.rule in learning}
    return replace(
        second,
        looked=tuple(again.get((it.format, it.state.rule), it) for it in first.looked),
        found=tuple(_of_two_looks(it) for it in second.found if it.alarm.rule in learning),
        seconds=first.seconds + second.seconds,
        warm_up=warm_up,
    )


def _of_two_looks(it: Found) -> Found:
    """Return what was found in a second look, which doubles what may come by chance."""
    return replace(it, alarm=replace(it.alarm, expected=2 * it.alarm.expected))


def pages(report: Report) -> int:
    """Count what would have woken somebody."""
    return sum(it.alarm.severity is Severity.CRITICAL for it in report.found)
