"""A ledger that lives in memory: the shipped fake for tests and rehearsals. Nothing in it outlives the process."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import rfc8785

from storage.codec import encode
from storage.memory_logs import MemoryLogs
from watchdog.domain.abilities import Abilities
from watchdog.domain.decisions import (
    AbilitiesSeen,
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
from watchdog.domain.exhibits import Exhibit
from watchdog.domain.incidents import Incident, IncidentEvent, IncidentState
from watchdog.domain.notices import Due, Notice
from watchdog.domain.rollouts import Rollout, RolloutCount
from watchdog.domain.sight import Sight
from watchdog.domain.streamed import StreamState
from watchdog.errors import LedgerError


@dataclass
class MemoryLedger:
    """Keeps decisions in a list. Satisfies `ports.Ledger`, `ports.IncidentReader` and `ports.Record`."""

    decisions: list[Decision] = field(default_factory=list)
    _outbox: dict[str, tuple[Due, datetime | None]] = field(default_factory=dict)
    _logs: MemoryLogs = field(default_factory=MemoryLogs)
    _turn: "threading.RLock" = field(default_factory=threading.RLock)

    @contextmanager
    def transaction(self) -> Iterator["MemoryLedger"]:
        """Begin; what happens in the block is forgotten when it raises."""
        with self._turn:
            before = list(self.decisions), deepcopy(self._outbox), self._logs.copy()
            try:
                yield self
            except BaseException:
                self.decisions, self._outbox, self._logs = before
                raise

    def append(self, decision: Decision) -> int:
        """Add one decision."""
        self.decisions.append(decision)
        if isinstance(decision, NoticeQueued):
            event = next(it for it in self._all_events() if it.id == decision.event_id)
            notice = Notice(id=decision.notice_id, notifier=decision.notifier, event=event)
            self._outbox[notice.id] = Due(notice=notice, attempts=0, queued_at=decision.at), decision.at
        elif isinstance(decision, NoticeAnswered):
            due, _ = self._outbox[decision.attempt.notice_id]
            self._outbox[due.notice.id] = replace(due, attempts=decision.attempt.number), decision.attempt.next_at
        self._logs.take(decision)
        return len(self.decisions) - 1

    def keep(self, state: StreamState) -> None:
        """Keep how far a log was read, and with what state."""
        self._logs.keep(state)

    @property
    def logs(self) -> MemoryLogs:
        """What it has about query logs."""
        return self._logs

    def open_incident(self, fingerprint: str) -> Incident | None:
        """Return the open incident of a fingerprint."""
        found = [it for it in self.incidents(IncidentState.OPEN) if it.fingerprint == fingerprint]
        return found[0] if found else None

    def knows_finding(self, id_: str) -> bool:
        """Tell whether the finding of this id was taken in before."""
        return any(it.finding is not None and it.finding.id == id_ for it in self._all_events())

    def baseline(self, rule: str, subject: str) -> Baseline | None:
        """Return the newest enrolment of a stream."""
        found = [it.baseline for it in self.decisions if isinstance(it, Enrolled)]
        return next((it for it in reversed(found) if (it.rule, it.subject) == (rule, subject)), None)

    def stream(self, rule: str, subject: str) -> Stream:
        """Return the evidence of a stream as last weighed."""
        found = [it.stream for it in self.decisions if isinstance(it, Weighed)]
        fresh = Stream(rule=rule, subject=subject)
        return next((it for it in reversed(found) if (it.rule, it.subject) == (rule, subject)), fresh)

    def shares(self) -> SharesAllotted | None:
        """Return the newest allotment of shares."""
        return next((it for it in reversed(self.decisions) if isinstance(it, SharesAllotted)), None)

    def sight(self, rule: str, subject: str) -> Sight:
        """Return how well a subject can be looked at."""
        return self._sights().get((rule, subject), Sight(rule=rule, subject=subject))

    def weights(self, subject: str) -> WeightsChecked | None:
        """Return the newest check of the files of a channel's model."""
        found = [it for it in self.decisions if isinstance(it, WeightsChecked)]
        return next((it for it in reversed(found) if it.subject == subject), None)

    def abilities(self, subject: str) -> Abilities | None:
        """Return what a delivered channel was seen to do."""
        found = [it.abilities for it in self.decisions if isinstance(it, AbilitiesSeen)]
        return next((it for it in reversed(found) if it.subject == subject), None)

    def rollouts(self, target: str | None = None) -> tuple[Rollout, ...]:
        """Return what was declared and not withdrawn: for one target, or for all."""
        gone = {it.rollout.id for it in self.decisions if isinstance(it, RolloutWithdrawn)}
        made = [it.rollout for it in self.decisions if isinstance(it, RolloutDeclared)]
        return tuple(it for it in made if target in (None, it.target) and it.id not in gone)

    def rollout_count(self, rollout: str, subject: str) -> RolloutCount:
        """Return what was counted of a declaration on one delivered channel."""
        found = [it.count for it in self.decisions if isinstance(it, RolloutSeen)]
        fresh = RolloutCount(rollout=rollout, subject=subject)
        return next((it for it in reversed(found) if (it.rollout, it.subject) == (rollout, subject)), fresh)

    def offline(self) -> frozenset[str]:
        """Return the subjects that no endpoint could be reached for in their last round."""
        return frozenset(it.subject for it in self._sights().values() if it.offline)

    def tokens_spent(self, target: str, day: date) -> int:
        """Return what the rounds on a target that began on a UTC day cost."""
        done = [it for it in self.decisions if isinstance(it, RoundDone) and it.target == target]
        return sum(it.tokens for it in done if it.started_at.astimezone(UTC).date() == day)

    def due(self, now: datetime, limit: int) -> list[Due]:
        """Return notices whose time has come, oldest first."""
        ready = [(at, due) for due, at in self._outbox.values() if at is not None and at <= now]
        return [due for _, due in sorted(ready, key=lambda pair: pair[0])][:limit]

    def next_due(self) -> datetime | None:
        """Return when the next waiting notice is due."""
        return min((at for _, at in self._outbox.values() if at is not None), default=None)

    def close(self) -> None:
        """Do nothing: there is no file."""

    def incidents(self, state: IncidentState | None = None) -> list[Incident]:
        """Return incidents, newest first."""
        newest = {it.incident.id: it.incident for it in self._all_events()}.values()
        wanted = [it for it in newest if state is None or it.state is state]
        return sorted(sorted(wanted, key=lambda it: it.id), key=lambda it: it.opened_at, reverse=True)

    def incident(self, id_prefix: str) -> Incident:
        """Return one incident by its id or an unambiguous beginning of it."""
        found = [it for it in self.incidents() if id_prefix and it.id.startswith(id_prefix)]
        if len(found) != 1:
            raise LedgerError(f"{len(found)} incidents have an id that begins with {id_prefix!r}", hint="list them")
        return found[0]

    def events(self, incident_id: str) -> list[IncidentEvent]:
        """Return an incident's events, oldest first."""
        return [it for it in self._all_events() if it.incident.id == incident_id]

    def evidence(self, ids: Sequence[str]) -> list[Compared | Judged]:
        """Return the comparisons and verdicts with these ids, in the order given."""
        found = {it.id: it for it in self.decisions if isinstance(it, Compared | Judged)}
        return [found[id_] for id_ in ids if id_ in found]

    def found(self, id_prefix: str) -> tuple[int, Compared | Judged | IncidentChanged]:
        """Return the comparison, the verdict, or the newest step of the incident of this id, and its leaf."""
        found: dict[str, tuple[int, Compared | Judged | IncidentChanged]] = {}
        for index, it in enumerate(self.decisions):
            if isinstance(it, Compared | Judged | IncidentChanged):
                found[it.event.incident.id if isinstance(it, IncidentChanged) else it.id] = index, it
        chosen = [value for id_, value in found.items() if id_prefix and id_.startswith(id_prefix)]
        if len(chosen) != 1:
            raise LedgerError(f"{len(chosen)} things have an id that begins with {id_prefix!r}", hint="list them")
        return chosen[0]

    def exhibit(self, exhibit: Exhibit) -> bytes | None:
        """Return the body of an exhibit."""
        named = (it.exhibit for it in self.decisions if isinstance(it, Compared | Judged))
        return next((it.body for it in named if it == exhibit and it is not None), None)

    def history(self, kinds: Collection[str], *, naming: Collection[str], until: int) -> Iterator[tuple[int, Decision]]:
        """Yield decisions of these kinds before a leaf in which one of the names stands, oldest first."""
        names = [b":" + rfc8785.dumps(it) for it in naming]
        for index, it in enumerate(self.decisions[:until]):
            if it.kind in kinds and any(name in encode(it) for name in names):
                yield index, it

    def _sights(self) -> dict[tuple[str, str], Sight]:
        found = [it.sight for it in self.decisions if isinstance(it, SightChanged)]
        return {(it.rule, it.subject): it for it in found}

    def _all_events(self) -> list[IncidentEvent]:
        return [it.event for it in self.decisions if isinstance(it, IncidentChanged)]
