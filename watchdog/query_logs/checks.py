"""Whether a query log can be trusted and looked at: what is wrong with the log itself, and when that is over."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.queries import DetectorState, LogChunk, LogGap, Looking
from watchdog.domain.times import when
from watchdog.query_logs import findings
from watchdog.query_logs.own_probes import OwnProbes, Wrong
from watchdog.query_logs.sifting import Sifted

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

MOST_BAD = 0.01
"""The share of lines of a minute that may be malformed."""
_FEW = 5
"""So many malformed lines in a minute are never too many: a quiet log has few lines."""
_ENOUGH = 200
"""Requests to see before a field that none of them has counts as missing."""

_NOT_NOW = frozenset({"unreadable", "refused"})
"""Kinds of gaps whose lines may still be read, once somebody mends it."""
_A_LINE = frozenset({"too_long"})
"""Kinds of gaps that are one bad line."""
_SOME = ("?",)
"""Stands for causes of blindness that somebody else told, and equals none that is found here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a look at the log came to."""

    findings: tuple[Finding, ...] = ()
    recoveries: tuple[Recovery, ...] = ()


@dataclass(slots=True)
class _Minute:
    """What came in a minute."""

    begun: datetime
    lines: int = 0
    bad: int = 0
    backward: int = 0
    queries: int = 0


@dataclass
class LogChecks:
    """Watches one log. Times are ours, not the log's: whoever writes it could move them."""

    log: str
    wanted: frozenset[str] | None = None
    """Rules that are relied on; None for all that the watch has."""
    own: OwnProbes | None = None
    no_probes: str = ""
    """Why our own probes cannot be looked for, although they should be; empty when they can."""
    newest_bad: Callable[[], Sequence[str]] = tuple
    """The SHA-256 of the newest lines that could not be read: whoever has the log finds them by it."""
    _minute: _Minute | None = None
    _queries: int = 0
    _live: bool = False
    """Whether the log had been read to its end before these lines."""
    # An incident of an earlier run may be open, so that all is well is told once.
    _unsound_at: datetime | None = None
    _unsound_since: datetime | None = None
    _unsound_told: bool = True
    _gap_at: datetime | None = None
    _gap_told: bool = True
    _blind_since: datetime | None = None
    _blind_told: tuple[str, ...] | None = _SOME
    _unreadable: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def look(self, chunk: LogChunk, sifted: Sifted, standing: Sequence[DetectorState], now: datetime) -> Checked:
        """Take in what was read, or that nothing was, and say what is wrong with the log now."""
        gaps = chunk.gaps
        self._queries += sifted.queries
        lost = [it for it in gaps if it.what not in _NOT_NOW | _A_LINE]
        signs = self._signs(sifted, sum(it.what in _A_LINE for it in gaps), now)
        if not chunk.lag_bytes:
            signs += _about_ours([] if self.own is None else self.own.settle(sifted.newest, now))
        self._live = not chunk.lag_bytes
        found = [
            self._gap(lost, now),
            self._unsound(signs, sifted, now),
            self._blind(chunk, standing, sifted, now),
        ]
        return Checked(
            findings=tuple(it for it in found if isinstance(it, Finding)),
            recoveries=tuple(it for it in found if isinstance(it, Recovery)),
        )

    def told_elsewhere(self) -> None:
        """Take note that others said that the log is not read: this says when it is over."""
        self._blind_told = _SOME

    def blind(self, standing: Sequence[DetectorState]) -> list[str]:
        """Name the rules that are relied on and cannot look, with what they lack."""
        dark = (
            it for it in standing if it.looking is Looking.BLIND and (self.wanted is None or it.rule in self.wanted)
        )
        named = [f"{it.rule}: {' '.join(it.missing)}" for it in dark]
        without = self.own is not None and not self.own.sees_prompts and self._queries > 0
        named += ["our own probes: prompt"] if without else []
        return named + ([f"our own probes: {self.no_probes}"] if self.no_probes else [])

    def _signs(self, sifted: Sifted, long_lines: int, now: datetime) -> list[str]:
        """Count a minute's lines; at its end say what was wrong with them."""
        minute = self._minute
        signs = []
        if minute is not None and now - minute.begun >= MINUTE:
            if _too_many(minute.bad, minute.lines):
                signs.append(f"{minute.bad:,} of {minute.lines:,} lines of a minute could not be read{self._newest()}")
            if _too_many(minute.backward, minute.queries):
                signs.append(f"the time of {minute.backward:,} of {minute.queries:,} requests lies hours behind others")
            minute = None
        if minute is None:
            minute = _Minute(now)
        minute.lines, minute.bad = minute.lines + sifted.lines + long_lines, minute.bad + sifted.bad + long_lines
        minute.queries += sifted.queries
        # What was written while nobody read may come in any order, when a log has several files.
        minute.backward += sifted.backward if self._live else 0
        self._minute = minute
        return signs

    def _newest(self) -> str:
        digests = self.newest_bad()
        return f" (SHA-256 of the newest: {', '.join(digests)})" if digests else ""

    def _gap(self, lost: Sequence[LogGap], now: datetime) -> Finding | Recovery | None:
        if lost:
            self._gap_at, self._gap_told = now, True
            return findings.gap_finding(self.log, lost, now)
        self._gap_at = self._gap_at or now
        if self._gap_told and now - self._gap_at >= DAY:
            self._gap_told = False
            return findings.gap_over(self.log, now)
        return None

    def _unsound(self, signs: Sequence[str], sifted: Sifted, now: datetime) -> Finding | Recovery | None:
        if signs:
            self._unsound_at, self._unsound_told = now, True
            self._unsound_since = self._unsound_since or now
            return findings.integrity_finding(self.log, signs, since=self._unsound_since, at=now)
        self._unsound_at = self._unsound_at or now
        if self._unsound_told and now - self._unsound_at >= HOUR and sifted.queries:
            self._unsound_since, self._unsound_told = None, False
            return findings.integrity_over(self.log, now)
        return None

    def _blind(
        self,
        chunk: LogChunk,
        standing: Sequence[DetectorState],
        sifted: Sifted,
        now: datetime,
    ) -> Finding | Recovery | None:
        """Say it when what cannot be looked at changes; a file that cannot be read for a moment is not told."""
        self._note_unreadable(chunk, now)
        whole = [f"{path}: {why}" for path, (why, since) in self._unreadable.items() if now - since >= MINUTE]
        whole += self._silent(sifted, now)
        causes = (*whole, *(self.blind(standing) if self._queries >= _ENOUGH else ()))
        if not causes:
            if self._blind_told is None or not sifted.queries or self._queries < _ENOUGH:
                return None
            self._blind_since, self._blind_told = None, None
            return findings.blind_over(self.log, now)
        self._blind_since = self._blind_since or now
        if causes == self._blind_told:
            return None
        self._blind_told = causes
        shown = [it if it in whole else f"{it.replace(': ', ' cannot look, for want of ')}" for it in causes]
        return findings.blind_finding(self.log, shown, whole=bool(whole), since=self._blind_since, at=now)

    def _note_unreadable(self, chunk: LogChunk, now: datetime) -> None:
        dark = {it.path: it.why for it in chunk.gaps if it.what in _NOT_NOW}
        since = {path: at for path, (_, at) in self._unreadable.items()}
        self._unreadable = {path: (why, since.get(path, now)) for path, why in dark.items()}

    def _silent(self, sifted: Sifted, now: datetime) -> list[str]:
        """Tell a log in which nothing is written from one that is only quiet: we sent something that must be there."""
        sent = None if self.own is None else self.own.waits_since()
        if self.own is None or sent is None or now - sent < self.own.within:
            return []
        if sifted.newest is not None and sifted.newest >= sent:
            return []
        return [f"nothing was written to it since {when(sent)}, although probes were answered"]


def _too_many(bad: int, of: int) -> bool:
    return bad >= _FEW and bad > MOST_BAD * of


def _about_ours(wrong: Sequence[Wrong]) -> list[str]:
    counts = Counter(it.fate for it in wrong)
    first = min((it.sent_at for it in wrong), default=None)
    since = "" if first is None else f", the first of them sent at {when(first)}"
    return [f"{count} of our own probes {fate} in it{since}" for fate, count in sorted(counts.items())]
