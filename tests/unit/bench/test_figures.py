"""What every bench shares: intervals that can be looked up in tables, and figures as they are printed and written."""

import json
import math
from pathlib import Path

import pytest

from figures import Figure, print_table, share_figure, write
from intervals import clopper_pearson, garwood, upper_bound

FOUND = Figure(figure="found", value=12.5, unit="%", target=">= 95 %", met=False, baselines={"others": 0.5}, how="2 h")
NEVER = Figure(figure="delay", value=None, unit="requests", target="none set", met=None, baselines={"a": None}, how="0")


class TestIntervals:
    @pytest.mark.parametrize(("trials", "expected"), [(10, 0.3085), (200, 0.0183)])
    def test_nothing_in_n_has_the_bound_in_closed_form(self, trials: int, expected: float) -> None:
        low, high = clopper_pearson(0, trials)
        assert low == 0
        assert high == pytest.approx(1 - 0.025 ** (1 / trials))
        assert high == pytest.approx(expected, abs=1e-4)

    def test_the_interval_of_a_table_is_reproduced(self) -> None:
        assert clopper_pearson(198, 200) == pytest.approx((0.9643, 0.9988), abs=1e-4)

    def test_hits_and_misses_mirror_each_other(self) -> None:
        low, high = clopper_pearson(3, 40)
        assert clopper_pearson(37, 40) == pytest.approx((1 - high, 1 - low))

    def test_none_in_2000_is_below_fifteen_in_ten_thousand(self) -> None:
        assert upper_bound(0, 2000) == pytest.approx(0.0015, abs=1e-5)

    @pytest.mark.parametrize(("hits", "trials"), [(0, 48), (1, 48), (7, 30), (299, 300)])
    def test_at_the_bound_so_few_hits_are_as_improbable_as_the_confidence_says(self, hits: int, trials: int) -> None:
        bound = upper_bound(hits, trials, 0.975)
        chance = sum(math.comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(hits + 1))
        assert chance == pytest.approx(0.025)
        assert clopper_pearson(hits, trials)[1] == bound
        assert clopper_pearson(trials, trials)[1] == 1.0

    @pytest.mark.parametrize(("count", "expected"), [(0, (0.0, 3.689)), (10, (4.795, 18.390)), (100, (81.36, 121.63))])
    def test_the_interval_of_a_count_is_that_of_a_table(self, count: int, expected: tuple[float, float]) -> None:
        assert garwood(count) == pytest.approx(expected, abs=5e-3)


class TestFigures:
    def test_what_is_written_has_the_fields_that_every_bench_promises(self, tmp_path: Path) -> None:
        write(tmp_path / "it.json", [FOUND, NEVER])
        found, never = json.loads((tmp_path / "it.json").read_text(encoding="utf-8"))
        assert list(found) == ["figure", "value", "unit", "target", "met", "baselines", "how"]
        assert found["baselines"] == {"others": 0.5}
        assert never["value"] is None

    def test_all_that_is_written_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table([FOUND, NEVER])
        printed = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert printed == [
            ["found", "12.5", "%", ">=", "95", "%", "NOT", "MET"],
            ["others:", "0.5"],
            ["2", "h"],
            ["delay", "none", "none", "set"],
            ["a:", "none"],
            ["0"],
        ]

    def test_a_share_is_held_against_the_least_that_was_wanted(self) -> None:
        assert share_figure("f", 19, 20, least=95.0, how="").met is True
        assert share_figure("f", 18, 20, least=95.0, how="").met is False
        assert share_figure("f", 18, 20, least=None, how="").met is None
        assert share_figure("f", 0, 0, least=95.0, how="").value is None
