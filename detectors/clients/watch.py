"""All online detectors of one log, with their state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detectors.clients import casework, explaining, standing
from detectors.clients.facts import Facts
from detectors.clients.judging import Judge
from detectors.clients.learning import Learning
from detectors.clients.pace import Allowance, Pace
from detectors.clients.persistence import (
    CLIENT,
    LOG,
    ORGANISATION,
    SEGMENT,
    TEXT,
    LogState,
    from_bytes,
    to_bytes,
    under,
)
from detectors.clients.references import Segment
from detectors.clients.remembering import remember
from detectors.clients.roster import Roster
from detectors.clients.segments import Segments
from detectors.clients.signals import Signal
from detectors.clients.state import Client
from detectors.clients.texts import Texts
from watchdog.alarm_words import ORG
from watchdog.domain.findings import Severity
from watchdog.domain.queries import Alarm, DetectorState, Expectation, Query, Reference

MOST_STEP_S = 3600.0
"""One line moves the clock of a log by an hour at most, and may be so much late: a wrong time does not tear it away."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Satisfies ports.ClientWatch. Not frozen: it holds the state of a log.

    What it decides depends on nothing but the requests and their order: not on the clock, on the process, or on how
    requests are cut into calls of `observe`.
    """

    log: str
    signals: tuple[Signal, ...]
    allowances: Mapping[str, Allowance]
    segments: Segments
    lacking: Mapping[str, str]
    """Rules that are blind for want of fields that the format does not have, with what they lack."""
    warm_up: int
    clients: int
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        self.judge = Judge(
            signals=self.signals,
            allowances=self.allowances,
            learning=Learning(warm_up=self.warm_up, signals=self.signals),
            state=LogState(paces={it.rule: Pace() for it in self.signals}),
            roster=Roster(self.clients, casework.worst),
        )

    @property
    def state(self) -> LogState:
        """What is remembered of the log as a whole."""
        return self.judge.state

    def observe(self, queries: Sequence[Query]) -> list[Alarm]:
        """Take requests in, in order, and return the alarms that they raise."""
        alarms: list[Alarm] = []
        for query in queries:
            name = query.client or query.address
            at = self._time(query)
            if name is not None:
                alarms += self._take(query, self._client(name, query, at), at)
        return alarms

    def _time(self, query: Query) -> float:
        state, at = self.state, query.at
        clock = at if state.clock is None else state.clock
        if not clock - MOST_STEP_S <= at <= clock + MOST_STEP_S:
            at = clock + MOST_STEP_S if at > clock else clock - MOST_STEP_S
        state.clock = max(clock, at)
        hour = int(state.clock // 3600)
        if hour > state.hour:
            self.judge.begin_hour(hour)
        if state.seen < standing.SAMPLED or not state.seen & 63:
            standing.note_told(query, state)
        state.seen += 1
        return at

    def _client(self, name: str, query: Query, at: float) -> Client:
        roster = self.judge.roster
        client = roster.clients.get(name)
        if client is None:
            client = Client(name, query.org, self.segments.of(name), at)
            self.judge.learning.segment(client.segment)
            for gone in roster.add(client):
                self.judge.shelf.forget(gone)
        elif query.org is not None:
            client.org = query.org
        client.recent = True
        roster.dirty[name] = None
        return client

    def _take(self, query: Query, client: Client, at: float) -> list[Alarm]:
        judge = self.judge
        facts = Facts(query, client, at)
        raised = judge.hear(facts)
        remember(facts)
        if judge.learning.learns_features(client.segment) and not judge.guarded(client.name):
            judge.learning.learn_features(client.segment, client.moments)
        if not raised:
            return []
        return [self._alarm(*it, at) for it in sorted(raised, key=lambda it: (it[1].rule, it[0].name))]

    def _alarm(self, subject: Client, signal: Signal, severity: Severity, at: float) -> Alarm:
        rule, allowance = signal.rule, self.allowances[signal.rule]
        case = subject.cases[rule]
        occasion = explaining.Occasion(
            log=self.log,
            at=at,
            severity=severity,
            threshold=allowance.threshold(severity, self.state.paces[rule]),
            expected=allowance.expected(severity),
            segment=self.judge.learning.segments[subject.segment],
            texts=self.judge.shelf.of(subject.name, rule, len(case.marks)),
            blind=self.blind(),
            of_an_org=subject.name.startswith(ORG) and subject.name in self.judge.orgs,
            warming_up=signal in self.judge.learning.warming(subject.segment),
        )
        return explaining.alarm(subject, case, signal, occasion)

    def blind(self) -> Mapping[str, str]:
        """Return the rules that cannot look, with the fields that they lack."""
        return standing.blind(self.signals, self.lacking, self.state)

    def standing(self) -> Sequence[DetectorState]:
        """Return how it stands with each detector: who looks, who still learns, and who is blind for want of what."""
        return standing.states(self.signals, self.blind(), self.judge.learning)

    def expect(self, these: Sequence[Expectation]) -> None:
        """Take what operators said of clients: all that is in force. What was said before and is not in it is over."""
        for client, rule in self.state.expected.replace(these):
            self.judge.begin_anew(client, rule)

    def last_hit(self, rule: str, client: str) -> float | None:
        """Return when a client's last request came that counted for a rule; None when that is not known any more."""
        found = self.judge.roster.get(client) or self.judge.orgs.get(client)
        return None if found is None or found.shown is None else found.shown.last_hits.get(rule)

    def forget(self, client: str | None) -> None:
        """Drop what a client wrote, or with None what all wrote; the evidence stays."""
        self.judge.shelf.forget(client)

    def settled(self) -> Sequence[Reference]:
        """Return the references that were settled since the last `committed`, for the record."""
        return tuple(self.judge.learning.settled)

    def changed(self) -> Mapping[str, bytes | None]:
        """Return the state that changed since the last `committed`: a key each, None for one that was dropped."""
        judge = self.judge
        self.state.queued = (judge.roster.queued, judge.orgs.queued)
        rows: dict[str, bytes | None] = {LOG: to_bytes(self.state)}
        rows |= {SEGMENT + name: to_bytes(judge.learning.segments[name]) for name in sorted(judge.learning.dirty)}
        for prefix, roster in ((CLIENT, judge.roster), (ORGANISATION, judge.orgs)):
            rows |= {prefix + name: _bytes_of(roster.get(name)) for name in roster.dirty}
        rows |= {TEXT + name: _bytes_of(judge.shelf.of_clients.get(name)) for name in judge.shelf.dirty}
        return rows

    def committed(self) -> None:
        """Take what `changed` returned as being in the ledger."""
        judge = self.judge
        for noted in (judge.learning.dirty, judge.roster.dirty, judge.orgs.dirty, judge.shelf.dirty):
            noted.clear()
        judge.learning.settled.clear()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the state of an earlier process. Raises LedgerError when it is of a version that is not known."""
        judge = self.judge
        if LOG in state:
            judge.state = from_bytes(LOG, state[LOG], LogState)
        for signal in self.signals:
            self.state.paces.setdefault(signal.rule, Pace())
        judge.learning.take_up(under(SEGMENT, state, Segment))
        judge.shelf.of_clients = under(TEXT, state, Texts)
        for prefix, roster, queued in (
            (CLIENT, judge.roster, self.state.queued[0]),
            (ORGANISATION, judge.orgs, self.state.queued[1]),
        ):
            roster.restore(list(under(prefix, state, Client).values()), queued)
            for client in roster.clients.values():
                for rule in sorted(client.cases.keys() - self.allowances.keys()):
                    judge.begin_anew(client.name, rule)
        for client in judge.roster.clients.values():
            client.segment = self.segments.of(client.name)
            judge.learning.segment(client.segment)


def _bytes_of(state: Client | Texts | None) -> bytes | None:
    return None if state is None else to_bytes(state)
