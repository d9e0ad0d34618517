import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.catalog import DETECTORS, watch_clients
from detectors.clients.casework import POINTS, worst
from detectors.clients.watch import Watch
from tests.unit.detectors.clients.traffic import ATTACKS, START, ordinary, query, reworded
from watchdog.domain.findings import Severity
from watchdog.domain.queries import FIELDS, Alarm, Expectation, Looking, Query
from watchdog.errors import LedgerError
from watchdog.ports import ClientWatch

QUIET = ordinary(1_500, rate=5.0)
END = QUIET[-1].at


def a_watch(**more: object) -> Watch:
    return watch_clients(**({"log": "gateway", "fields": FIELDS, "warm_up": 500} | more))  # type: ignore[arg-type]


def attack(name: str, count: int, client: str = "attacker", seed: int = 7, start: float = END) -> list[Query]:
    dice, make = random.Random(seed), ATTACKS[name][1]
    return [make(dice, client, start + 2.0 * step) for step in range(1, count + 1)]


@pytest.fixture(scope="module")
def warm() -> dict[str, bytes]:
    """The state after some minutes of ordinary traffic."""
    watch = a_watch()
    assert watch.observe(QUIET) == []
    return {key: data for key, data in watch.changed().items() if data is not None}


def restored(state: dict[str, bytes], **more: object) -> Watch:
    watch = a_watch(**more)
    watch.restore(state)
    return watch


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


def cut(queries: Sequence[Query], places: list[int]) -> list[Sequence[Query]]:
    borders = [0, *sorted(places), len(queries)]
    return [queries[start:end] for start, end in pairwise(borders)]


MIXED = [
    *QUIET[:550],
    *sorted(
        [
            *QUIET[550:650],
            *attack("reworded", 30, start=QUIET[550].at),
            *attack("persona", 30, "other", start=QUIET[550].at),
            *attack("biased", 20, "third", start=QUIET[550].at),
        ],
        key=lambda it: it.at,
    ),
]


@settings(max_examples=3, deadline=None)
@given(st.lists(st.integers(0, len(MIXED)), max_size=4))
def test_a_process_that_is_killed_and_restored_decides_the_same(places: list[int]) -> None:
    whole = a_watch()
    expected = whole.observe(MIXED)
    kept: dict[str, bytes] = {}
    watch = a_watch()
    found: list[Alarm] = []
    for part in cut(MIXED, places):
        found += watch.observe(part)
        for key, data in watch.changed().items():
            if data is None:
                kept.pop(key, None)
            else:
                kept[key] = data
        watch.committed()
        # What came after the last commit dies with the process, and is read again.
        watch.observe(MIXED[:50])
        watch = restored(kept)
    assert expected
    assert found == expected


def test_the_order_of_detectors_makes_no_difference() -> None:
    names = list(DETECTORS)
    expected = a_watch(detectors=names).observe(MIXED)
    for seed in range(2):
        random.Random(seed).shuffle(names)
        assert a_watch(detectors=names).observe(MIXED) == expected


def test_how_requests_are_cut_into_calls_makes_no_difference() -> None:
    whole, one_by_one = a_watch(), a_watch()
    assert whole.observe(MIXED) == [alarm for it in MIXED for alarm in one_by_one.observe([it])]
    assert whole.changed() == one_by_one.changed()


def without(*fields: str) -> Callable[[Query], Query]:
    return lambda it: it._replace(**dict.fromkeys(fields))


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


def test_warming_up_is_said_and_ends() -> None:
    watch = a_watch()
    watch.observe(QUIET[:300])
    flood = next(it for it in watch.standing() if it.rule == "boundary_flood")
    assert flood.looking is Looking.WARMING_UP
    assert 100 < flood.learned < flood.needed == 500
    watch.observe(QUIET[300:900])
    assert next(it for it in watch.standing() if it.rule == "boundary_flood").looking is Looking.LOOKING
    settled = {it.signal: it for it in watch.settled()}
    assert 0.02 <= settled["refused"].p0 < 0.15
    assert settled["refused"].trials <= 500
    watch.committed()
    assert watch.settled() == ()


def test_a_gross_flood_alarms_while_it_warms_up_and_says_so() -> None:
    (first, *_) = a_watch(warm_up=5_000).observe([*QUIET[:200], *attack("swapped", 90, start=QUIET[200].at)])
    assert "assumed" in first.said
    assert first.trials > 20


def expectation(rate: float, until: datetime | None = None, rule: str = "boundary_flood") -> Expectation:
    return Expectation(client="attacker", rule=rule, rate=rate, at=datetime.fromtimestamp(END, UTC), until=until)


