"""One request of one client before all detectors: evidence, own rates, and alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from detectors.clients import casework
from detectors.clients.facts import Facts
from detectors.clients.floods import RULE as FLOOD
from detectors.clients.learning import Learning
from detectors.clients.pace import Allowance
from detectors.clients.persistence import LogState
from detectors.clients.places import short
from detectors.clients.references import own_rate
from detectors.clients.roster import Roster
from detectors.clients.segments import DEFAULT
from detectors.clients.signals import Kind, Sight, Signal
from detectors.clients.state import Client, remembered, shown_by
from detectors.clients.texts import Shelf
from watchdog.alarm_words import ORG
from watchdog.domain.findings import Severity

OWN_LOOKS: Final = frozenset(20 * 2**power for power in range(24))
"""Units of a client after which its own rates are looked at."""
OF_ORGS: Final = frozenset({"boundary_flood", "steering_campaign"})
"""Rules whose evidence is also added up over the accounts of an organisation."""
ORGS: Final = 10_000
ACCOUNTS: Final = 16
ACCOUNTS_AT_LEAST: Final = 3
"""Accounts of an organisation that had hits, before there can be an alarm about it: one alarms by itself."""

Raised = tuple[Client, Signal, Severity]
"""Against whom, by what, and how loudly."""


@dataclass(slots=True, kw_only=True)
class Judge:
    """Holds the evidence against clients and organisations. Not frozen: evidence grows."""

    signals: tuple[Signal, ...]
    allowances: Mapping[str, Allowance]
    learning: Learning
    state: LogState
    roster: Roster
    orgs: Roster = field(default_factory=lambda: Roster(ORGS, casework.worst))
    shelf: Shelf = field(default_factory=Shelf)

    def hear(self, facts: Facts) -> list[Raised]:
        """Let every detector look at a request; returns the alarms that it raises."""
        client = facts.client
        suspicious = bool(client.cases) and self.guarded(client.name)
        sights = [(signal, sight) for signal in self.signals if (sight := signal.look(facts)) is not None]
        # First all of them learn, then all of them judge: so their order makes no difference.
        if not suspicious and self.learning.learns(client.segment, facts.query.model):
            self._learn(facts, sights)
        raised: list[Raised] = []
        for signal, sight in sights:
            rule = signal.rule
            self.state.paces[rule].count += 1
            trials = client.trials[rule] = client.trials.get(rule, 0) + 1
            if sight[1]:
                _note_hits(client, signal, sight, facts.at)
            if trials in OWN_LOOKS and client.shown is not None and not suspicious:
                self._look_at_own(client, signal, trials)
            if sight[1] or rule in client.cases:
                self._weigh_client(signal, sight, facts, raised)
            if client.org is not None and rule in OF_ORGS:
                self._weigh_org(signal, sight, facts, raised)
        return raised

    def begin_hour(self, hour: int) -> None:
        """Take up another hour of the log."""
        self.state.hour = hour
        for pace in self.state.paces.values():
            pace.next_hour()

    def guarded(self, name: str) -> bool:
        """Tell whether there is so much evidence against a client that nothing is learned from it."""
        client = self.roster.get(name)
        return client is not None and any(
            case.value >= self.allowances[rule].guard(self.state.paces[rule]) for rule, case in client.cases.items()
        )

    def _counts(self, client: Client, signal: Signal) -> bool:
        """Tell whether units count: in a segment that somebody declared to be different not before it is known how."""
        return client.segment == DEFAULT or signal not in self.learning.warming(client.segment)

    def _look_at_own(self, client: Client, signal: Signal, trials: int) -> None:
        """Give a client base rates of its own where it was hit more often than its segment explains."""
        cells = self.learning.segments[client.segment].cells
        shown = shown_by(client)
        for kind in signal.kinds:
            cell = cells.get(kind.name)
            if cell is not None and cell.p0 is not None:
                usual = max(cell.p0, shown.own.get(kind.name, 0.0))
                rate = own_rate(shown.hits.get(kind.name, 0), trials, usual, at_once=trials <= signal.own_first)
                if rate is not None:
                    shown.own[kind.name] = max(usual, rate)

    def _learn(self, facts: Facts, sights: Sequence[tuple[Signal, Sight]]) -> None:
        learning, client, model = self.learning, facts.client, facts.query.model
        if not learning.is_warm(client.segment):
            enough = False
            for signal in learning.warming(client.segment):
                usual = signal.usual(facts)
                enough = (usual is not None and learning.learn(client, signal, usual)) or enough
            if enough:
                changed = learning.settle(client.segment, self.guarded, self.roster)
                self.roster.dirty |= dict.fromkeys(changed)
        if model is not None and learning.learns_model(client.segment, model):
            for signal, sight in sights:
                if signal.rule == FLOOD:
                    learning.learn_model(client, model, self.guarded, hit=bool(sight[1]))

    def _weigh_client(self, signal: Signal, sight: Sight, facts: Facts, raised: list[Raised]) -> None:
        client = facts.client
        if client.trials[signal.rule] > signal.own_first and self._counts(client, signal):
            severity = self._weigh(client, signal, sight, facts)
            if severity is not None:
                raised.append((client, signal, severity))

    def _weigh_org(self, signal: Signal, sight: Sight, facts: Facts, raised: list[Raised]) -> None:
        """Add a unit to the evidence of the client's organisation, which begins anew where the client alarms itself."""
        client, rule = facts.client, signal.rule
        # The units of an organisation are units of an e-detector of their own, whether they change it or not.
        self.state.paces[rule].count += 1
        name = f"{ORG}{client.org}"
        together = self.orgs.clients.get(name)
        if together is None and sight[1]:
            together = Client(name, client.org, client.segment, facts.at)
            for gone in self.orgs.add(together):
                self.shelf.forget(gone)
        if together is None or not (sight[1] or rule in together.cases) or not self._counts(client, signal):
            return
        together.recent = True
        self.orgs.dirty[name] = None
        account = short(client.name)
        if sight[1] and account not in together.ring:
            together.ring = remembered(together.ring, account, ACCOUNTS)
        if any(it[0] is client and it[1] is signal for it in raised):
            self._drop(together, rule)
        elif (severity := self._weigh(together, signal, sight, facts)) is not None:
            raised.append((together, signal, severity))
        if not together.cases:
            self.orgs.remove(name)

    def _weigh(self, subject: Client, signal: Signal, sight: Sight, facts: Facts) -> Severity | None:
        """Add a client's unit to the evidence against a subject, itself or its organisation."""
        rule = signal.rule
        before = subject.cases.get(rule)
        base = partial(self._base, subject, rule, facts)
        case = casework.weighed(before, signal, sight, base, facts.at)
        if case is not before:
            self._drop(subject, rule)
        if case is None:
            return None
        subject.cases[rule] = case
        if not sight[1]:
            return None
        shown_by(subject).last_hits[rule] = facts.at
        casework.mark(case, self.shelf.of(subject.name, rule, len(case.marks)), signal, sight, facts)
        if subject is not facts.client and len(subject.ring) < ACCOUNTS_AT_LEAST * len(short("")):
            return None
        most = 1 if signal in self.learning.warming(subject.segment) else 2
        severity = self.allowances[rule].passed(case, self.state.paces[rule], most)
        if severity is not None:
            case.level, case.alarmed_at = (2 if severity is Severity.CRITICAL else 1), facts.at
        return severity

    def _drop(self, subject: Client, rule: str) -> None:
        subject.cases.pop(rule, None)
        self.shelf.drop(subject.name, rule)

    def _base(self, subject: Client, rule: str, facts: Facts, kind: Kind) -> float:
        rate, expected = self.learning.base(kind, facts), self.state.expected
        # What is expected of one account is expected of it in its organisation, too.
        for it in dict.fromkeys((facts.client.name, subject.name)) if expected.rates else ():
            rate = max(rate, expected.rate(it, rule, facts.at))
        return rate

    def begin_anew(self, client: str, rule: str) -> None:
        """Let evidence begin anew: it was held against another rate."""
        found = self.roster.get(client) or self.orgs.get(client)
        if found is not None:
            self._drop(found, rule)
            (self.roster if client in self.roster else self.orgs).dirty[client] = None


def _note_hits(client: Client, signal: Signal, sight: Sight, at: float) -> None:
    shown = shown_by(client)
    shown.last_hits[signal.rule] = at
    for bit, kind in enumerate(signal.kinds):
        if sight[1] >> bit & 1:
            shown.hits[kind.name] = shown.hits.get(kind.name, 0) + 1
