"""How the installation's false incidents are split, and that nobody's share ever changes or is spent twice."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.sequential import RateTest
from storage.ledger import SqliteLedger
from storage.reader import open_reader
from tests.builders import NOW, at, baseline
from tests.running import run
from watchdog.allotment import MOST_ALPHA, RESERVE, PerStream, StreamName, allot, allotted, streams_of
from watchdog.domain.decisions import SharesAllotted
from watchdog.domain.evidence import Share, Stream
from watchdog.errors import ConfigError
from watchdog.wiring import build, read_config, rebuild

TARGET = """\
  - name: {name}
    delivered: {{kind: openai, base-url: "http://127.0.0.1:9/v1", model: m}}
    {extra}
"""
BATCHES = st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=6), max_size=12)


def _names(letters: list[str]) -> list[StreamName]:
    return [("rule", letter) for letter in letters]


def _config(folder: Path, *names: str, budget: str = "", extra: str = "probes: [stop]") -> Path:
    path = folder / "watchdog.yaml"
    targets = "".join(TARGET.format(name=name, extra=extra) for name in names)
    path.write_text(f"ledger: {folder / 'ledger.sqlite'}\n{budget}\ntargets:\n{targets}", encoding="utf-8")
    return path


@given(BATCHES, st.floats(1e-3, 12))
def test_however_streams_come_and_go_no_share_changes_and_the_whole_is_never_passed(
    batches: list[list[str]], budget: float
) -> None:
    shares: tuple[Share, ...] = ()
    for batch in batches:
        before, shares = shares, allot(shares, _names(batch), budget)
        assert shares[: len(before)] == before
        assert {it.subject for it in shares} == {it.subject for it in before} | set(batch)
        assert sum(it.part for it in shares) <= 1.0
        assert sum(it.alpha for it in shares) <= budget
        assert all(0 < it.alpha <= MOST_ALPHA for it in shares)


def test_the_first_streams_share_evenly_and_leave_a_reserve() -> None:
    shares = allot((), _names(list("abcd")), 0.01)
    assert [it.part for it in shares] == [(1 - RESERVE) / 4] * 4
    assert [it.alpha for it in shares] == [0.01 * (1 - RESERVE) / 4] * 4


def test_a_newcomer_among_many_gets_a_third_of_what_the_first_ones_got() -> None:
    first = allot((), [("rule", str(number)) for number in range(300)], 0.1)
    (*_, newcomer) = allot(first, [("rule", "new")], 0.1)
    assert newcomer.part == pytest.approx(first[0].part / 3, rel=0.01)


def test_the_order_of_names_in_the_configuration_does_not_matter() -> None:
    one, other = (allot((), _names(list(letters)), 0.1) for letters in ("abc", "cba"))
    assert set(one) == set(other)


def test_a_stream_that_comes_back_has_its_old_share() -> None:
    first = allot((), _names(["a", "b"]), 0.1)
    without = allot(first, _names(["a", "c"]), 0.1)
    assert allot(without, _names(["a", "b"]), 0.1)[:2] == first


def test_no_stream_takes_more_than_an_honest_page_needs() -> None:
    (alone,) = allot((), _names(["a"]), 12)
    assert alone.alpha == MOST_ALPHA
    # 0 of 96 enrolled, and one flagged reply: not enough for a page.
    test = RateTest(alpha=MOST_ALPHA, a_year=12)
    stream = test.weigh(Stream(rule="rule", subject="a"), baseline(trials=96), hit=True, at=NOW)
    assert not stream.alarmed


def test_another_budget_changes_every_alpha_and_no_part() -> None:
    first = allot((), _names(["a", "b"]), 0.001)
    second = allot(first, _names(["a", "b"]), 0.002)
    assert [it.part for it in second] == [it.part for it in first]
    assert [it.alpha for it in second] == [2 * it.alpha for it in first]


def test_each_stream_is_weighed_at_its_own_share_and_alarms_alone() -> None:
    tests = PerStream({("r", "loose"): RateTest(alpha=0.01, a_year=1), ("r", "strict"): RateTest(alpha=1e-6, a_year=1)})
    loose, strict = Stream(rule="r", subject="loose"), Stream(rule="r", subject="strict")
    for _ in range(2):
        loose = tests.weigh(loose, baseline(), hit=True, at=NOW)
        strict = tests.weigh(strict, baseline(), hit=True, at=NOW)
    assert loose.evidence == strict.evidence
    assert (loose.alarmed, strict.alarmed) == (True, False)
    assert "in 100 lifetimes" in tests.promise(loose, baseline())
    assert "in 1,000,000 lifetimes" in tests.promise(strict, baseline())


def test_the_streams_of_a_configuration_are_its_comparisons_and_each_probe_on_each_channel(tmp_path: Path) -> None:
    extra = """direct: {kind: scripted}
    variants: {eu: {kind: openai, base-url: "http://127.0.0.1:9/v1", model: m}}
    probes: [stop, undo]"""
    found = streams_of(read_config(_config(tmp_path, "a", extra=extra)).settings)
    assert len(found) == len(set(found)) == 2 * (3 + 2 * 2)
    assert ("divergence.gap", "a@eu") in found
    assert ("correction.undo", "a@eu/direct") in found

    unscored = streams_of(read_config(_config(tmp_path, "a")).settings)
    assert unscored == (("correction.stop", "a/delivered"),)


def test_shares_are_recorded_at_a_start_and_again_only_when_they_change(tmp_path: Path) -> None:
    for names, budget in [("a", ""), ("a", ""), ("ab", ""), ("b", ""), ("b", "false-incidents-per-year: 0.002")]:
        with build(read_config(_config(tmp_path, *names, budget=budget))):
            pass
    with open_reader(tmp_path / "ledger.sqlite") as reader:
        newest = reader.shares()
    assert newest is not None
    assert newest.false_incidents_per_year == 0.002
    parts = {it.subject: it.part for it in newest.shares}
    assert parts == {"a/delivered": 0.75, "b/delivered": 0.125}
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger, ledger.reading() as connection:
        rows = connection.exec_driver_sql("SELECT detail FROM run WHERE kind = 'shares_allotted' ORDER BY leaf").all()
        alphas = connection.exec_driver_sql("SELECT alpha FROM share ORDER BY subject").scalars().all()
    assert [row[0] for row in rows] == [
        "0.1 false incidents a year over 1 streams",
        "0.1 false incidents a year over 2 streams",
        "0.002 false incidents a year over 2 streams",
    ]
    assert alphas == [0.002 * 0.75, 0.002 * 0.125]


def test_a_reload_hands_on_the_shares_it_wants_recorded(tmp_path: Path) -> None:
    with build(read_config(_config(tmp_path, "a"))) as app:
        assert rebuild(app, read_config(_config(tmp_path, "a"))).allotted == ()
        again = rebuild(app, read_config(_config(tmp_path, "a", "b")))
        (changed,) = again.allotted
        assert isinstance(changed, SharesAllotted)
        assert [it.subject for it in changed.shares] == ["a/delivered", "b/delivered"]
        app.desk.report(again.allotted)
        assert rebuild(app, read_config(_config(tmp_path, "a", "b"))).allotted == ()


def test_the_shares_before_are_kept_as_they_are_when_nothing_changes(tmp_path: Path) -> None:
    settings = read_config(_config(tmp_path, "a")).settings
    first = allotted(None, settings, NOW)
    assert allotted(first, settings, at(60)) is first


def test_the_key_that_was_replaced_is_named_with_the_one_that_took_its_place(tmp_path: Path) -> None:
    path = _config(tmp_path, "a", budget="false-alarm-probability: 0.001")
    with pytest.raises(ConfigError, match="replaced by 'false-incidents-per-year'"):
        read_config(path)


@pytest.mark.parametrize("budget", ["0", "-1", "13", ".inf", "many"])
def test_a_budget_that_is_none_is_refused(tmp_path: Path, budget: str) -> None:
    with pytest.raises(ConfigError, match="false-incidents-per-year"):
        read_config(_config(tmp_path, "a", budget=f"false-incidents-per-year: {budget}"))


def test_check_config_says_what_may_open_by_chance_and_over_how_much_it_is_split(tmp_path: Path) -> None:
    said = run("check-config", "-c", _config(tmp_path, "a", "b", budget="false-incidents-per-year: 0.5")).out
    assert "false incidents: at most 0.5 a year by chance, split over 2 streams of evidence" in said
