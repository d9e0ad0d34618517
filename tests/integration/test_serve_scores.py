"""`serve-scores` as a process of its own: what it prints, what it answers, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from probes.catalog import CHANNELS
from tests import small_models
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole, Message, Request, Speaker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.model

ASK = (Message(speaker=Speaker.USER, text="a"),)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.write(tmp_path_factory.mktemp("lent") / "tiny")


class Lending:
    """The process, and what it printed."""

    def __init__(self, *options: str) -> None:
        code = "from watchdog.cli import main; main()"
        environ = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", code, "serve-scores", "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)

    def printed(self) -> dict[str, Any]:
        """Return the settings that it prints once it is ready."""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(5)]
        assert lines[-1].startswith("  digest: "), lines
        settings: dict[str, Any] = yaml.safe_load("".join(lines[1:]))["direct"]
        return settings

    def end(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, out, err


@pytest.fixture
def lending(model: Path) -> Iterator[Lending]:
    lending = Lending("--weights", str(model))
    yield lending
    lending.process.kill()
    lending.process.communicate()


def test_the_printed_settings_reach_it_and_its_scores_are_those_of_the_weights_here(
    lending: Lending, model: Path
) -> None:
    from probes.channels.config import WeightsConfig
    from probes.scorers.lending import lend

    config = CHANNELS["scores"].settings.model_validate(lending.printed())
    opened = CHANNELS["scores"].open(config, ChannelRole.DIRECT, lambda: NOW)
    here = lend(WeightsConfig(path=model)).scorer
    assert opened.scorer is not None
    replies = [here.encode(it) for it in ("see the", "", "abcdefgh" * 30)]
    for a, b in zip(opened.scorer.score(ASK, replies), here.score(ASK, replies), strict=True):
        for name in ("logprob", "top_ids", "top_logprob", "end_logprob"):
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes()
        assert a.windowed_from == b.windowed_from
    assert opened.channel.ask(Request(messages=ASK, max_tokens=8)).model.startswith("tiny@")
    code, out, err = lending.end()
    assert code in {0, -signal.SIGTERM}
    assert (out, err) == ("", "")


def test_a_port_that_is_taken_is_a_configuration_error(lending: Lending, model: Path) -> None:
    port = re.search(r":(\d+)$", str(lending.printed()["base-url"]))
    assert port is not None
    second = Lending("--weights", str(model), "--port", port[1])
    out, err = second.process.communicate(timeout=60)

    assert second.process.returncode == 2
    assert out == ""
    assert "cannot listen at 127.0.0.1" in err


def test_a_certificate_that_is_none_is_a_configuration_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("hello")
    file = str(tmp_path / "a.pem")
    lending = Lending("--weights", str(model), "--tls-certificate", file, "--tls-key", file)
    _, err = lending.process.communicate(timeout=60)

    assert lending.process.returncode == 2
    assert "--tls-certificate" in err
