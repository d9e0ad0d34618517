"""Decisions that the file has not taken yet: kept in order, bounded, with what they change in what the file says."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import islice

from storage.codec import encode
from watchdog.domain.abilities import Abilities
from watchdog.domain.decisions import (
    AbilitiesSeen,
    Alarmed,
    ClientExpected,
    Compared,
    Decision,
    Enrolled,
    IncidentChanged,
    Judged,
    NoticeAnswered,
    NoticeQueued,
    RolloutDeclared,
    RolloutSeen,
    RolloutWithdrawn,
    RoundDone,
    SharesAllotted,
    SightChanged,
    Weighed,
    WeightsChecked,
)
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.incidents import Incident, IncidentEvent, IncidentState
from watchdog.domain.notices import Due, Notice
from watchdog.domain.rollouts import Rollout, RolloutCount
from watchdog.domain.sight import Sight

MOST = 50_000
"""Decisions that are held at most, but for those that are never dropped."""
MOST_BYTES = 64 << 20
"""Their size at most, as leaves with their exhibits."""

_Key = tuple[str, str]


@dataclass(slots=True)
class Overlay:
    """What decisions change in what the file says; each is taken in once, in order."""

    baselines: dict[_Key, Baseline] = field(default_factory=dict)
    streams: dict[_Key, Stream] = field(default_factory=dict)
    shares: SharesAllotted | None = None
    sights: dict[_Key, Sight] = field(default_factory=dict)
    abilities: dict[str, Abilities] = field(default_factory=dict)
    weights: dict[str, WeightsChecked] = field(default_factory=dict)
    rollouts: dict[str, Rollout | None] = field(default_factory=dict)
    """By id; None when it was withdrawn."""
    rollout_counts: dict[_Key, RolloutCount] = field(default_factory=dict)
    rounds: dict[str, RoundDone] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    """By id, as they stand."""
    outbox: dict[str, tuple[Due, datetime | None]] = field(default_factory=dict)
    """By notice id: what is known about each notice, and when it is tried next; None when it is not."""
    findings: set[str] = field(default_factory=set)
    """Ids of the findings that were taken in."""
    alarms: dict[tuple[str, str, str], Alarmed] = field(default_factory=dict)
    """The newest by rule, log and client."""
    expected: dict[tuple[str, str, str], ClientExpected] = field(default_factory=dict)
    """By log, client and rule."""
    _events: dict[str, IncidentEvent] = field(default_factory=dict)

    def take(self, decision: Decision, notice: Callable[[str], Due | None]) -> None:  # noqa: C901, PLR0912 - one line a kind
        """Take a decision in; `notice` finds one that only the file has."""
        match decision:
            case Enrolled(baseline=it):
                self.baselines[it.rule, it.subject] = it
            case Weighed(stream=it):
                self.streams[it.rule, it.subject] = it
            case SharesAllotted():
                self.shares = decision
            case SightChanged(sight=it):
                self.sights[it.rule, it.subject] = it
            case AbilitiesSeen(abilities=it):
                self.abilities[it.subject] = it
            case WeightsChecked():
                self.weights[decision.subject] = decision
            case RolloutDeclared(rollout=it):
                self.rollouts[it.id] = it
            case RolloutWithdrawn(rollout=it):
                self.rollouts[it.id] = None
            case RolloutSeen(count=it):
                self.rollout_counts[it.rollout, it.subject] = it
            case RoundDone():
                self.rounds[decision.id] = decision
            case Alarmed(alarm=it):
                self.alarms[it.rule, it.log, it.client] = decision
            case ClientExpected():
                self.expected[decision.log, decision.client, decision.rule] = decision
            case IncidentChanged(event=it):
                self.incidents[it.incident.id] = it.incident
                self.findings |= set() if it.finding is None else {it.finding.id}
                self._events[it.id] = it
            case NoticeQueued():
                self._queue(decision, notice)
            case NoticeAnswered():
                self._answer(decision, notice)
            case _:
                pass  # nothing is asked of the ledger that the others change

    def open_incident(self, fingerprint: str) -> Incident | None:
        """Return the incident of a fingerprint that these decisions left open."""
        open_ = (it for it in self.incidents.values() if it.state is IncidentState.OPEN)
        return next((it for it in open_ if it.fingerprint == fingerprint), None)

    def tokens_spent(self, target: str, day: date) -> int:
        """Return what the rounds in here that began on a UTC day cost."""
        done = (it for it in self.rounds.values() if it.target == target)
        return sum(it.tokens for it in done if it.started_at.astimezone(UTC).date() == day)

    def due(self, now: datetime) -> list[tuple[datetime, Due]]:
        """Return notices whose time has come, with that time."""
        return [(at, due) for due, at in self.outbox.values() if at is not None and at <= now]

    def next_due(self) -> datetime | None:
        """Return when the next notice in here is due."""
        return min((at for _, at in self.outbox.values() if at is not None), default=None)

    def _queue(self, decision: NoticeQueued, notice: Callable[[str], Due | None]) -> None:
        id_, at = decision.notice_id, decision.at
        event = self._events.get(decision.event_id)
        if event is not None:
            self.outbox[id_] = (
                Due(notice=Notice(id=id_, notifier=decision.notifier, event=event), attempts=0, queued_at=at),
                at,
            )
        elif (before := notice(id_)) is not None:
            self.outbox[id_] = replace(before, attempts=0, queued_at=at), at

    def _answer(self, decision: NoticeAnswered, notice: Callable[[str], Due | None]) -> None:
        it = decision.attempt
        before = self.outbox[it.notice_id][0] if it.notice_id in self.outbox else notice(it.notice_id)
        if before is not None:
            self.outbox[it.notice_id] = replace(before, attempts=it.number), it.next_at


@dataclass(slots=True)
class _Report:
    """What one transaction decided; it is written whole."""

    decisions: tuple[Decision, ...]
    size: int


class Held:
    """A queue of reports. Above its bounds it gives up what nothing depends on, and counts it."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.overlay = Overlay()
        self.dropped = 0
        self.written = 0
        """Decisions that the file has taken of it so far."""
        self._reports: deque[_Report] = deque()
        self._most, self._most_bytes = most, most_bytes
        self._count = self._bytes = 0
        self._patience = 1.0

    def __len__(self) -> int:
        return self._count

    def take(self, decisions: tuple[Decision, ...], notice: Callable[[str], Due | None]) -> None:
        """Hold one more report.

        Raises LedgerError, and holds none of it, when one of its decisions could never be written.
        """
        report = _Report(decisions, sum(map(_size, decisions)))
        for decision in decisions:
            self.overlay.take(decision, notice)
        self._reports.append(report)
        self._count, self._bytes = self._count + len(decisions), self._bytes + report.size
        if self._over(self._patience):
            self._give_up()

    def oldest(self, most: int) -> list[tuple[Decision, ...]]:
        """Return reports from the front of the queue, at least one and about as many as hold `most` decisions."""
        chosen: list[tuple[Decision, ...]] = []
        count = 0
        for report in self._reports:
            if chosen and count + len(report.decisions) > most:
                break
            chosen.append(report.decisions)
            count += len(report.decisions)
        return chosen

    def forget(self, reports: int) -> None:
        """Take reports off the front: the file has them now. What they changed, it says itself."""
        for report in [self._reports.popleft() for _ in islice(range(len(self._reports)), reports)]:
            self._count, self._bytes = self._count - len(report.decisions), self._bytes - report.size
            self.written += len(report.decisions)
            for decision in report.decisions:
                if isinstance(decision, RoundDone):
                    self.overlay.rounds.pop(decision.id, None)  # tokens are added up, so none may count twice

    def _over(self, times: float = 1.0) -> bool:
        return self._count > self._most * times or self._bytes > self._most_bytes * times

    def _give_up(self) -> None:
        """Drop bodies first, then numbers that later ones took the place of; never an incident, a notice or a start."""
        self._keep_only(lambda it: not isinstance(it, Compared | Judged))
        if self._over():
            newest = set(map(id, self._newest()))
            superseded = (Weighed, SightChanged, RoundDone)
            self._keep_only(lambda it: not isinstance(it, superseded) or id(it) in newest)
        # What is left is never dropped: look again when there is a tenth more, not at every report.
        self._patience = max(1.0, 1.1 * max(self._count / self._most, self._bytes / self._most_bytes))

    def _keep_only(self, wanted: Callable[[Decision], bool]) -> None:
        before = self._count
        for report in self._reports:
            kept = tuple(it for it in report.decisions if wanted(it))
            if len(kept) < len(report.decisions):
                report.decisions, report.size = kept, sum(map(_size, kept))
        self._count = sum(len(it.decisions) for it in self._reports)
        self._bytes = sum(it.size for it in self._reports)
        self.dropped += before - self._count

    def _newest(self) -> Iterable[Decision]:
        found: dict[tuple[type, str, str], Decision] = {}
        for decision in self._decisions():
            if isinstance(decision, Weighed):
                found[Weighed, decision.stream.rule, decision.stream.subject] = decision
            elif isinstance(decision, SightChanged):
                found[SightChanged, decision.sight.rule, decision.sight.subject] = decision
        return found.values()

    def _decisions(self) -> Iterator[Decision]:
        return (it for report in self._reports for it in report.decisions)


def _size(decision: Decision) -> int:
    exhibit = decision.exhibit if isinstance(decision, Compared | Judged) else None
    return len(encode(decision)) + (exhibit.size if exhibit is not None else 0)
