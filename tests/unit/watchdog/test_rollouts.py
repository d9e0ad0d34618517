"""What a declared change does to the replies in its window, and what it cannot do."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.channels.scripted import CannedChannel
from storage.memory import MemoryLedger
from tests.builders import NOW, at, compared, finding, person
from tests.unit.watchdog.test_rounds import WordComparator, World
from watchdog.asides import WHOLE_LIFE, Asides, exceeds
from watchdog.blind_findings import BASELINE
from watchdog.desk import Desk
from watchdog.domain.decisions import Enrolled, RolloutDeclared, RolloutSeen, RolloutWithdrawn
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.findings import Severity
from watchdog.domain.rollouts import LONGEST, Declare, Expects, Rollout, RolloutCount, Withdraw, declared
from watchdog.errors import ConfigError
from watchdog.ports import Clock
from watchdog.renewing import Renewing
from watchdog.rollout_desk import RolloutDesk
from watchdog.rules import EDITED

DAY = 86_400.0
DIGEST = "0123456789abcdef"


def act(
    expected: str = "m-2", *, share: float = 0.5, begins: float = 0, ends: float = DAY, reason: str = "v2"
) -> Declare:
    return Declare(target="t", expected=expected, share=share, begins=at(begins), ends=at(ends), reason=reason)


def rollout(expected: str = "m-2", *, share: float = 0.5, begins: float = 0, ends: float = DAY) -> Rollout:
    return declared(act(expected, share=share, begins=begins, ends=ends), id_="r0", by=person(), at=NOW)


def rolled_out(world: World, it: Rollout) -> None:
    Desk(world.ledger, ()).report([RolloutDeclared(at=NOW, rollout=it)])


def from_another(world: World, reply: str, model: str = "m-2") -> World:
    """Let the delivered channel answer with another model's id."""
    world.target = replace(
        world.target,
        delivered=CannedChannel(ChannelRole.DELIVERED, world.now, lambda _: reply, model_id=model),
    )
    return world


def wait_until(world: World, instant: datetime) -> None:
    now: Clock = world.now
    while now() < instant:
        pass


def later(world: World, by: timedelta) -> Clock:
    now: Clock = world.now
    return lambda: now() + by


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"expected": "  "}, "say what is expected"),
        ({"share": 0.0}, "a share lies above 0"),
        ({"share": 1.5}, "a share lies above 0"),
        ({"share": math.nan}, "a share lies above 0"),
        ({"begins": DAY, "ends": DAY}, "has to end after it begins"),
        ({"begins": -2 * DAY, "ends": -DAY}, "and after now"),
        ({"ends": 14 * DAY + 1}, "may last 14 days"),
        ({"reason": " "}, "a reason is needed"),
        ({"reason": "x" * 501}, "500 characters"),
        ({"expected": "m\x07"}, "no character of a text"),
    ],
)
def test_a_declaration_that_says_too_little_or_too_much_is_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        declared(act(**wrong), id_="r0", by=person(), at=NOW)  # type: ignore[arg-type]


def test_the_longest_window_is_allowed_and_its_end_is_not_in_it() -> None:
    it = rollout(ends=LONGEST / timedelta(seconds=1))
    assert it.in_force(it.begins)
    assert not it.in_force(it.ends)


@pytest.mark.parametrize(
    ("expected", "expects"),
    [
        (DIGEST[:12], Expects.DIGEST),
        ("f" * 64, Expects.DIGEST),
        (DIGEST[:11], Expects.MODEL_ID),
        ("f" * 65, Expects.MODEL_ID),
        ("gpt-5", Expects.MODEL_ID),
    ],
)
def test_twelve_hex_digits_or_more_are_a_digest_and_anything_else_is_a_model_id(
    expected: str, expects: Expects
) -> None:
    it = rollout(expected)
    assert it.expects is expects
    assert it.expects_weights(expected) == (expects is Expects.DIGEST)
    assert it.expects_id(expected) == (expects is Expects.MODEL_ID)
    assert not it.expects_weights("")
    assert not it.expects_weights("9" * 64)


def test_replies_that_name_the_declared_model_are_put_aside_whatever_they_say() -> None:
    world = World()
    world.enrol()
    rolled_out(world, rollout(share=1.0))
    report = from_another(world, "It is risky.").rounds.run(world.target)

    assert {it.declared for it in report.compared} == {"r0"}
    assert {it.dark for it in report.compared} == {Reason.DECLARED}
    assert (report.done.compared, report.done.flagged, report.done.unmeasured) == (0, 0, 3)
    assert world.open_rules() == []
    assert EDITED not in {it.rule for it in report.streams}
    assert world.ledger.rollout_count("r0", "t") == RolloutCount(rollout="r0", subject="t", replies=3, named=3, aside=3)


def test_replies_put_aside_round_after_round_are_blind_never_clean() -> None:
    world = World()
    world.enrol()
    rolled_out(world, rollout(share=1.0))
    from_another(world, "It is safe.")
    for _ in range(3):
        world.rounds.run(world.target)
    assert world.open_rules() == ["blind"]


