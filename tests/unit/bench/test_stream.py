"""The parts of bench/stream.py: traffic, attacks and baselines, on the bench's own phrases."""

import dataclasses
import json
import math
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest

from detectors.logs.formats.litellm import LiteLLM
from stream_parts import attacks, benign, rotation, texts
from stream_parts.attacks import SHAPE, SLOW, TEXT, runs
from stream_parts.baselines import BASELINES, RateLimit, calibrate, first_alarms
from stream_parts.counting import NEVER, quantile
from stream_parts.customers import DAY, HOUR, START, WEEK
from stream_parts.lines import SIZE, line
from stream_parts.phrases import REFUSALS
from stream_parts.scenes import Stretch
from stream_parts.texts import Texts
from watchdog.domain.queries import Query

PLAIN = Query(at=START, id="1", client="c", prompt="What is a tide?", reply="Water that comes and goes.", status=200)
ALL = (*TEXT, *SHAPE, *SLOW)


@pytest.fixture(scope="module")
def phrases() -> Texts:
    return texts.built_in()


class TestBenignTraffic:
    def test_requests_come_in_order_and_each_once(self, phrases: Texts) -> None:
        found = list(islice(benign.week(phrases, 5, 1).queries(1, DAY), 2000))
        assert all(one.at <= other.at for one, other in pairwise(found))
        assert len({it.id for it in found}) == len(found)

    def test_a_stretch_lies_where_it_was_asked_for(self, phrases: Texts) -> None:
        found = list(benign.week(phrases, 5, 1).queries(1, HOUR, begins=10 * HOUR))
        assert found[0].at >= START + 10 * HOUR
        assert found[-1].at < START + 11 * HOUR

    def test_the_same_seed_makes_the_same_traffic(self, phrases: Texts) -> None:
        one, other = (list(benign.week(phrases, 5, 1).queries(3, HOUR)) for _ in range(2))
        assert one == other

    def test_a_weekday_afternoon_is_busier_than_a_night_and_a_weekend(self, phrases: Texts) -> None:
        traffic = benign.week(phrases, 1, 1)
        counts = [
            sum(1 for it in traffic.queries(1, 2 * HOUR, begins=at * HOUR) if "batch" not in str(it.client))
            for at in (14, 5 * 24 + 14, 5)
        ]
        assert counts[0] > counts[1] > counts[2]

    def test_a_week_comes_at_its_rate(self, phrases: Texts) -> None:
        found = sum(1 for _ in benign.week(phrases, 0.05, 1).queries(1, WEEK))
        assert found / WEEK == pytest.approx(0.05, rel=0.15)

    def test_agents_send_a_refused_call_again_unchanged(self, phrases: Texts) -> None:
        found = [it for it in benign.week(phrases, 5, 1).queries(1, HOUR, 9 * HOUR) if "agents" in str(it.client)]
        again = Counter((it.client, it.prompt) for it in found)
        assert max(again.values()) > 2

    def test_people_share_addresses(self, phrases: Texts) -> None:
        found = benign.week(phrases, 5, 1).queries(1, HOUR, 9 * HOUR)
        shared = Counter(address for address, _ in {(it.address, it.client) for it in found})
        assert max(shared.values()) >= 3

    def test_the_red_team_is_refused_more_often_than_not_and_others_seldom(self, phrases: Texts) -> None:
        found = list(benign.week(phrases, 5, 1).queries(1, 2 * HOUR, 9 * HOUR))
        red = [it.reply in REFUSALS for it in found if str(it.client).startswith(benign.RED_TEAM)]
        templates = [it.reply in REFUSALS for it in found if str(it.client).startswith("templates")]
        assert sum(red) / len(red) > 0.5
        assert sum(templates) / len(templates) < 0.1


