"""What a configuration opens for a target, and what it says before anything is opened."""

import json
from pathlib import Path

import pytest

from tests.running import run
from watchdog.domain.exchanges import ChannelRole
from watchdog.errors import ConfigError
from watchdog.rules import CONTROL, EDITED, REFERENCE
from watchdog.wiring import build, read_config, rebuild, survey

TARGET = """\
ledger: {folder}/ledger.sqlite
targets:
  - name: assistant
    delivered: {{kind: openai, base-url: "https://api.example.com/v1", model: m}}
    probes: [stop]
    {channels}
"""
ENDPOINT = 'direct: {kind: openai, base-url: "https://inside.example.com/v1", model: m}'
SCRIPTED = "direct: {kind: scripted, seed: 1}"
VERIFIED = "reference: {kind: scripted, seed: 2}"
DIRECT, DELIVERED, OURS = ChannelRole.DIRECT, ChannelRole.DELIVERED, ChannelRole.REFERENCE


def _config(folder: Path, *channels: str) -> Path:
    path = folder / "watchdog.yaml"
    path.write_text(TARGET.format(folder=folder, channels="\n    ".join(channels)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("channels", "yardstick", "sides"),
    [
        ([SCRIPTED], DIRECT, {(DIRECT, DIRECT)}),
        ([SCRIPTED, VERIFIED], DIRECT, {(DIRECT, DIRECT), (DIRECT, OURS), (OURS, OURS)}),
        ([ENDPOINT, VERIFIED], OURS, {(DIRECT, OURS), (OURS, OURS)}),
        ([VERIFIED], OURS, {(OURS, OURS)}),
        ([ENDPOINT], DIRECT, set()),
    ],
)
def test_what_scores_is_the_direct_model_or_else_the_reference(
    tmp_path: Path, channels: list[str], yardstick: ChannelRole, sides: set[tuple[ChannelRole, ChannelRole]]
) -> None:
    with build(read_config(_config(tmp_path, *channels))) as app:
        (target,) = app.targets
        assert target.yardstick is yardstick
        assert {(it.of, it.under) for it in target.sides} == sides
        assert (target.comparator is None) == (channels == [ENDPOINT])
        shares = app.ledger.shares()
        rules = [] if shares is None else [it.rule for it in shares.shares if not it.rule.startswith("correction")]
    assert rules.count(CONTROL) == sum(of is under for of, under in sides)
    assert rules.count(REFERENCE) == sum(of is not under for of, under in sides)
    assert rules.count(EDITED) == bool(sides)


def test_a_reload_keeps_the_weights_of_both_channels_that_are_named_alike(tmp_path: Path) -> None:
    path = _config(tmp_path, SCRIPTED, VERIFIED)
    with build(read_config(path)) as app:
        (before,) = app.targets
        path.write_text(path.read_text().replace("probes: [stop]", "probes: [stop, format]"))
        (after,) = rebuild(app, read_config(path)).targets
        assert after.direct is before.direct
        assert after.reference is before.reference
        path.write_text(path.read_text().replace("seed: 2", "seed: 1"))
        (moved,) = rebuild(app, read_config(path)).targets
        assert moved.reference is not None
        assert moved.reference.role is OURS


def test_a_reference_without_probabilities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reference must bring the model's probabilities, and `openai` does not"):
        read_config(_config(tmp_path, ENDPOINT.replace("direct", "reference")))


def test_the_coverage_says_what_a_reference_adds_and_what_is_lost_without_one(tmp_path: Path) -> None:
    (without,) = survey(read_config(_config(tmp_path, SCRIPTED)))
    (beside,) = survey(read_config(_config(tmp_path, SCRIPTED, VERIFIED)))
    (instead,) = survey(read_config(_config(tmp_path, ENDPOINT, VERIFIED)))
    lost, gained = (
        [it for it in found.situations if "direct channel, under" in it.what] for found in (without, beside)
    )
    assert not lost[0].possible
    assert "needs a `direct` that can be asked and a `reference`" in lost[0].detects
    assert gained[0].possible
    assert len(gained[0].waits) == 3
    assert "against the reference (scripted)" in beside.direct
    assert "held against the reference" in instead.direct
    assert instead.situations[0].possible
    assert "reference model" in instead.situations[0].what
    assert [spent.channel for spent in beside.a_day] == [DELIVERED, DIRECT, OURS]


def test_check_config_names_the_reference_and_a_signature_that_it_cannot_check(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.sig").write_text("{}")
    weights = f"reference: {{kind: weights, path: {tmp_path}/model}}"
    path = _config(tmp_path, ENDPOINT, weights)
    found = json.loads(run("check-config", "--json", "--config", path).out)
    assert found["targets"][0]["reference"] == "weights"
    assert "assistant/reference: signature not checked: model.sig is there" in found["notes"][0]
    path = _config(tmp_path, ENDPOINT, weights[:-1] + ", signature: {public-key: maker.pub, file: nowhere.sig}}")
    assert "there is none at" in run("check-config", "--config", path).out


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ("{}", "exactly one of public-key and identity"),
        ("{public-key: a, identity: b, identity-provider: c}", "exactly one of public-key and identity"),
        ("{identity: b}", "identity and identity-provider belong together"),
    ],
)
def test_a_signature_has_to_say_whose_it_is(tmp_path: Path, signature: str, said: str) -> None:
    weights = f"direct: {{kind: weights, path: /models/one, signature: {signature}}}"
    with pytest.raises(ConfigError, match=said):
        read_config(_config(tmp_path, weights))
