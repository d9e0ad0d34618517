"""Configuration: every fault is named with its line, all at once; secrets never show."""

import hashlib
import json
import os
import pickle
import re
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from detectors.allowed_edits import Tolerant
from probes.catalog import PROBES
from watchdog.cli.app import app
from watchdog.config.durations import parse_duration, show_duration
from watchdog.config.environment import substitute
from watchdog.config.load import load
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.config.secrets import Secret, missing_secrets, read_secret
from watchdog.errors import ConfigError
from watchdog.wiring import build, read_config, settings_shape

GOOD = """\
ledger: ./ledger.sqlite
targets:
  - name: assistant
    delivered: {kind: openai, base-url: "https://api.example.com/v1", model: m, api-key-env: KEY}
    direct:
      kind: weights
      path: ./model
alerts:
  - {name: oncall, kind: webhook, url-env: URL}
"""


def _config(folder: Path, text: str) -> Path:
    path = folder / "watchdog.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_configuration_is_read_with_paths_beside_the_file(tmp_path: Path) -> None:
    loaded = read_config(_config(tmp_path, GOOD))
    assert loaded.settings.ledger == tmp_path / "ledger.sqlite"
    assert len(loaded.digest) == 64
    assert [it.name for it in loaded.settings.targets] == ["assistant"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ledger: ./ledger.sqlite\n", "", "ledger"),
        ("name: assistant", "nam: assistant", ":3: targets[0].nam: unknown key; did you mean 'name'?"),
        ("base-url", "base-ur", ":4: targets[0].delivered.base-ur: unknown key; did you mean 'base-url'?"),
        ("kind: weights", "kind: wights", "'weights'"),
        ("url-env: URL", "url-env: URL, url: 'https://x.example'", "exactly one of url, url-env and url-file"),
        ("    direct:", "    probes: [stopp]\n    direct:", "there is no probe called 'stopp'"),
        ("name: assistant", "name: Assistant One", ":3: targets[0].name"),
        ("path: ./model", "path: ./model\n      path: ./other", ":8: the key 'path' stands twice"),
        ("targets:", "targets: [", "not YAML"),
        (GOOD, "", "got nothing"),
        (GOOD, "- a\n- b\n", "got a list"),
        (GOOD, "just a word", "got a single value"),
    ],
)
def test_each_fault_is_named_where_it_is(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        read_config(_config(tmp_path, GOOD.replace(old, new, 1)))
    assert said in caught.value.problem
    assert "watchdog.yaml" in caught.value.problem


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("base-url", "base-ur").replace("path: ./model", "pat: ./model").replace("url-env", "ulr-env")
    with pytest.raises(ConfigError) as caught:
        read_config(_config(tmp_path, text))
    for key in ("base-ur:", "pat:", "ulr-env:"):
        assert key in caught.value.problem


def test_two_targets_or_two_notifiers_of_one_name_are_refused(tmp_path: Path) -> None:
    text = GOOD + "  - {name: oncall, kind: webhook, url-env: URL2}\n"
    with pytest.raises(ConfigError, match=r"watchdog.yaml:10: alerts: the name 'oncall' is used already at .*:9"):
        read_config(_config(tmp_path, text))


def test_a_file_that_is_not_there_or_not_text_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "nowhere.yaml")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_config(path)


def test_a_secret_shows_only_when_asked_by_name() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"


def test_a_secret_from_a_file_is_read_without_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2\n")
    secret = read_secret("here", env=None, file=file)
    assert secret is not None
    assert secret.reveal() == "hunter2"


