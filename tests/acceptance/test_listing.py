"""A gateway that edits, and does three different things to the list of tokens beside the reply; told by `once`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from probes.channels.scripted import ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from tests.builders import NOW
from tests.running import run
from watchdog.domain.exchanges import ChannelRole
from watchdog.rehearsal.gateway import Gateway, Listing
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve

CONFIG = """\
ledger: {folder}/ledger.sqlite
targets:
  - name: assistant
    delivered: {{kind: openai, base-url: "{url}/v1", model: tiny, timeout-s: 10, stream: {stream}{more}}}
    direct: {{kind: scripted, seed: 1}}
    probes: []
    questions-per-round: 4
    failure-threshold: 2
"""


@contextmanager
def _watched(folder: Path, listing: Listing, *, stream: bool = False, more: str = "") -> Iterator[tuple[Gateway, Path]]:
    """Enrol a target behind a gateway that does not edit yet."""
    channel = ScriptedModelChannel(ScriptedModel(seed=1, noise=0.1), ChannelRole.DIRECT, lambda: NOW)
    config = folder / "watchdog.yaml"
    with (
        serve(create_app(channel, "tiny")) as upstream,
        Gateway(upstream.base_url, every=1, listing=listing) as gateway,
        serve(gateway.app) as served,
    ):
        config.write_text(CONFIG.format(folder=folder, url=served.base_url, stream=str(stream).lower(), more=more))
        enrolled = run("baseline", "--questions", "20", "--config", config)
        assert enrolled.code == 0, enrolled.said
        yield gateway, config


def _open_rules(config: Path) -> set[str]:
    listed = json.loads(run("incidents", "list", "--json", "--config", config).out)
    return {it["rule"] for it in listed if it["state"] == "open"}


def _coverage(config: Path) -> str:
    told = json.loads(run("check-config", "--coverage", "--json", "--config", config).out)
    delivered: str = told["coverage"][0]["delivered"]
    return delivered


def test_a_gateway_that_keeps_the_list_is_caught_by_it(tmp_path: Path) -> None:
    with _watched(tmp_path, Listing.KEEP) as (gateway, config):
        assert run("once", "--config", config).code == 0
        gateway.editing = True
        edited = run("once", "--config", config)
        assert edited.code == 1
        assert "FINDING divergence.token_stream" in edited.out
        assert {"divergence.gap", "divergence.token_stream"} <= _open_rules(config)
        (incident,) = [
            it
            for it in json.loads(run("incidents", "list", "--json", "--config", config).out)
            if it["rule"] == "divergence.token_stream"
        ]
        shown = run("incidents", "show", incident["id"], "--config", config).out
        assert "Its tokens  spell" in shown
        assert "A hard rule; no statistical promise." in shown
        evidence = json.loads(run("incidents", "show", incident["id"], "--json", "--config", config).out)["evidence"]
        assert all(it["logprobs"]["parting"]["listed"] for it in evidence)
        again = run("audit", "recompute", incident["id"], "--ledger", tmp_path / "ledger.sqlite")
        assert again.code == 0, again.said


def test_a_gateway_that_drops_the_list_is_told_as_a_downgrade_and_still_caught(tmp_path: Path) -> None:
    with _watched(tmp_path, Listing.DROP) as (gateway, config):
        assert "its own tokens, as it lists them; their log probabilities" in _coverage(config)
        gateway.editing = True
        first = run("once", "--config", config)
        assert "no list of tokens that can be used: absent, " in first.out
        assert "downgrade" not in first.out
        second = run("once", "--config", config)
        assert (second.code, "FINDING downgrade" in second.out) == (1, True)
        assert {"divergence.gap", "downgrade"} <= _open_rules(config)
        assert "WEAKER NOW: tokens come without usable log probabilities since" in _coverage(config)
        assert "downgrade" in run("status", "--config", config).out
        gateway.editing = False
        assert "RECOVERED downgrade on assistant by ability-back" in run("once", "--config", config).out


def test_a_gateway_that_forges_the_list_is_not_caught_by_its_text_but_by_the_numbers(tmp_path: Path) -> None:
    with _watched(tmp_path, Listing.FORGE) as (gateway, config):
        gateway.editing = True
        found: set[str] = set()
        for _ in range(6):
            run("once", "--config", config)
            found = _open_rules(config)
            if "divergence.logprobs" in found:
                break
        assert found == {"divergence.gap", "divergence.logprobs"}


def test_a_streamed_list_is_read_too(tmp_path: Path) -> None:
    with _watched(tmp_path, Listing.KEEP, stream=True) as (_, config):
        once = run("once", "--json", "--config", config)
        assert (once.code, json.loads(once.out)[0]["unsaid"]) == (0, [])
        assert "its own tokens" in _coverage(config)


@pytest.mark.parametrize("listing", Listing)
def test_a_channel_that_is_told_not_to_ask_has_neither_the_checks_nor_a_downgrade(
    tmp_path: Path, listing: Listing
) -> None:
    with _watched(tmp_path, listing, more=", logprobs: false") as (gateway, config):
        gateway.editing = True
        for _ in range(3):
            run("once", "--config", config)
        assert _open_rules(config) == {"divergence.gap"}
        assert "tokens" not in _coverage(config)
