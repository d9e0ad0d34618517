"""Coverage: what a configuration can detect and costs, told before a request is sent."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detectors.sequential import RateTest
from storage.ledger import SqliteLedger
from tests.builders import baseline
from watchdog import time_to_detect
from watchdog.cli.app import app
from watchdog.coverage import Coverage
from watchdog.domain.decisions import Enrolled
from watchdog.errors import ConfigError
from watchdog.situations import Situation
from watchdog.wiring import read_config, survey

TARGET = """\
ledger: ./ledger.sqlite
targets:
  - name: assistant
    every: 1h
    delivered: {kind: openai, base-url: "https://api.example.com/v1", model: m}
    DIRECT
    questions-per-round: 3
    reply-tokens: 32
    EXTRA
"""
WEIGHTS = "direct: {kind: scripted}"
ENDPOINT = 'direct: {kind: openai, base-url: "https://inside.example.com/v1", model: m}'


def _config(folder: Path, direct: str = WEIGHTS, extra: str = "probes: [stop]") -> Path:
    path = folder / "watchdog.yaml"
    path.write_text(TARGET.replace("DIRECT", direct).replace("EXTRA", extra), encoding="utf-8")
    return path


def _survey(folder: Path, direct: str = WEIGHTS, extra: str = "probes: [stop]") -> Coverage:
    (found,) = survey(read_config(_config(folder, direct, extra)))
    return found


def _comparison(found: Coverage) -> Situation:
    return found.situations[0]


def test_with_weights_edits_are_found_and_soonest_where_every_reply_is_edited(tmp_path: Path) -> None:
    comparison = _comparison(_survey(tmp_path))
    assert comparison.possible
    every, half, tenth = comparison.waits
    assert every.half_of_runs == 1
    assert half.half_of_runs is not None
    assert every.most_runs is not None
    assert half.most_runs is not None
    assert every.most_runs < half.most_runs < 20
    assert tenth.half_of_runs is None or tenth.half_of_runs > half.half_of_runs


@pytest.mark.parametrize(
    ("direct", "said"), [("owner: me", "no direct channel"), (ENDPOINT, "without the model's probabilities")]
)
def test_without_weights_it_says_that_edited_words_are_never_seen(tmp_path: Path, direct: str, said: str) -> None:
    found = _survey(tmp_path, direct)
    assert said in found.direct
    assert "edited words are never seen" in found.direct
    assert not _comparison(found).possible
    assert _comparison(found).waits == ()


def test_without_a_direct_channel_nothing_tells_the_model_from_the_way_to_its_users(tmp_path: Path) -> None:
    *_, side_by_side = _survey(tmp_path, "owner: me").situations
    assert not side_by_side.possible
    *_, side_by_side = _survey(tmp_path, ENDPOINT).situations
    assert side_by_side.possible


def test_a_day_costs_what_its_rounds_send(tmp_path: Path) -> None:
    found = _survey(tmp_path, extra="price-per-million-tokens: 10")
    delivered, direct = found.a_day
    assert delivered.requests == 24 * (3 + 2)  # three questions, and the two arms of the default probe
    assert not delivered.local
    assert direct.local
    assert found.tokens_a_day == delivered.tokens > 24 * (3 * 32 + 2 * 48)
    assert found.money_a_day == pytest.approx(delivered.tokens * 10 / 1_000_000)


def test_a_paid_direct_endpoint_counts_and_asks_no_questions(tmp_path: Path) -> None:
    found = _survey(tmp_path, ENDPOINT)
    assert [it.requests for it in found.a_day] == [48, 48]
    assert found.tokens_a_day == sum(it.tokens for it in found.a_day)


@pytest.mark.parametrize(
    ("extra", "budget"),
    [
        ("max-tokens-per-day: 1000", 1000),
        ("quota-tokens-per-day: 50000", 500),
        ("quota-tokens-per-day: 50000\n    max-tokens-per-day: 100", 100),
    ],
)
def test_a_budget_that_is_too_small_is_told(tmp_path: Path, extra: str, budget: int) -> None:
    found = _survey(tmp_path, extra=extra)
    assert found.budget == budget
    assert found.within_budget == pytest.approx(budget / found.tokens_a_day)
    said = CliRunner().invoke(app, ["check-config", "-c", str(_config(tmp_path, extra=extra)), "--coverage"]).output
    assert f"THE BUDGET of {budget:,} tokens" in said


def test_the_enrolled_baseline_decides_how_long_it_takes(tmp_path: Path) -> None:
    path = _config(tmp_path)
    assert _comparison(survey(read_config(path))[0]).enrolled == "not enrolled yet"
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger, ledger.transaction() as transaction:
        found = baseline(trials=48, hits=20, subject="assistant")
        transaction.append(Enrolled(at=found.enrolled_at, baseline=found))
    (after,) = survey(read_config(path))
    assert _comparison(after).enrolled == "enrolled with 20 of 48"
    every, half, tenth = (wait.half_of_runs for wait in _comparison(after).waits)
    assert every == 1
    assert half is not None
    assert 1 < half < 10
    assert tenth is None


def test_the_same_question_has_the_same_answer() -> None:
    def ask() -> time_to_detect.Wait:
        time_to_detect.time_to_detect.cache_clear()
        test = RateTest(alpha=0.0005, a_year=0.1)
        return time_to_detect.time_to_detect(test, hits=0, trials=48, share=0.5, per_round=3)

    assert ask() == ask()


def test_each_variant_is_told_and_the_false_alarms_are_shared(tmp_path: Path) -> None:
    variant = 'variants: {eu: {kind: openai, base-url: "https://eu.example.com/v1", model: m}}'
    found = survey(read_config(_config(tmp_path, extra=variant)))
    assert [it.target for it in found] == ["assistant", "assistant@eu"]
    assert found[0].every == timedelta(hours=1)


def test_the_printed_table_says_what_is_possible_and_what_is_not(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check-config", "-c", str(_config(tmp_path, "owner: me")), "--coverage"])
    assert result.exit_code == 0
    assert "no direct channel" in result.output
    assert "NOT POSSIBLE" in " ".join(result.output.replace("│", " ").split())
    assert "A day on the delivered channel: 48 requests" in result.output


def test_json_says_the_same(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check-config", "-c", str(_config(tmp_path)), "--coverage", "--json"])
    found: dict[str, Any] = json.loads(result.output)
    (row,) = found["coverage"]
    assert row["situations"][0]["rounds_to_detect"][0] == {"share": 1.0, "half_of_runs": 1, "nine_of_ten_runs": 1}
    assert row["a_day"][0]["requests"] == 120
    assert found["assumptions"]


def test_surveying_makes_no_ledger_and_opens_no_channel(tmp_path: Path) -> None:
    _survey(tmp_path, "direct: {kind: weights, path: ./nowhere}")
    assert [it.name for it in tmp_path.iterdir()] == ["watchdog.yaml"]
    with pytest.raises(ConfigError):
        read_config(tmp_path / "nowhere")