def test_a_missing_secret_is_an_error_that_names_where_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WATCHDOG_NOT_SET"):
        read_secret("here", env="WATCHDOG_NOT_SET", file=None)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret("here", env=None, file=tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(ConfigError, match="is empty"):
        read_secret("here", env=None, file=empty)


def _problem(*paths: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(paths, settings_shape(), probes=PROBES, environ=environ or {})
    return caught.value.problem


def _settings(*paths: Path, environ: dict[str, str] | None = None) -> Settings[KindSection, NotifierSection]:
    return load(paths, settings_shape(), probes=PROBES, environ=environ or {}).settings


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            "every: 900",
            ":4: targets[0].every: expected a duration with its unit, such as 15m, 90s, 1h30m or 2d, got 900",
        ),
        ("every: 30s", "expected a duration from 1m to 1d, got 30s"),
        ("every: 2d", "expected a duration from 1m to 1d, got 2d"),
        ("questions-per-round: 90", "expected at most 50, got 90"),
        ("questions-per-round: 0", "expected at least 1, got 0"),
        ("questions-per-round: many", "expected a whole number, got a text"),
        ("reply-tokens: 9.5", "expected a whole number, got 9.5"),
        ("owner: true", "expected a text, got true"),
        ("labels: [a]", "expected keys with values, got a list of 1"),
        ("probes: stop", "expected a list, got a text"),
        ("probes: [stopp]", ":4: targets[0].probes[0]: there is no probe called 'stopp'; did you mean 'stop'?"),
        ("max-share-of-quota: 2", "expected at most 1, got 2"),
        ("runbook-url: wiki", "expected a URL that begins with http:// or https://"),
        ("variants: {EU: {kind: scripted}}", ":4: targets[0].variants.EU: expected a name of at most 63 small letters"),
        ("variants: {eu: {kind: scriptd}}", "unknown kind 'scriptd'; did you mean 'scripted'?"),
        ("variants: {eu: {model: m}}", ":4: targets[0].variants.eu: missing key 'kind'; known kinds are"),
        ("allowed-edits: [{kind: mask, pattern: '(', replacement: x}]", "pattern: not a regular expression: missing )"),
        ("allowed-edits: [{kind: mask, pattern: 'a*', replacement: x}]", "also matches nothing at all"),
        ("allowed-edits: [{kind: footr, pattern: x}]", "unknown kind 'footr'; did you mean 'footer'?"),
        ("allowed-edits: [{kind: trim, pattern: x}]", "allowed-edits[0].pattern: unknown key; the keys here are kind"),
        ("base-url: x", ":4: targets[0].base-url: unknown key; the keys here are allowed-edits"),
        ("failure-threshold: 2026-01-01", "expected a whole number, got a date; put it in quotes if it is a text"),
        ("owner: 2026-99-99", ":4: not a value of its YAML type; put it in quotes if it is a text"),
        ("owner: !secret x", ":4: expected no YAML tag, got !secret"),
        ("owner: ${NOT_SET}", ":4: the environment variable NOT_SET is not set"),
        ("owner: ${not closed", ":4: expected ${NAME} with the name of an environment variable; write $${"),
        ("labels: &l {a: *l}", "an anchor stands for something that contains it"),
        ("? [a]\n    : b", ":4: expected a key, got a list or a section"),
    ],
)
def test_each_fault_says_what_was_expected(tmp_path: Path, key: str, said: str) -> None:
    assert said in _problem(_config(tmp_path, GOOD.replace("    delivered", f"    {key}\n    delivered", 1)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ledger: ./ledger.sqlite\n", "", ":1: ledger: missing key; expected a path"),
        ("      path: ./model\n", "", ":5: targets[0].direct.path: missing key; expected a path"),
        ("kind: webhook", "kind: webhok", "unknown kind 'webhok'; did you mean 'webhook'?"),
        (
            "ledger:",
            "logs: {format: jsn}\nledger:",
            ":1: logs.format: expected 'auto', 'json' or 'console', got a text",
        ),
        ("targets:", "tagets:", ":2: tagets: unknown key; did you mean 'targets'?"),
    ],
)
def test_a_missing_or_misspelled_part_is_named_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in _problem(_config(tmp_path, GOOD.replace(old, new, 1)))


def test_a_text_in_the_wrong_place_is_not_repeated_because_it_may_be_a_secret(tmp_path: Path) -> None:
    assert "sk-123" not in _problem(
        _config(tmp_path, GOOD.replace("kind: weights", "kind: weights\n      threads: sk-123"))
    )


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    settings = _settings(_config(tmp_path, GOOD))
    (target,) = settings.targets
    assert target.every == timedelta(minutes=15)
    assert (target.failure_threshold, target.max_share_of_quota, target.budget) == (3, 0.01, None)
    assert (settings.logs.format, settings.logs.level) == ("auto", "info")
    assert list(target.measured) == ["assistant"]


def test_the_smaller_of_two_limits_is_the_budget(tmp_path: Path) -> None:
    keys = "quota-tokens-per-day: 1000000\n    max-tokens-per-day: 20000\n    delivered"
    (target,) = _settings(_config(tmp_path, GOOD.replace("delivered", keys, 1))).targets
    assert target.budget == 10_000


