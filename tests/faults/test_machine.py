"""Whatever is done in whatever order, a ledger answers as a list of decisions would: full, freed, crashed, reopened."""

import json
import os
import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storage.audit import audit
from storage.codec import encode
from storage.holding import HoldingLedger
from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from storage.reserve import Reserve
from tests.builders import at, baseline, compared, finding, recovery
from tests.faults.harness import leaves
from tests.faults.small import Disk
from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.conclusions import Conclusion, Disposition
from watchdog.domain.decisions import Decision, Enrolled, NoticeAnswered, RoundDone, SightChanged, Weighed
from watchdog.domain.evidence import Stream
from watchdog.domain.findings import Finding, Severity
from watchdog.domain.incidents import RefusedError, close
from watchdog.domain.notices import Attempt, Delivery
from watchdog.domain.sight import Sight
from watchdog.errors import LedgerError

SUBJECTS = ("t", "u")
RULE = "divergence.gap"
ADA = Actor(name="Ada", uid=1000)


def _fast() -> Path | None:
    """Where a commit need not wait for a disk: this is not about durability."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else None


class LedgerMachine(RuleBasedStateMachine):
    """A SqliteLedger beside the model."""

    empty: Path
    """A ledger without a leaf, to be copied: making one anew costs as much as many steps."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-", dir=_fast()))
        self.path = self.folder / "ledger.sqlite"
        shutil.copy(self.empty, self.path)
        self.time, self.serial = 0.0, 0
        self.reported: list[Finding] = []
        self.model = MemoryLedger()
        self.open()

    def open(self) -> None:
        self.ledger: SqliteLedger | HoldingLedger = SqliteLedger(self.path)

    def passes(self) -> None:
        self.time += 1.0
        self.serial += 1

    def both(self, *decisions: Decision) -> None:
        for ledger in (self.ledger, self.model):
            with ledger.transaction() as transaction:
                for decision in decisions:
                    transaction.append(decision)

    @rule(subject=st.sampled_from(SUBJECTS), severity=st.sampled_from(Severity))
    def report(self, subject: str, severity: Severity) -> None:
        self.passes()
        found = finding(subject=subject, severity=severity, seconds=self.time, evidence=(f"c{self.serial}",))
        self.reported.append(found)
        for ledger in (self.ledger, self.model):
            Desk(ledger, ("oncall", "backup")).report([compared(f"c{self.serial}")], [found])

    @rule(severity=st.sampled_from(Severity))
    def report_two_at_once(self, severity: Severity) -> None:
        self.passes()
        one = finding(subject="t", severity=Severity.WARNING, seconds=self.time, evidence=(f"c{self.serial}",))
        other = replace(one, severity=severity, evidence=(f"d{self.serial}",))
        self.reported += [one, other]
        for ledger in (self.ledger, self.model):
            Desk(ledger, ("oncall",)).report([], [one, other, one], [recovery(subject="t", seconds=self.time)])

    @precondition(lambda self: self.reported)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        found = data.draw(st.sampled_from(self.reported))
        for ledger in (self.ledger, self.model):
            Desk(ledger, ("oncall", "backup")).report([], [found])

    @rule(subject=st.sampled_from(SUBJECTS))
    def recover(self, subject: str) -> None:
        self.passes()
        for ledger in (self.ledger, self.model):
            Desk(ledger, ("oncall", "backup")).report([], [], [recovery(subject=subject, seconds=self.time)])

    @precondition(lambda self: self.model.incidents())
    @rule(data=st.data(), length=st.sampled_from([36, 8, 1]))
    def conclude(self, data: st.DataObject, length: int) -> None:
        self.passes()
        wanted = data.draw(st.sampled_from(self.model.incidents())).id[:length]
        conclusion = Conclusion(
            disposition=Disposition.FALSE_ALARM, root_cause="none found", by=ADA, concluded_at=at(self.time)
        )
        said = []
        for ledger in (self.ledger, self.model):
            try:
                with ledger.transaction() as transaction:
                    event = close(transaction.incident(wanted), conclusion)
                    Desk(ledger, ("oncall",)).record(transaction, event)
                said.append(event.id)
            except (LedgerError, RefusedError) as exc:
                said.append(type(exc).__name__)
        assert said[0] == said[1]

    @rule(subject=st.sampled_from(SUBJECTS), trials=st.integers(1, 9), alarmed=st.booleans())
    def weigh(self, subject: str, trials: int, alarmed: bool) -> None:
        self.passes()
        stream = Stream(rule=RULE, subject=subject, trials=trials, alarmed=alarmed)
        done = RoundDone(
            id=f"r{self.serial}",
            at=at(self.time),
            target=subject,
            started_at=at(self.time),
            seed=1,
            compared=1,
            flagged=0,
            judged=0,
            unmeasured=0,
            tokens=trials,
        )
        self.both(Weighed(at=at(self.time), stream=stream), done)

    @rule(subject=st.sampled_from(SUBJECTS), rule_=st.sampled_from(["blind", "budget"]), offline=st.booleans())
    def look(self, subject: str, rule_: str, offline: bool) -> None:
        self.passes()
        sight = Sight(rule=rule_, subject=subject, offline=offline, told=bool(self.serial % 2))
        self.both(SightChanged(at=at(self.time), sight=sight))

    @rule(subject=st.sampled_from(SUBJECTS), hits=st.integers(0, 3))
    def enrol(self, subject: str, hits: int) -> None:
        self.passes()
        self.both(Enrolled(at=at(self.time), baseline=baseline(subject=subject, hits=hits)))

    @rule(outcome=st.sampled_from(Delivery), data=st.data())
    def deliver(self, outcome: Delivery, data: st.DataObject) -> None:
        self.passes()
        waiting = self.model.due(at(self.time), 1000)
        if not waiting:
            return
        due = data.draw(st.sampled_from(sorted(waiting, key=lambda it: it.notice.id)))
        later = at(self.time) + timedelta(seconds=3) if outcome is Delivery.RETRY else None
        attempt = Attempt(
            notice_id=due.notice.id,
            number=due.attempts + 1,
            outcome=outcome,
            answer="said",
            at=at(self.time),
            next_at=later,
        )
        self.both(NoticeAnswered(at=at(self.time), attempt=attempt))

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.open()

    @invariant()
    def they_say_the_same(self) -> None:
        now = at(self.time)
        # Everything about one subject, in turn: whatever differs stays different until its turn comes.
        subject, rule_ = SUBJECTS[self.serial % 2], ("blind", "budget")[self.serial // 2 % 2]
        assert self.ledger.baseline(RULE, subject) == self.model.baseline(RULE, subject)
        assert self.ledger.stream(RULE, subject) == self.model.stream(RULE, subject)
        assert self.ledger.sight(rule_, subject) == self.model.sight(rule_, subject)
        assert self.ledger.tokens_spent(subject, now.date()) == self.model.tokens_spent(subject, now.date())
        assert self.ledger.offline() == self.model.offline()
        assert self.ledger.next_due() == self.model.next_due()
        said = [sorted(it.due(now, 1000), key=lambda due: due.notice.id) for it in (self.ledger, self.model)]
        assert said[0] == said[1]
        with self.ledger.transaction() as transaction:
            fingerprint = finding(subject=subject).fingerprint
            assert transaction.open_incident(fingerprint) == self.model.open_incident(fingerprint)
            for found in self.reported[-2:]:
                assert transaction.knows_finding(found.id) == self.model.knows_finding(found.id)

    def teardown(self) -> None:
        try:
            self.ledger.close()
            assert audit(self.path).faults == ()
            kept = [it for it in leaves(self.path) if it["kind"] != "held_back"]
            assert kept == [json.loads(encode(it)) for it in self.model.decisions]
        finally:
            shutil.rmtree(self.folder)


class HoldingMachine(LedgerMachine):
    """A HoldingLedger beside the model, on a disk that fills up and is freed, in a process that may crash."""

    @initialize()
    def start(self) -> None:
        self.disk.free()

    def open(self) -> None:
        file = SqliteLedger(self.path)
        self.disk = Disk(file)
        self.ledger = HoldingLedger(file, now=lambda: at(self.time), reserve=Reserve(self.path, size=1 << 16))

    @property
    def holding(self) -> HoldingLedger:
        assert isinstance(self.ledger, HoldingLedger)
        return self.ledger

    @rule()
    def fill(self) -> None:
        self.disk.fill()

    @rule()
    def free(self) -> None:
        self.disk.free()
        self.holding.flush()
        assert self.holding.state.held == 0

    @rule()
    def reopen(self) -> None:
        self.disk.free()
        super().reopen()

    @rule()
    def crash(self) -> None:
        """End without a word: what was only held is gone, and nothing else."""
        held = self.holding.state.held
        self.holding._file.close()
        kept = self.model.decisions[: len(self.model.decisions) - held]
        self.model = MemoryLedger()
        for decision in kept:
            self.model.append(decision)
        self.open()

    def teardown(self) -> None:
        self.disk.free()
        super().teardown()


MACHINES = pytest.mark.parametrize("machine", [LedgerMachine, HoldingMachine])


def _run(machine: type[LedgerMachine], folder: Path, examples: int, steps: int) -> None:
    machine.empty = folder / "empty.sqlite"
    SqliteLedger(machine.empty).close()
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(machine, settings=chosen)


@MACHINES
def test_a_ledger_answers_as_its_model_does(machine: type[LedgerMachine], tmp_path: Path) -> None:
    _run(machine, tmp_path, 6, 15)


@pytest.mark.faults
@MACHINES
def test_a_ledger_answers_as_its_model_does_over_long_lives(machine: type[LedgerMachine], tmp_path: Path) -> None:
    _run(machine, tmp_path, 300, 50)
