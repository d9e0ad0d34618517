"""What every ledger promises, run over each implementation."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.holding import HoldingLedger
from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from storage.reader import open_reader
from tests.builders import NOW, at, baseline, compared, conclusion, finding, judged, person, recovery
from tests.faults.small import Disk
from watchdog.desk import Desk
from watchdog.domain.abilities import Abilities, Ability, Held
from watchdog.domain.decisions import (
    AbilitiesSeen,
    Enrolled,
    NoticeAnswered,
    RolloutDeclared,
    RolloutSeen,
    RolloutWithdrawn,
    RoundDone,
    SharesAllotted,
    SightChanged,
    Weighed,
)
from watchdog.domain.evidence import Share, Stream
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.findings import Finding, Severity
from watchdog.domain.incidents import EventKind, IncidentState, absorb, close
from watchdog.domain.notices import Attempt, Delivery
from watchdog.domain.rollouts import Expects, Rollout, RolloutCount
from watchdog.domain.sight import Dark, Sight
from watchdog.errors import LedgerError
from watchdog.ports import IncidentReader, Ledger

Reading = Callable[[], AbstractContextManager[IncidentReader]]


@pytest.fixture(params=["memory", "sqlite", "holding", "full"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Ledger, Reading]]:
    if request.param == "memory":
        memory = MemoryLedger()

        @contextmanager
        def reading() -> Iterator[IncidentReader]:
            yield memory

        yield memory, reading
        return
    path = tmp_path / "ledger.sqlite"
    if request.param == "sqlite":
        with SqliteLedger(path) as ledger:
            yield ledger, lambda: open_reader(path)
        return
    file = SqliteLedger(path)
    disk = Disk(file)
    with HoldingLedger(file, now=lambda: NOW) as holding:
        if request.param == "full":
            disk.fill()

        def freed() -> AbstractContextManager[IncidentReader]:
            # People read the file, so that has to have everything first; the ledger's own answers do not wait for it.
            disk.free()
            holding.flush()
            return open_reader(path)

        yield holding, freed
        disk.free()


@pytest.fixture
def ledger(both: tuple[Ledger, Reading]) -> Ledger:
    return both[0]


@pytest.fixture
def reading(both: tuple[Ledger, Reading]) -> Reading:
    return both[1]


def test_a_finding_opens_one_incident_and_the_next_one_joins_it(ledger: Ledger, reading: Reading) -> None:
    desk = Desk(ledger, ())
    desk.report([], [finding()])
    desk.report([], [finding(seconds=5)])

    with reading() as reader:
        (incident,) = reader.incidents()
        kinds = [event.kind for event in reader.events(incident.id)]
    assert incident.findings == 2
    assert kinds == [EventKind.OPENED, EventKind.REPEATED]


def test_a_worse_finding_escalates_and_is_told_a_milder_one_is_not(ledger: Ledger) -> None:
    desk = Desk(ledger, ("oncall",))
    desk.report([], [finding(severity=Severity.ERROR)])
    desk.report([], [finding(severity=Severity.INFO, seconds=1)])
    desk.report([], [finding(severity=Severity.CRITICAL, seconds=2)])

    kinds = [due.notice.event.kind for due in ledger.due(at(10), 10)]
    assert kinds == [EventKind.OPENED, EventKind.ESCALATED]


def test_other_subjects_and_other_rules_are_other_incidents(ledger: Ledger, reading: Reading) -> None:
    Desk(ledger, ()).report([], [finding(), finding(subject="u"), finding(rule="correction.stop")])

    with reading() as reader:
        assert len(reader.incidents(IncidentState.OPEN)) == 3


def test_a_recovery_ends_the_incident_and_the_next_finding_opens_a_new_one(ledger: Ledger, reading: Reading) -> None:
    desk = Desk(ledger, ())
    desk.report([], [finding()])
    desk.report([], [], [recovery()])
    desk.report([], [finding(seconds=120)])

    with reading() as reader:
        newest, oldest = reader.incidents()
    assert (newest.state, oldest.state) == (IncidentState.OPEN, IncidentState.RECOVERED)
    assert oldest.recovered_by == "3-clean-rounds"
    assert newest.id != oldest.id


def test_a_recovery_without_an_open_incident_changes_nothing(ledger: Ledger, reading: Reading) -> None:
    Desk(ledger, ("oncall",)).report([], [], [recovery()])

    with reading() as reader:
        assert reader.incidents() == []
    assert ledger.due(at(999), 10) == []


def test_every_notifier_gets_its_own_notice_with_an_id_that_stays(ledger: Ledger) -> None:
    Desk(ledger, ("oncall", "backup")).report([], [finding()])

    first, again = ledger.due(at(1), 10), ledger.due(at(2), 10)
    assert {due.notice.notifier for due in first} == {"oncall", "backup"}
    assert len({due.notice.id for due in first}) == 2
    assert [due.notice for due in first] == [due.notice for due in again]


def test_a_notice_waits_until_its_next_attempt_and_is_gone_once_accepted(ledger: Ledger) -> None:
    Desk(ledger, ("oncall",)).report([], [finding()])
    (due,) = ledger.due(at(1), 10)
    later = Attempt(notice_id=due.notice.id, number=1, outcome=Delivery.RETRY, answer="503", at=at(1), next_at=at(30))
    with ledger.transaction() as transaction:
        transaction.append(NoticeAnswered(at=later.at, attempt=later))

    assert ledger.due(at(29), 10) == []
    assert ledger.next_due() == at(30)
    (tried,) = ledger.due(at(30), 10)
    assert tried.attempts == 1

    accepted = replace(later, number=2, outcome=Delivery.ACCEPTED, next_at=None)
    with ledger.transaction() as transaction:
        transaction.append(NoticeAnswered(at=accepted.at, attempt=accepted))
    assert ledger.due(at(9999), 10) == []
    assert ledger.next_due() is None


def test_a_transaction_that_raises_leaves_no_trace(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.transaction() as transaction:
            transaction.append(Enrolled(at=NOW, baseline=baseline()))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert ledger.baseline("divergence.gap", "t") is None
    with ledger.transaction() as transaction:
        assert transaction.append(Enrolled(at=NOW, baseline=baseline())) == 0


def test_the_newest_baseline_and_the_last_evidence_are_the_ones_in_force(ledger: Ledger) -> None:
    moved = Stream(
        rule="divergence.gap",
        subject="t",
        enrolled_at=NOW,
        log_e=(0.25, -1.0),
        log_evidence=0.5,
        trials=3,
        hits=1,
        first_hit_at=at(3),
    )
    with ledger.transaction() as transaction:
        transaction.append(Enrolled(at=NOW, baseline=baseline(hits=1)))
        transaction.append(Enrolled(at=NOW, baseline=baseline(hits=2)))
        transaction.append(Weighed(at=NOW, stream=replace(moved, trials=2)))
        transaction.append(Weighed(at=NOW, stream=moved))

    newest = ledger.baseline("divergence.gap", "t")
    assert newest is not None
    assert newest.hits == 2
    assert ledger.stream("divergence.gap", "t") == moved
    assert ledger.stream("divergence.gap", "other") == Stream(rule="divergence.gap", subject="other")


def test_the_newest_shares_are_the_ones_in_force(ledger: Ledger) -> None:
    assert ledger.shares() is None
    shares = (Share(rule="divergence.gap", subject="t", part=0.75, alpha=0.01),)
    first = SharesAllotted(at=NOW, false_incidents_per_year=0.1, shares=shares)
    second = replace(first, at=at(1), false_incidents_per_year=0.2)
    with ledger.transaction() as transaction:
        transaction.append(first)
        transaction.append(second)
    assert ledger.shares() == second


def test_evidence_comes_back_whole_and_in_the_order_asked_for(ledger: Ledger, reading: Reading) -> None:
    Desk(ledger, ()).report([compared("c1"), judged("v1"), compared("c2")])

    with reading() as reader:
        found = reader.evidence(["c2", "v1", "nobody", "c1"])
    assert found == [compared("c2"), judged("v1"), compared("c1")]


def test_an_incident_is_found_by_the_beginning_of_its_id_if_that_is_enough(ledger: Ledger, reading: Reading) -> None:
    Desk(ledger, ()).report([], [finding()])

    with reading() as reader:
        (incident,) = reader.incidents()
        assert reader.incident(incident.id[:8]) == incident
        with pytest.raises(LedgerError):
            reader.incident("zzzz")
        with pytest.raises(LedgerError):
            reader.incident("")


def _dark(subject: str, *, rounds: int, offline: bool) -> Sight:
    part = Dark(name="stop", channel=ChannelRole.DELIVERED, rounds=rounds, since=at(-60), reason=Reason.UNREACHABLE)
    return Sight(rule="blind", subject=subject, dark=(part,), offline=offline)


def test_the_last_sight_is_the_one_in_force_and_a_fresh_one_is_clear(ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        transaction.append(SightChanged(at=NOW, sight=_dark("t", rounds=1, offline=True)))
        transaction.append(SightChanged(at=NOW, sight=_dark("t", rounds=2, offline=True)))
        transaction.append(SightChanged(at=NOW, sight=_dark("u", rounds=1, offline=False)))

    assert ledger.sight("blind", "t") == _dark("t", rounds=2, offline=True)
    assert ledger.sight("blind", "other") == Sight(rule="blind", subject="other")
    assert ledger.offline() == {"t"}

    with ledger.transaction() as transaction:
        transaction.append(SightChanged(at=NOW, sight=Sight(rule="blind", subject="t")))
    assert ledger.offline() == frozenset()


def test_what_a_channel_was_last_seen_to_do_is_in_force_and_nothing_before_that(ledger: Ledger) -> None:
    lacking = Held(ability=Ability.TOKEN_LOGPROBS, enrolled=True, lacking=2, since=NOW)
    first = Abilities(subject="t", held=(replace(lacking, lacking=0, since=None),))
    last = Abilities(subject="t", held=(lacking,))
    with ledger.transaction() as transaction:
        transaction.append(AbilitiesSeen(at=NOW, abilities=first))
        transaction.append(AbilitiesSeen(at=at(1), abilities=last))

    assert ledger.abilities("t") == last
    assert ledger.abilities("u") is None


def _rollout(id_: str, target: str = "t") -> Rollout:
    return Rollout(
        id=id_,
        target=target,
        expects=Expects.MODEL_ID,
        expected="m-2",
        share=0.25,
        begins=NOW,
        ends=at(60),
        reason="release 2",
        by=person(),
        declared_at=NOW,
    )


def test_what_is_declared_counts_until_it_is_withdrawn_oldest_first(ledger: Ledger) -> None:
    assert ledger.rollouts() == ()
    Desk(ledger, ()).report([RolloutDeclared(at=NOW, rollout=_rollout(it)) for it in ("r1", "r2")])
    Desk(ledger, ()).report([RolloutDeclared(at=NOW, rollout=_rollout("r3", "u"))])
    assert ledger.rollouts("t") == (_rollout("r1"), _rollout("r2"))
    assert [it.id for it in ledger.rollouts()] == ["r1", "r2", "r3"]
    assert ledger.rollouts("nobody") == ()

    withdrawn = RolloutWithdrawn(at=at(1), rollout=_rollout("r1"), by=person("Bob"), reason="rolled back")
    Desk(ledger, ()).report([withdrawn])
    assert [it.id for it in ledger.rollouts()] == ["r2", "r3"]


def test_the_last_count_of_a_rollout_on_a_channel_is_in_force_and_a_fresh_one_is_zero(ledger: Ledger) -> None:
    count = RolloutCount(rollout="r1", subject="t", replies=3, named=2, aside=1)
    Desk(ledger, ()).report([RolloutSeen(at=NOW, count=replace(count, replies=1)), RolloutSeen(at=at(1), count=count)])
    assert ledger.rollout_count("r1", "t") == count
    assert ledger.rollout_count("r1", "t@eu") == RolloutCount(rollout="r1", subject="t@eu")


def _round(id_: str, *, tokens: int, seconds: float = 0, target: str = "t", enrolment: bool = False) -> RoundDone:
    return RoundDone(
        id=id_,
        at=at(seconds + 5),
        target=target,
        started_at=at(seconds),
        seed=1,
        compared=0,
        flagged=0,
        judged=0,
        unmeasured=0,
        tokens=tokens,
        enrolment=enrolment,
    )


def test_what_a_target_cost_is_summed_by_the_utc_day_on_which_its_rounds_began(ledger: Ledger) -> None:
    to_midnight = 12 * 3600
    Desk(ledger, ()).report(
        [
            _round("r1", tokens=5),
            _round("r2", tokens=7, enrolment=True),
            _round("r3", tokens=100, target="u"),
            _round("r4", tokens=11, seconds=to_midnight - 1),
            _round("r5", tokens=1000, seconds=to_midnight),
        ]
    )
    assert ledger.tokens_spent("t", NOW.date()) == 5 + 7 + 11
    assert ledger.tokens_spent("t", at(to_midnight).date()) == 1000
    assert ledger.tokens_spent("nobody", NOW.date()) == 0


def test_a_finding_that_was_taken_in_changes_nothing_when_it_comes_again(ledger: Ledger, reading: Reading) -> None:
    desk = Desk(ledger, ("oncall",))
    first, second = finding(evidence=("c1",)), finding(seconds=5)
    desk.report([], [first, first, second])
    for _ in range(2):
        desk.report([], [first, second], [])
    with ledger.transaction() as transaction:
        assert transaction.knows_finding(first.id)
        assert transaction.knows_finding(second.id)
        assert not transaction.knows_finding(finding(seconds=6).id)

    with reading() as reader:
        (incident,) = reader.incidents()
        assert len(reader.events(incident.id)) == incident.findings == 2
    assert len(ledger.due(at(99), 10)) == 1


def test_a_known_finding_does_not_reopen_what_recovered_or_was_closed(ledger: Ledger, reading: Reading) -> None:
    desk = Desk(ledger, ())
    desk.report([], [finding(), finding(subject="u")], [recovery()])
    _close(ledger, "u")
    desk.report([], [finding(), finding(subject="u")])

    with reading() as reader:
        assert {it.state for it in reader.incidents()} == {IncidentState.RECOVERED, IncidentState.CLOSED}


def test_what_people_did_comes_back_whole(ledger: Ledger, reading: Reading) -> None:
    Desk(ledger, ()).report([], [finding()])
    _close(ledger, "t")

    with reading() as reader:
        (incident,) = reader.incidents(IncidentState.CLOSED)
        *_, closing = reader.events(incident.id)
    assert incident.conclusion == conclusion()
    assert (closing.kind, closing.actor, closing.incident) == (EventKind.CLOSED, person(), incident)


def test_closing_an_old_incident_hides_no_newer_one_that_is_open(ledger: Ledger, reading: Reading) -> None:
    desk = Desk(ledger, ())
    desk.report([], [finding()], [recovery()])
    desk.report([], [finding(seconds=120)])
    with reading() as reader:
        newer, older = reader.incidents()
    with ledger.transaction() as transaction:
        desk.record(transaction, close(transaction.incident(older.id), conclusion()))
        assert transaction.open_incident(newer.fingerprint) == newer
    desk.report([], [finding(seconds=180)])

    with reading() as reader:
        assert [it.findings for it in reader.incidents(IncidentState.OPEN)] == [2]


def test_in_a_transaction_an_incident_is_found_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    desk = Desk(ledger, ())
    with ledger.transaction() as transaction:
        event = absorb(None, finding())
        desk.record(transaction, event)
        assert transaction.incident(event.incident.id[:6]) == event.incident
        for wrong in ("", "zzzz", "%", "_", event.incident.id.upper()[:1] + "\ud800", "\0"):
            with pytest.raises(LedgerError):
                transaction.incident(wrong)


def _close(ledger: Ledger, subject: str) -> None:
    with ledger.transaction() as transaction:
        current = transaction.open_incident(finding(subject=subject).fingerprint)
        assert current is not None
        Desk(ledger, ()).record(transaction, close(current, conclusion()))


_FINDINGS = st.builds(
    finding,
    subject=st.sampled_from(["t", "u"]),
    severity=st.sampled_from(Severity),
    seconds=st.integers(0, 9),
    evidence=st.sampled_from([(), ("a",), ("b",), ("a", "b")]),
)


@given(reports=st.lists(st.lists(_FINDINGS, max_size=3), max_size=4), data=st.data())
def test_replaying_any_findings_leaves_incidents_events_and_outbox_as_they_were(
    reports: list[list[Finding]], data: st.DataObject
) -> None:
    ledger = MemoryLedger()
    desk = Desk(ledger, ("oncall",))
    for report in reports:
        desk.report([], report, [recovery(seconds=5)])
    known = [it for report in reports for it in report]
    before = list(ledger.decisions), ledger.due(at(999), 99)
    again = data.draw(st.lists(st.sampled_from(known), max_size=6)) if known else []
    desk.report([], again)
    desk.report([], again[::-1])
    assert (ledger.decisions, ledger.due(at(999), 99)) == before
