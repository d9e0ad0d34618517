import random

import pytest

from detectors.clients.casework import POINTS, worst
from tests.unit.detectors.clients.traffic import ATTACKS, START, query, reworded
from tests.unit.detectors.clients.watched import END, QUIET, a_watch, attack, restored, spread, without
from watchdog.domain.findings import Severity
from watchdog.domain.queries import FIELDS
from watchdog.ports import ClientWatch


def test_it_is_a_client_watch() -> None:
    watch: ClientWatch = a_watch()
    assert watch.observe([]) == []


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_is_found_by_its_rule(name: str, warm: dict[str, bytes]) -> None:
    (first, *_) = restored(warm).observe(attack(name, 40))
    assert (first.rule, first.client) == (ATTACKS[name][0], "attacker")
    assert first.severity is Severity.WARNING
    assert first.evidence >= first.threshold


def test_a_ticket_comes_before_a_page_and_then_it_is_quiet_for_a_day(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    alarms = watch.observe(attack("reworded", 200))
    assert [it.severity for it in alarms] == [Severity.WARNING, Severity.CRITICAL]
    assert watch.observe(attack("reworded", 100, seed=8, start=END + 3_600)) == []
    # The clock of a log goes forward by an hour at most with each request.
    later = [query(END + 3_600 * step, "other", f"word {step}") for step in range(2, 30)]
    again = watch.observe([*later, *attack("reworded", 60, seed=9, start=END + 30 * 3_600)])
    assert [it.severity for it in again] == [Severity.WARNING, Severity.CRITICAL]


def test_an_alarm_explains_itself(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    first = watch.observe(attack("reworded", 40))[0]
    assert first.segment == "default"
    assert first.since < first.at
    assert 0 < first.hits <= first.trials
    assert first.path[-1].evidence == first.evidence
    assert [it.at for it in first.path] == sorted(it.at for it in first.path)
    assert 1 <= len(first.examples) <= 5
    assert {it.why for it in first.examples} == {"refused"}
    assert all(it.text for it in first.examples)
    assert "refusals" in [it.feature for it in first.deviations]
    assert len(first.deviations) == 3
    assert first.expected == pytest.approx(1 / 7)
    assert "bomb" not in first.said


def test_the_path_stays_short_however_long_it_takes(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe([query(END + step, "slow", "gh" * step, refused=step % 2 == 0) for step in range(900)])
    case = watch.judge.roster["slow"].cases["boundary_flood"]
    assert len(case.path) <= POINTS
    assert case.path[-1][1] == case.value


def test_small_changes_of_one_prompt_are_said_to_be_a_family(warm: dict[str, bytes]) -> None:
    base = " ".join(f"word{chr(103 + step % 20)}{'z' * (step % 9)}" for step in range(80))
    swaps = [query(END + step, "swapper", f"{'yz' * step}! {base}", refused=True) for step in range(1, 30)]
    assert "small change of the one before" in restored(warm).observe(swaps)[0].said


@pytest.mark.parametrize("fields", [("reply", "refused"), ("prompt",), ("prompt", "reply", "refused", "prefill")])
def test_requests_that_do_not_tell_never_lower_the_evidence(fields: tuple[str, ...], warm: dict[str, bytes]) -> None:
    watch = restored(warm, detectors=["boundary_flood"])
    watch.observe(attack("reworded", 6))
    before = worst(watch.judge.roster["attacker"])
    assert before > 0
    watch.observe([without(*fields)(it) for it in attack("reworded", 30, seed=3)])
    assert worst(watch.judge.roster["attacker"]) == before


def test_ordinary_answers_lower_it(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe(attack("reworded", 6))
    before = worst(watch.judge.roster["attacker"])
    watch.observe([query(END + 20 + step, "attacker", "plain " + "yz" * step) for step in range(30)])
    assert worst(watch.judge.roster["attacker"]) < before
    assert "attacker" not in watch.judge.shelf.of_clients, "what it wrote is dropped with the evidence"


def test_what_no_format_tells_and_what_no_line_tells_is_blind() -> None:
    metadata = a_watch(fields=FIELDS - {"top_logprobs", "seed", "choices"})
    assert metadata.blind() == {"model_extraction": "choices or seed or top_logprobs"}
    redacted = a_watch()
    redacted.observe([without("prompt", "reply", "refused")(it) for it in QUIET[:600]])
    assert redacted.blind()["boundary_flood"] == "prompt, refused or reply"
    assert "rate_burst" not in redacted.blind()


def test_an_attack_spread_over_the_accounts_of_an_organisation_is_found(warm: dict[str, bytes]) -> None:
    alarms = restored(warm).observe(spread())
    assert {it.client for it in alarms} == {"org:acme"}
    assert "one organisation together" in alarms[0].said


def test_one_account_of_an_organisation_alarms_once(warm: dict[str, bytes]) -> None:
    alarms = restored(warm).observe([it._replace(org="acme") for it in attack("reworded", 60)])
    assert {it.client for it in alarms} == {"attacker"}


def test_a_wrong_time_does_not_tear_the_clock_away(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe([query(END + 10**9, "wrong", "hello"), query(1.0, "wrong", "hullo")])
    assert watch.state.clock == END + 3_600
    assert watch.observe(attack("reworded", 40))


def test_requests_of_nobody_are_passed_over() -> None:
    watch = a_watch()
    assert watch.observe([query(START, "x", "y", client=None, address=None)]) == []
    assert len(watch.judge.roster) == 0


def test_where_no_key_is_told_the_address_stands_for_the_client(warm: dict[str, bytes]) -> None:
    nameless = [it._replace(client=None, address="192.0.2.1") for it in attack("reworded", 40)]
    assert restored(warm).observe(nameless)[0].client == "192.0.2.1"


def test_the_number_of_false_alarms_keeps_the_promise_when_the_null_is_true() -> None:
    """Clients whose every request is refused with a chance below the base rate, and a budget that allows many."""
    watch = a_watch(detectors=["boundary_flood"], tickets_per_week=180_000.0)
    watch.observe(QUIET[:800])
    base = next(it.p0 for it in watch.settled() if it.signal == "refused")
    dice = random.Random(2)
    allowed, alarms = 0.0, 0
    for step in range(6_000):
        prompt = "".join(dice.choice("ghijklmnopqrstuvwxyz ") for _ in range(12))
        it = query(QUIET[800].at + step / 20, f"n{dice.randrange(300)}", prompt, refused=dice.random() < base)
        alarms += sum(alarm.severity is Severity.WARNING for alarm in watch.observe([it]))
        pace = watch.state.paces["boundary_flood"]
        allowed += 1 / watch.allowances["boundary_flood"].threshold(Severity.WARNING, pace)
    assert allowed >= 20
    # A Poisson count above the upper end of this interval has a chance of one in a thousand.
    assert alarms <= allowed + 3.1 * allowed**0.5


def test_reworded_attacks_of_many_accounts_are_all_found(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    dice = random.Random(5)
    delays = []
    for number in range(12):
        for step in range(1, 60):
            if watch.observe([reworded(dice, f"bad-{number}", END + 60 * number + step)]):
                delays.append(step)
                break
    assert len(delays) == 12
    assert sorted(delays)[6] <= 15
