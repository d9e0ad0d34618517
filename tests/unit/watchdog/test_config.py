"""Configuration: every fault is named with its line, all at once; secrets never show."""

from pathlib import Path

import pytest

from watchdog.config.secrets import Secret, read_secret
from watchdog.errors import ConfigError
from watchdog.wiring import read_config

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
    with pytest.raises(ConfigError, match="'oncall' is used more than once"):
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