def test_a_flagged_reply_that_names_another_id_pages_as_ever() -> None:
    world = World()
    world.enrol()
    rolled_out(world, rollout(share=1.0))
    from_another(world, "It is risky.", model="m-3").rounds.run(world.target)
    (incident,) = world.ledger.incidents()
    assert incident.rule == EDITED


def test_before_its_window_and_once_withdrawn_a_declaration_hides_nothing() -> None:
    early, gone = World(), World()
    for world in (early, gone):
        world.enrol()
    rolled_out(early, rollout(share=1.0, begins=DAY, ends=2 * DAY))
    it = rollout(share=1.0)
    rolled_out(gone, it)
    RolloutDesk(Desk(gone.ledger, ()), gone.now).perform(Withdraw(rollout="r0", reason="not yet"), person())
    for world in (early, gone):
        from_another(world, "It is risky.").rounds.run(world.target)
        assert world.open_rules() == [EDITED]


def test_more_replies_than_declared_are_not_put_aside_any_more() -> None:
    world = World()
    world.enrol()
    rolled_out(world, rollout(share=0.05))
    from_another(world, "It is risky.")
    for _ in range(4):
        world.rounds.run(world.target)
    assert EDITED in world.open_rules()
    count = world.ledger.rollout_count("r0", "t")
    assert count.aside < count.named == count.replies


def test_when_the_window_is_over_the_new_model_is_weighed_and_has_to_be_enrolled() -> None:
    world = World()
    world.enrol()
    rolled_out(world, rollout(share=1.0, ends=200))
    from_another(world, "It is risky.").rounds.run(world.target)
    assert world.open_rules() == []
    wait_until(world, at(200))
    report = world.rounds.run(world.target)
    assert sorted(world.open_rules()) == [BASELINE, EDITED]
    assert {it.declared for it in report.compared} == {""}
    (unfit,) = [it for it in report.findings if it.rule == BASELINE]
    assert "m-2, whose declared window ended" in unfit.summary

    world.enrol()
    assert BASELINE not in world.open_rules()
    world.rounds.run(world.target)
    assert BASELINE not in world.open_rules()


def test_when_the_window_is_over_and_the_old_model_answers_again_all_is_as_before() -> None:
    world = World()
    world.enrol()
    plain = world.target
    rolled_out(world, rollout(share=1.0, ends=200))
    from_another(world, "It is safe.")
    wait_until(world, at(200))
    world.rounds.run(world.target)
    assert world.open_rules() == [BASELINE]
    world.rounds.run(plain)
    assert world.open_rules() == []


def test_every_incident_says_which_changes_were_declared_and_by_whom() -> None:
    ledger = MemoryLedger()
    desk = Desk(ledger, ())
    desk.report([RolloutDeclared(at=NOW, rollout=rollout())])
    desk.report([], [finding(subject="t@eu/delivered"), finding(subject="u")])
    found = {it.subject: ledger.events(it.id)[0].finding for it in ledger.incidents()}
    said = {subject: "" if it is None else it.attribution for subject, it in found.items()}
    assert "Declared: rollout r0 of model id m-2 on t, at most 50 % of the replies" in said["t@eu/delivered"]
    assert "declared by Ada: v2" in said["t@eu/delivered"]
    assert "Declared" not in said["u"]


class TestWeights:
    def world(self, model: str) -> World:
        world = World()
        world.enrol()
        world.target = replace(world.target, comparator=WordComparator(digest=model))
        return world

    def run(self, world: World) -> list[str]:
        renewed: list[str] = []
        renewing = Renewing(rounds=world.rounds, enrolling=world.enrolling)
        renewing.run(world.target, renewed=lambda it: renewed.append(it.baselines[0].model))
        return renewed

    def test_a_model_that_was_declared_starts_a_new_baseline_by_itself(self) -> None:
        world = self.world(DIGEST * 4)
        rolled_out(world, rollout(DIGEST[:12]))
        assert self.run(world) == [DIGEST * 4]
        assert world.open_rules() == []
        assert self.run(world) == []

    @pytest.mark.parametrize("expected", ["f" * 12, "m-2"])
    def test_a_model_that_was_not_declared_is_an_error_that_pages(self, expected: str) -> None:
        world = self.world(DIGEST * 4)
        rolled_out(world, rollout(expected))
        assert self.run(world) == []
        (incident,) = world.ledger.incidents()
        assert (incident.rule, incident.severity) == (BASELINE, Severity.ERROR)
        assert [it.notice.event.incident.rule for it in world.ledger.due(at(9999), 9)] == [BASELINE]

    def test_the_files_of_the_weights_may_be_what_was_declared(self) -> None:
        world = self.world("other")
        world.target = replace(world.target, files_digest=DIGEST * 4)
        rolled_out(world, rollout(DIGEST))
        assert self.run(world) == ["other"]

    def test_outside_of_its_window_a_declaration_starts_nothing(self) -> None:
        world = self.world(DIGEST * 4)
        rolled_out(world, rollout(DIGEST[:12], begins=DAY, ends=2 * DAY))
        assert self.run(world) == []
        assert world.open_rules() == [BASELINE]

    def test_a_reference_that_changed_too_and_was_not_declared_keeps_it_from_being_enrolled(self) -> None:
        world = self.world(DIGEST * 4)
        edits = world.ledger.baseline(EDITED, "t")
        assert edits is not None
        before = replace(edits, rule="divergence.reference", subject="t/direct")
        Desk(world.ledger, ()).report([Enrolled(at=NOW, baseline=before)])
        world.target = replace(world.target, under_reference=WordComparator(digest="swapped"))
        rolled_out(world, rollout(DIGEST[:12]))
        assert self.run(world) == []
        assert world.open_rules() == [BASELINE]


