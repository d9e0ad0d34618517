import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.catalog import DETECTORS
from detectors.clients.casework import worst
from tests.unit.detectors.clients.traffic import query
from tests.unit.detectors.clients.watched import END, MIXED, a_watch, attack, restored
from watchdog.domain.queries import FIELDS, Alarm, Query
from watchdog.errors import LedgerError


def cut(queries: Sequence[Query], places: list[int]) -> list[Sequence[Query]]:
    borders = [0, *sorted(places), len(queries)]
    return [queries[start:end] for start, end in pairwise(borders)]


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


def test_evidence_of_a_detector_that_is_switched_off_ends(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe([it._replace(org="acme") for it in attack("persona", 3)])
    state = warm | {key: data for key, data in watch.changed().items() if data is not None}
    fewer = restored(state, detectors=["boundary_flood"])
    for roster, name in ((fewer.judge.roster, "attacker"), (fewer.judge.orgs, "org:acme")):
        assert "steering_campaign" not in roster[name].cases
        assert name in roster.dirty
    assert {it.rule for it in fewer.observe(attack("reworded", 40))} == {"boundary_flood"}


def test_evidence_of_a_kind_that_the_log_no_longer_tells_counts_no_more(warm: dict[str, bytes]) -> None:
    watch = restored(warm)
    watch.observe(attack("put_in", 8))
    state = warm | {key: data for key, data in watch.changed().items() if data is not None}
    less = restored(state, fields=FIELDS - {"prefill"})
    less.observe(attack("persona", 1, start=END + 60))
    before, after = (it.judge.roster["attacker"].cases["steering_campaign"] for it in (watch, less))
    assert after.hits == before.hits + 1
    assert after.value < before.value


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


def test_clients_without_evidence_go_first(warm: dict[str, bytes]) -> None:
    watch = restored(warm, clients=300)
    watch.observe(attack("reworded", 6))
    watch.observe([query(END + 20 + step / 100, f"passer-{step}", "hello") for step in range(1_000)])
    assert len(watch.judge.roster) == 300
    assert "attacker" in watch.judge.roster
    rows = watch.changed()
    assert sum(data is None for key, data in rows.items() if key.startswith("client/")) >= 700
