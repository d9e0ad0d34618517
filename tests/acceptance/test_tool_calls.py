"""Edited tool calls, as a user reads them: a router that changes one argument of every call on the way."""

import json
from pathlib import Path

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
    probes: [stop]
    tool-questions-per-round: 2
"""


def test_one_round_names_the_argument_and_both_values(tmp_path: Path) -> None:
    def command(*arguments: str) -> Ran:
        return run(*arguments, "--config", tmp_path / "watchdog.yaml")

    with scripted_stage() as stage, Gateway(stage.server, every=1) as gateway, serve(gateway.app) as served:
        config = TARGET.format(folder=tmp_path, base_url=served.base_url)
        (tmp_path / "watchdog.yaml").write_text(config, encoding="utf-8")
        enrolled = command("baseline", "--questions", "24", "--corrections", "4")
        assert enrolled.code == 0, enrolled.said
        assert "divergence.tool_call" in enrolled.out

        clean = command("once")
        assert clean.code == 0, clean.said

        gateway.rerouting = True
        assert command("once").code == 1
        edited = gateway.rerouted

    incidents = json.loads(command("incidents", "list", "--json").out)
    (incident,) = [it for it in incidents if it["rule"] == "divergence.tool_call"]
    assert incident["suspect"] == "wrapper"
    shown = command("incidents", "show", incident["id"], "--json")
    calls = [it["calls"] for it in json.loads(shown.out)["evidence"]]
    found = {(one["path"], one["delivered"], one["direct"]) for it in calls for one in it["differences"]}
    assert found <= {(f"arguments.{it.key}", _shown(it.edited), _shown(it.original)) for it in edited}
    text = " ".join(command("incidents", "show", incident["id"]).out.split())
    first = calls[0]["differences"][0]
    assert all(part in text for part in (first["path"], first["delivered"], first["direct"]))
    again = command("audit", "recompute", incident["id"])
    assert again.code == 0, again.said


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