def test_what_an_operator_expects_is_no_alarm(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe(attack("reworded", 6))
    watch.expect([expectation(0.9)])
    assert worst(watch.judge.roster["attacker"]) == 0.0
    assert watch.observe(attack("reworded", 100, seed=3)) == []
    watch.expect([])
    assert watch.observe(attack("reworded", 100, seed=4))


def test_what_is_usual_for_a_client_leaves_no_evidence(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.expect([expectation(0.85)])
    watch.observe(attack("swapped", 50))
    assert watch.judge.roster["attacker"].cases == {}
    assert watch.changed().get("text/attacker") is None


def test_saying_it_again_changes_nothing(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.expect([expectation(0.3)])
    watch.observe(attack("reworded", 6))
    before = worst(watch.judge.roster["attacker"])
    watch.expect([expectation(0.3)])
    assert worst(watch.judge.roster["attacker"]) == before > 0


def test_an_expectation_ends_in_the_time_of_the_log(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.expect([expectation(0.9, until=datetime.fromtimestamp(END + 100, UTC))])
    assert watch.observe(attack("reworded", 49)) == []
    assert watch.observe(attack("reworded", 60, seed=3, start=END + 200))


def test_a_segment_has_base_rates_of_its_own() -> None:
    red_team = [it._replace(client=f"red-{it.client}") for it in attack("reworded", 900, start=START)]
    red_team = [it._replace(client=f"red-{place % 4}") for place, it in enumerate(red_team)]
    watch = a_watch(segments={"red-team": ["red-*"]}, warm_up=400)
    watch.observe(sorted([*QUIET[:500], *red_team], key=lambda it: it.at))
    assert watch.observe([it._replace(client="red-9") for it in attack("reworded", 60, start=END + 9_000)]) == []
    assert watch.judge.roster["red-9"].segment == "red-team"


def test_an_attack_spread_over_the_accounts_of_an_organisation_is_found(warm: dict[str, bytes]) -> None:
    spread = [it._replace(client=f"acc-{place % 12}", org="acme") for place, it in enumerate(attack("reworded", 60))]
    alarms = restored(warm).observe(spread)
    assert {it.client for it in alarms} == {"org:acme"}
    assert "one organisation together" in alarms[0].said


def test_one_account_of_an_organisation_alarms_once(warm: dict[str, bytes]) -> None:
    alarms = restored(warm).observe([it._replace(org="acme") for it in attack("reworded", 60)])
    assert {it.client for it in alarms} == {"attacker"}


def test_a_declared_segment_counts_nothing_before_it_is_known(warm: dict[str, bytes]) -> None:
    flood = [it._replace(client="red-1") for it in attack("reworded", 300)]
    assert restored(warm, segments={"red-team": ["red-*"]}).observe(flood) == []


def test_nobody_is_paged_while_a_segment_warms_up() -> None:
    alarms = a_watch(warm_up=5_000).observe(attack("swapped", 400))
    assert {it.severity for it in alarms} == {Severity.WARNING}


def test_forgetting_drops_what_was_written_and_keeps_the_evidence(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe(attack("reworded", 6))
    before = worst(watch.judge.roster["attacker"])
    watch.forget("attacker")
    assert watch.changed()["text/attacker"] is None
    assert worst(watch.judge.roster["attacker"]) == before
    (first, *_) = watch.observe(attack("reworded", 30, seed=3))
    assert first.examples[0].text == ""
    assert first.examples[-1].text


def test_text_is_in_rows_of_its_own(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe(attack("reworded", 6))
    rows = {key: data for key, data in watch.changed().items() if data is not None and b"bomb" in data}
    assert set(rows) <= {"text/attacker"}
    state = warm | {key: data for key, data in watch.changed().items() if data and not key.startswith("text/")}
    (first, *_) = restored(state).observe(attack("reworded", 30, seed=3))
    assert first.examples[0].text == ""


def test_when_the_last_hit_came_is_known(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    flood = attack("reworded", 30)
    watch.observe(flood)
    last = watch.last_hit("boundary_flood", "attacker")
    assert last is not None
    assert flood[0].at < last <= flood[-1].at
    assert watch.last_hit("boundary_flood", "nobody") is None


def test_state_of_another_version_is_refused() -> None:
    with pytest.raises(LedgerError, match="another version"):
        a_watch().restore({"log": b"\xff123"})
    with pytest.raises(LedgerError, match="cannot be read"):
        a_watch().restore({"client/x": b"\x01garbage"})


def test_only_what_changed_is_handed_on(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe([query(END + 1, "one", "hello")])
    assert set(watch.changed()) == {"log", "client/one"}
    watch.committed()
    assert set(watch.changed()) == {"log"}


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


def test_clients_without_evidence_go_first(warm: dict[str, bytes]) -> None:
    watch = restored(warm, clients=300)
    watch.observe(attack("reworded", 6))
    watch.observe([query(END + 20 + step / 100, f"passer-{step}", "hello") for step in range(1_000)])
    assert len(watch.judge.roster) == 300
    assert "attacker" in watch.judge.roster
    rows = watch.changed()
    assert sum(data is None for key, data in rows.items() if key.startswith("client/")) >= 700


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