def test_variables_are_filled_in_as_texts_and_two_dollars_are_one(tmp_path: Path) -> None:
    text = GOOD.replace("model: m", 'model: "${MODEL}-$$x$"').replace("    direct:", "    every: ${EVERY}\n    direct:")
    (target,) = _settings(_config(tmp_path, text), environ={"MODEL": "${EVERY}: [1", "EVERY": "1h30m"}).targets
    assert target.delivered.model_dump()["model"] == "${EVERY}: [1-$x$"
    assert target.every == timedelta(minutes=90)


@given(st.text(max_size=30))
def test_a_text_survives_when_its_dollars_are_doubled(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}) == (text, ())


def test_all_variables_that_are_not_set_are_told_at_once_with_every_other_fault(tmp_path: Path) -> None:
    problem = _problem(_config(tmp_path, GOOD.replace("model: m", "model: '${ONE}${TWO}'").replace("path:", "pth:")))
    for said in (":4: the environment variable ONE", ":4: the environment variable TWO", ":7: targets[0].direct.pth"):
        assert said in problem


def test_a_section_is_written_once_and_used_again_by_its_anchor(tmp_path: Path) -> None:
    text = """\
        x-api: &api {kind: openai, base-url: "https://${HOST}/v1", model: "a$$b", timeout-s: 9}
        ledger: ./l
        targets:
          - name: one
            delivered: *api
            variants:
              eu: {<<: *api, base-url: "https://eu.example.com"}
              us: {<<: [{model: first}, *api]}
          - {name: two, delivered: *api}
        """
    settings = _settings(_config(tmp_path, dedent(text)), environ={"HOST": "api.example.com"})
    shown = {name: it.model_dump() for target in settings.targets for name, it in target.measured.items()}
    assert [it["base_url"] for it in shown.values()] == [
        "https://api.example.com/v1",
        "https://eu.example.com",
        "https://api.example.com/v1",
        "https://api.example.com/v1",
    ]
    assert [it["model"] for it in shown.values()] == ["a$b", "a$b", "first", "a$b"]
    assert {it["timeout_s"] for it in shown.values()} == {9}
    fault = _problem(_config(tmp_path, dedent(text).replace("model:", "modl:", 1)), environ={"HOST": "h"})
    assert ":1: targets[0].delivered.modl: unknown key; did you mean 'model'?" in fault


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "10-base.yaml").write_text(GOOD)
    (folder / "20-more.yaml").write_text("targets:\n  - {name: more, delivered: {kind: scripted}}\n")
    (folder / "notes.txt").write_text("not: [read")
    (folder / ".hidden.yaml").write_text("not: [read")
    return folder


def test_a_folder_and_files_are_put_together_and_paths_stay_beside_their_files(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(
        "targets:\n  - {name: third, delivered: {kind: scripted}, direct: {kind: weights, path: ./w}}\n"
    )
    loaded = load([_folder(tmp_path), elsewhere], settings_shape(), environ={})
    targets = loaded.settings.targets
    assert [it.name for it in targets] == ["assistant", "more", "third"]
    assert [it.direct.model_dump()["path"] for it in targets if it.direct is not None] == [
        tmp_path / "conf.d" / "model",
        tmp_path / "w",
    ]
    assert loaded.settings.ledger == tmp_path / "conf.d" / "ledger.sqlite"
    assert [it.name for it in loaded.settings.alerts] == ["oncall"]


def test_the_digest_of_one_file_is_the_files_own_and_of_several_that_of_the_list(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    base, more = folder / "10-base.yaml", folder / "20-more.yaml"
    sums = [hashlib.sha256(it.read_bytes()).hexdigest() for it in (base, more)]
    assert load([base], settings_shape(), environ={}).digest == sums[0]
    listed = f"{sums[0]}\n{sums[1]}\n".encode()
    assert load([folder], settings_shape(), environ={}).digest == hashlib.sha256(listed).hexdigest()


def test_a_key_in_two_files_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "30-again.yaml").write_text("# again\nledger: ./other\nalerts: none\n")
    problem = _problem(folder)
    assert "30-again.yaml:2: ledger stands already at" in problem
    assert "10-base.yaml:1; it belongs in one file only" in problem
    assert "30-again.yaml:3: alerts is continued from" in problem


def test_a_fault_in_the_second_file_has_that_files_name_and_line(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "20-more.yaml").write_text("targets:\n  - name: assistant\n    delivered: {kind: scripted, sed: 1}\n")
    problem = _problem(folder)
    assert "20-more.yaml:2: targets: the name 'assistant' is used already at" in problem
    assert "20-more.yaml:3: targets[1].delivered.sed: unknown key; did you mean 'seed'?" in problem


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "20-more.yaml").write_text("targets: [")
    problem = _problem(folder, tmp_path / "nowhere.yaml")
    assert "20-more.yaml:1: not YAML" in problem
    assert "nowhere.yaml: the configuration cannot be read" in problem


