"""What a configuration says about query logs is opened late, kept over a reload, and told beforehand."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from storage.ledger import SqliteLedger
from watchdog.domain.role import Role
from watchdog.query_logs.announcing import Announced
from watchdog.query_logs.opening import survey_logs
from watchdog.wiring import build, read_config, rebuild

pytest.importorskip("msgspec")


def configure(folder: Path, *, paths: str = "log.jsonl", **more: object) -> Path:
    log: dict[str, object] = {"name": "gateway", "paths": [paths], "target": "chat", "from": "beginning"}
    settings = {
        "ledger": "./ledger.sqlite",
        "targets": [{"name": "chat", "delivered": {"kind": "scripted"}}],
        "query-logs": [log | more],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


LINE = {
    "ts": 1_764_000_000.1,
    "api_key_id": "key-1",
    "request": {
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [{"role": "user", "content": "hello"}]},
    },
    "response": {
        "status_code": 200,
        "body": {
            "object": "chat.completion",
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        },
    },
}


def asked(prompt: str, at: float) -> str:
    line = json.loads(json.dumps(LINE))
    line["ts"], line["request"]["body"]["messages"][0]["content"] = at, prompt
    return json.dumps(line)


def test_what_a_command_sent_is_known_to_the_process_that_reads_the_log_next(tmp_path: Path) -> None:
    config = configure(tmp_path, format="openai")
    with build(read_config(config)) as app:
        app.rounds.run(app.targets[0])
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        sent = [json.loads(it) for key, it in ledger.logs.state("gateway").items() if key.startswith("own/")]
    assert len(sent) == 2
    lines = [asked(it["prompt"], it["at"] + 1) for it in sent] + [asked("hello", sent[0]["at"] + 5)]
    (tmp_path / "log.jsonl").write_text("".join(f"{it}\n" for it in lines), encoding="utf-8")
    with build(read_config(config)) as app:
        (stream,) = app.open_streams()
        sifted = stream.step(app.now()).sifted
        assert (sifted.queries, sifted.ours) == (3, 2)


def test_what_was_sent_before_a_log_was_ever_read_need_not_be_in_what_is_read_of_it(tmp_path: Path) -> None:
    config = configure(tmp_path, format="openai")
    with build(read_config(config)) as app:
        app.rounds.run(app.targets[0])
    with build(read_config(config)) as app:
        (stream,) = app.open_streams()
        assert app.own["gateway"].waits_since() is None
        (tmp_path / "log.jsonl").write_text(asked("hello", time.time() + 9_999) + "\n", encoding="utf-8")
        assert stream.step(app.now() + timedelta(hours=2)).findings == ()


def test_a_format_that_is_to_be_guessed_waits_for_the_first_line(tmp_path: Path) -> None:
    with build(read_config(configure(tmp_path))) as app:
        assert app.open_streams() == ()
        (tmp_path / "log.jsonl").write_text(json.dumps(LINE) + "\n", encoding="utf-8")
        (stream,) = app.open_streams()
        assert stream.sifting.form.name == "openai"


def test_a_reload_forgets_nothing_that_was_sent_and_tells_what_changed_by_its_key(tmp_path: Path) -> None:
    config = configure(tmp_path, format="openai")
    with build(read_config(config)) as app:
        same = rebuild(app, read_config(config))
        other = rebuild(app, read_config(configure(tmp_path, format="openai", detectors=["rate_burst"])))
        assert same.logs[0].key == app.logs[0].key != other.logs[0].key
        assert same.own["gateway"] is other.own["gateway"] is app.own["gateway"]
        assert isinstance(same.targets[0].delivered, Announced)


@pytest.mark.parametrize(("role", "targets", "logs"), [(Role.PROBES, 1, 0), (Role.STREAM, 0, 1)])
def test_a_role_opens_only_what_it_needs(tmp_path: Path, role: Role, targets: int, logs: int) -> None:
    with build(read_config(configure(tmp_path, format="openai")), role=role) as app:
        assert (len(app.targets), len(app.logs)) == (targets, logs)
        assert not app.own
        assert not any(isinstance(it.delivered, Announced) for it in app.targets)
        assert [bool(it.checks.no_probes) for it in app.logs] == [True] * logs


def _surveyed(app_config: Path) -> tuple[str, set[str], set[str], str]:
    (it,) = survey_logs(read_config(app_config).settings)
    return it.format, set(it.looking), set(it.blind), it.probes


def test_the_survey_says_what_a_format_cannot_feed(tmp_path: Path) -> None:
    form, looking, blind, probes = _surveyed(configure(tmp_path, format="envoy", detectors=["boundary_flood"]))
    assert (form, looking, blind) == ("envoy", set(), {"boundary_flood"})
    assert "cannot be looked for" in probes


def test_the_survey_of_an_empty_log_knows_no_format(tmp_path: Path) -> None:
    form, looking, blind, _ = _surveyed(configure(tmp_path))
    assert (form, looking, blind) == ("", set(), set())
