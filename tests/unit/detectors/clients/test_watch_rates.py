from datetime import UTC, datetime

from detectors.clients.casework import worst
from tests.unit.detectors.clients.traffic import START
from tests.unit.detectors.clients.watched import END, QUIET, a_watch, attack, expectation, restored, spread
from watchdog.domain.findings import Severity
from watchdog.domain.queries import Looking


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


def test_nobody_is_paged_while_a_segment_warms_up() -> None:
    alarms = a_watch(warm_up=5_000).observe(attack("swapped", 400))
    assert {it.severity for it in alarms} == {Severity.WARNING}


def test_a_declared_segment_counts_nothing_before_it_is_known(warm: dict[str, bytes]) -> None:
    flood = [it._replace(client="red-1") for it in attack("reworded", 300)]
    assert restored(warm, segments={"red-team": ["red-*"]}).observe(flood) == []


def test_a_segment_has_base_rates_of_its_own() -> None:
    red_team = [it._replace(client=f"red-{it.client}") for it in attack("reworded", 900, start=START)]
    red_team = [it._replace(client=f"red-{place % 4}") for place, it in enumerate(red_team)]
    watch = a_watch(segments={"red-team": ["red-*"]}, warm_up=400)
    watch.observe(sorted([*QUIET[:500], *red_team], key=lambda it: it.at))
    assert watch.observe([it._replace(client="red-9") for it in attack("reworded", 60, start=END + 9_000)]) == []
    assert watch.judge.roster["red-9"].segment == "red-team"


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


def test_what_is_expected_of_an_organisation_is_no_alarm(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.expect([expectation(0.9, client="org:acme")])
    assert watch.observe(spread()) == []
    watch.expect([])
    assert watch.observe(spread(seed=3))