class TestAttacks:
    @pytest.mark.parametrize("attack", ALL, ids=lambda it: it.name)
    def test_a_run_is_one_account_in_order_within_the_limits_of_a_log(
        self, attack: attacks.Attack, phrases: Texts
    ) -> None:
        [run] = runs(attack, phrases, count=1, seed=1, first=HOUR, last=2 * HOUR)
        assert {it.client for it in run.queries} == {run.client}
        assert all(one.at <= other.at for one, other in pairwise(run.queries))
        assert all(len(it.prompt or "") <= 8000 for it in run.queries)
        assert START + HOUR <= run.begins <= START + 2 * HOUR
        assert 20 <= run.delay(math.inf) <= attack.most

    @pytest.mark.parametrize("attack", ALL, ids=lambda it: it.name)
    def test_the_same_seed_makes_the_same_run(self, attack: attacks.Attack, phrases: Texts) -> None:
        one, other = (runs(attack, phrases, count=2, seed=1, first=HOUR, last=HOUR) for _ in range(2))
        assert one == other

    def test_rewordings_are_refused_at_the_published_rate(self, phrases: Texts) -> None:
        found = runs(attacks.REWORDED, phrases, count=10, seed=1, first=HOUR, last=HOUR)
        refused = [it.reply in REFUSALS for run in found for it in run.queries]
        assert sum(refused) / len(refused) == pytest.approx(0.8, abs=0.05)

    def test_a_delay_counts_the_attackers_requests_and_not_those_from_before(self, phrases: Texts) -> None:
        shared = next(it for it in SHAPE if it.name == "key sharing")
        [run] = runs(shared, phrases, count=1, seed=1, first=HOUR, last=HOUR)
        assert run.queries[0].at < run.begins
        assert run.delay(run.begins) == 1
        assert len({it.address for it in run.queries if it.at >= run.begins}) > 20

    def test_a_stretch_mixes_both_in_order(self, phrases: Texts) -> None:
        traffic = benign.afternoon(phrases, 20, 1)
        stretch = Stretch(traffic=traffic, texts=phrases, attacks=TEXT, count=1, seconds=300, first=60, last=90)
        attacking = stretch.runs(1)
        found = list(stretch.queries(1, attacking))
        assert all(one.at <= other.at for one, other in pairwise(found))
        assert sum(str(it.client).startswith("attack") for it in found) == sum(len(it.queries) for it in attacking)


class TestLines:
    def test_a_line_is_as_long_as_real_ones(self) -> None:
        assert len(line(PLAIN)) == SIZE
        assert len(line(PLAIN._replace(prompt="x" * 4000))) > 4000

    def test_what_benign_customers_send_comes_back_from_their_lines(self, phrases: Texts) -> None:
        form = LiteLLM()
        for query in islice(benign.week(phrases, 5, 1).queries(1, DAY, 9 * HOUR), 1000):
            assert form.parse(line(query)) == (query,)

    def test_what_attackers_send_comes_back_from_their_lines(self, phrases: Texts) -> None:
        form = LiteLLM()
        for attack in (it for it in (*TEXT, *SHAPE) if it.name != "harmful fine-tuning"):
            [run] = runs(attack, phrases, count=1, seed=1, first=HOUR, last=HOUR)
            for query in run.queries[:20]:
                assert form.parse(line(query)) == (query,)


class TestBaselines:
    @pytest.mark.parametrize("name", BASELINES)
    def test_none_alarms_on_the_stretch_that_calibrated_it(self, name: str, phrases: Texts) -> None:
        found = list(islice(benign.week(phrases, 5, 1).queries(1, DAY), 400))
        threshold = calibrate(BASELINES[name](), found, spared="nobody")
        assert first_alarms(BASELINES[name](), threshold, found) == {}

    def test_the_rate_limit_counts_one_minute(self) -> None:
        limit = RateLimit()
        assert [limit.score(PLAIN._replace(at=START + at)) for at in (0, 10, 59, 61)] == [1, 2, 3, 3]

    def test_an_alarm_is_the_first_request_above_the_threshold(self) -> None:
        queries = [PLAIN._replace(at=START + at) for at in range(5)]
        assert first_alarms(RateLimit(), 2, queries) == {"c": START + 2}


class TestCounting:
    def test_half_of_the_runs_are_within_the_median(self) -> None:
        assert quantile([5, NEVER, 7, 6], 0.5) == 6
        assert quantile([5, NEVER, NEVER], 0.5) == NEVER
        assert quantile([], 0.5) == NEVER


class TestTexts:
    def test_without_the_public_data_the_bench_has_its_own(self, tmp_path: Path) -> None:
        assert texts.load(tmp_path) == texts.built_in()

    def test_every_kind_of_text_is_there(self, phrases: Texts) -> None:
        assert all(getattr(phrases, it.name) for it in dataclasses.fields(phrases))


class TestWriter:
    def test_it_writes_every_line_once_over_all_its_files(self, tmp_path: Path) -> None:
        plan = rotation.Plan(path=tmp_path / "log", lines_per_s=100_000, rotations=3, lines_per_file=50)
        rotation.write(plan)
        files = sorted(tmp_path.iterdir())
        numbers = [json.loads(it)["line"] for file in files for it in file.read_bytes().splitlines()]
        assert len(files) == 4
        assert sorted(numbers) == list(range(plan.total))

    def test_shifted_names_keep_as_many_files_as_are_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        rotation.write(
            rotation.Plan(path=path, lines_per_s=100_000, rotations=5, lines_per_file=50, shifted=True, kept=3)
        )
        assert sorted(it.name for it in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]