@pytest.mark.parametrize(("age", "rules"), [(179, []), (180, [BASELINE])])
def test_a_baseline_that_is_too_old_is_a_warning_and_the_test_goes_on(age: int, rules: list[str]) -> None:
    world = World()
    world.enrol()
    world.rounds = replace(world.rounds, now=later(world, timedelta(days=age)))
    report = world.rounds.run(world.target)
    assert world.open_rules() == rules
    assert (report.done.compared, report.blind) == (3, "")
    for it in report.findings:
        assert (it.severity, "enrol again" in it.next_step) == (Severity.WARNING, True)


def test_withdrawing_what_nobody_declared_is_refused_with_a_way_out() -> None:
    desk = RolloutDesk(Desk(MemoryLedger(), ()), lambda: NOW)
    with pytest.raises(ConfigError, match="no declarations") as caught:
        desk.perform(Withdraw(rollout="zz", reason="why not"), person())
    assert "rollout list" in caught.value.hint


def test_a_declaration_and_its_withdrawal_are_leaves_that_name_their_authors() -> None:
    ledger = MemoryLedger()
    desk = RolloutDesk(Desk(ledger, ()), lambda: NOW)
    made = desk.perform(act(), person("Ada"))
    desk.perform(Withdraw(rollout=made.id[:6], reason="rolled back"), person("Bob"))
    first, second = ledger.decisions
    assert isinstance(first, RolloutDeclared)
    assert isinstance(second, RolloutWithdrawn)
    assert (first.rollout.by.name, second.by.name, second.reason) == ("Ada", "Bob", "rolled back")
    assert ledger.rollouts("t") == ()


_SHARES = st.floats(0.01, 0.99)


@given(st.integers(1, 300), st.data(), _SHARES)
def test_what_exceeds_a_share_exceeds_every_smaller_one_and_more_replies_exceed_it_too(
    replies: int, data: st.DataObject, share: float
) -> None:
    named = data.draw(st.integers(0, replies))
    if exceeds(named, replies, share):
        assert exceeds(named, replies, share / 2)
        assert exceeds(min(replies, named + 1), replies, share)


@given(st.integers(1, 300), _SHARES)
def test_as_many_replies_as_declared_never_exceed(replies: int, share: float) -> None:
    assert not exceeds(math.floor(share * replies), replies, share)
    assert not exceeds(replies, replies, 1.0)
    assert not exceeds(0, replies, share)


def test_the_levels_of_all_looks_add_up_to_what_is_promised_for_the_whole_window() -> None:
    assert sum(WHOLE_LIFE * 6 / (math.pi * n) ** 2 for n in range(1, 100_000)) == pytest.approx(WHOLE_LIFE, rel=1e-4)


@given(st.lists(st.lists(st.sampled_from(["m", "m-2", ""]), max_size=6), max_size=6), _SHARES)
def test_whatever_comes_the_counts_are_those_of_the_replies_that_are_marked(
    batches: Sequence[Sequence[str]], share: float
) -> None:
    asides = Asides((rollout(share=share),), {"r0": RolloutCount(rollout="r0", subject="t")})
    marked = came = named = 0
    for n, models in enumerate(batches):
        batch = [replace(compared(f"c{n}/{k}"), model=model) for k, model in enumerate(models)]
        sifted = asides.sift(batch)
        assert [replace(it, declared="") for it in sifted] == batch
        assert all(it.model == "m-2" for it in sifted if it.declared)
        marked += sum(bool(it.declared) for it in sifted)
        came += sum(bool(model) for model in models)
        named += models.count("m-2")
    assert asides.counts["r0"] == RolloutCount(rollout="r0", subject="t", replies=came, named=named, aside=marked)
    assert asides.decisions(NOW) == ([RolloutSeen(at=NOW, count=asides.counts["r0"])] if came else [])


def test_a_share_that_was_exceeded_once_puts_nothing_aside_again_however_few_follow() -> None:
    asides = Asides((rollout(share=0.2),), {"r0": RolloutCount(rollout="r0", subject="t")})

    def sift(model: str, count: int) -> list[bool]:
        batch = [replace(compared(f"c{n}"), model=model) for n in range(count)]
        return [bool(it.declared) for it in asides.sift(batch)]

    assert sift("m-2", 1) == [True]
    assert not any(sift("m-2", 20))
    sift("m", 500)
    count = asides.counts["r0"]
    assert not exceeds(count.named + 1, count.replies + 1, 0.2)
    assert sift("m-2", 1) == [False]