def test_a_folder_with_nothing_to_read_or_with_yml_files_is_an_error(tmp_path: Path) -> None:
    assert "holds no file called *.yaml" in _problem(tmp_path)
    (tmp_path / "a.yml").touch()
    assert "a.yml is not" in _problem(tmp_path)
    assert "no configuration is named" in _problem()


@given(st.integers(0, 10**8))
def test_a_duration_is_read_as_it_is_shown(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(show_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "5", "m", "1m1h", "1.5h", "-1m", "1w", " 1m", "1m\n", "٣m", 15, None, True])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration with its unit"):
        parse_duration(text)


def test_missing_secrets_are_named_and_never_shown(tmp_path: Path) -> None:
    settings = _settings(_config(tmp_path, GOOD))
    assert missing_secrets(settings, {}) == [
        "the environment variable KEY is not set here",
        "the environment variable URL is not set here",
    ]
    assert missing_secrets(settings, {"KEY": "hunter2", "URL": "hunter2"}) == []


def test_a_secret_does_not_leave_by_pickle() -> None:
    with pytest.raises(TypeError, match="not copied out"):
        pickle.dumps(Secret("hunter2"))


def test_init_asks_nothing_and_what_it_writes_is_accepted_even_with_its_comments_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "watchdog.yaml"
    assert CliRunner().invoke(app, ["init", str(path)], input="").exit_code == 0
    assert CliRunner().invoke(app, ["check-config", "-c", str(path)]).exit_code == 0
    text = path.read_text()
    assert text.count("#") >= 15
    path.write_text(re.sub(r"^( +)# (?=( *[a-z-]+:|  - ))", r"\1", text, flags=re.MULTILINE))
    assert "\n    owner:" in path.read_text()
    assert "\n    allowed-edits:" in path.read_text()
    (target,) = _settings(path).targets
    assert (len(target.variants), len(target.allowed_edits), target.max_tokens_per_day) == (1, 1, 50_000)
    refused = CliRunner().invoke(app, ["init", str(path)])
    assert isinstance(refused.exception, ConfigError)
    assert "is there already" in refused.exception.problem


def test_check_config_takes_several_files_and_shows_what_they_say(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    arguments = ["-c", str(folder / "10-base.yaml"), "-c", str(folder / "20-more.yaml")]
    shown = json.loads(CliRunner().invoke(app, ["check-config", *arguments, "--json"]).output)
    assert [it["name"] for it in shown["targets"]] == ["assistant", "more"]
    assert len(shown["config"]) == 2
    by_environment = CliRunner().invoke(
        app, ["check-config", "--json"], env={"WATCHDOG_CONFIG": os.pathsep.join((arguments[1], arguments[3]))}
    )
    assert json.loads(by_environment.output)["digest"] == shown["digest"]


def test_variants_are_targets_that_share_the_direct_channel_and_its_scorer(tmp_path: Path) -> None:
    text = """\
        ledger: ./l
        targets:
          - name: assistant
            delivered: &api {kind: scripted, noise: 0.1}
            direct: {kind: scripted}
            variants: {eu: *api, us: *api}
            allowed-edits: [{kind: trim}]
        """
    with build(read_config(_config(tmp_path, dedent(text)))) as built:
        first, *others = built.targets
        assert [it.name for it in built.targets] == ["assistant", "assistant@eu", "assistant@us"]
        assert built.target("assistant@eu") == (built.targets[1],)
        assert built.target("assistant") == built.targets
        for it in others:
            assert it.direct is first.direct
            assert it.delivered is not first.delivered
            assert isinstance(it.comparator, Tolerant)
            assert isinstance(first.comparator, Tolerant)
            assert it.comparator.scorer is first.comparator.scorer
        assert first.as_delivered("One. Two is") == "One."
