"""Who did it, as a user reads it: a gateway that edits, an honest model behind it, and a reference beside both."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import Ran, run
from watchdog.rehearsal.gateway import Gateway
from watchdog.rehearsal.serving import serve
from watchdog.rehearsal.stage import scripted_stage

TARGET = """\
ledger: {folder}/ledger.sqlite
targets:
  - name: assistant
    delivered: {{kind: openai, base-url: "{base_url}/v1", model: scripted, timeout-s: 10}}
    direct: {{kind: scripted, seed: 1}}
    reference: {{kind: scripted, seed: 1}}
    probes: [stop]
"""


@dataclass(frozen=True)
class Place:
    """A target that was enrolled while its gateway did nothing."""

    folder: Path
    gateway: Gateway

    def run(self, *arguments: str) -> Ran:
        return run(*arguments, "--config", self.folder / "watchdog.yaml")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with scripted_stage() as stage, Gateway(stage.server, every=1) as gateway, serve(gateway.app) as served:
        config = TARGET.format(folder=tmp_path, base_url=served.base_url)
        (tmp_path / "watchdog.yaml").write_text(config, encoding="utf-8")
        place = Place(tmp_path, gateway)
        enrolled = place.run("baseline", "--questions", "40", "--corrections", "4")
        assert enrolled.code == 0, enrolled.said
        for line in ("control.gap", "divergence.reference", "divergence.gap"):
            assert re.search(rf"{line} +assistant\S*: 0 of 40", enrolled.out), enrolled.out
        yield place


def test_show_says_who_edits_and_what_the_control_says_of_the_same_test(place: Place) -> None:
    place.gateway.editing = True
    ran = place.run("once")
    assert ran.code == 1, ran.said

    incidents = json.loads(place.run("incidents", "list", "--json").out)
    assert {it["suspect"] for it in incidents} == {"wrapper"}
    (incident,) = [it for it in incidents if it["rule"] == "divergence.gap"]
    shown = place.run("incidents", "show", incident["id"])
    text = " ".join(shown.out.split())
    assert "Suspect wrapper" in text
    assert "Who Between the model and its users: single words differ" in text
    assert re.search(
        r"Control the gap test on the direct channel's own replies: 0 of \d+ flagged, evidence 0\.\d+", text
    )
    assert "Control the direct channel's own reply: not flagged" in text
    assert "direct channel's own reply under the reference model: not flagged" in text

    details = json.loads(place.run("incidents", "show", incident["id"], "--json").out)
    (opened,) = details["events"]
    assert opened["suspect"] == "wrapper"
    assert opened["control"]["hits"] == 0
    assert {(side["of"], side["under"]) for reply in details["evidence"] for side in reply["sides"]} == {
        ("direct", "direct"),
        ("direct", "reference"),
        ("reference", "reference"),
    }
    assert place.run("audit", "recompute", incident["id"]).code == 0


def test_a_direct_channel_with_other_weights_than_the_reference_is_a_changed_deployed_model(
    place: Place, tmp_path: Path
) -> None:
    path = tmp_path / "watchdog.yaml"
    path.write_text(
        path.read_text().replace("reference: {kind: scripted, seed: 1}", "reference: {kind: scripted, seed: 2}")
    )
    refused = place.run("once")
    assert refused.code == 3
    assert "BLIND blind.baseline: assistant: it was enrolled with other weights than now: reference" in refused.out

    again = place.run("baseline", "--questions", "40", "--corrections", "4")
    assert again.code == 1, again.said
    incidents = {it["rule"]: it for it in json.loads(place.run("incidents", "list", "--json").out)}
    assert incidents["blind.baseline"]["recovered_by"] == "enrolled-anew"
    assert incidents["divergence.standing"]["subject"] == "assistant/direct"
