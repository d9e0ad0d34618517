"""`try`: from an address to a verdict table, on real sockets, without configuration, ledger or weights."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from probes.catalog import PROBES
from probes.channels.scripted import CannedChannel, ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from tests.misbehaving import Answer, completion, misbehaving
from tests.running import run, run_process
from watchdog.domain.exchanges import ChannelRole, Request
from watchdog.rehearsal.model_server import Asked, create_app
from watchdog.rehearsal.serving import serve

KEY = "sk-3cr3t-0123456789"


def _now() -> datetime:
    return datetime.now(UTC)


def _model() -> ScriptedModelChannel:
    return ScriptedModelChannel(ScriptedModel(0, 0.0), ChannelRole.DELIVERED, _now)


@contextmanager
def _served(channel: Asked) -> Iterator[str]:
    with serve(create_app(channel, "scripted")) as served:
        yield f"{served.base_url}/v1"


def test_a_model_that_accepts_correction_is_clean_and_every_family_and_arm_is_in_the_table() -> None:
    with _served(_model()) as url:
        ran = run_process("try", "--base-url", url, "--model", "scripted")
    assert ran.code == 0, ran.said
    for name, make in PROBES.items():
        arms = make().arms
        rows = [line.split()[:3] for line in ran.out.splitlines() if line.startswith(f"{name} ")]
        assert [[name, arm, "complied"] for arm in arms if [name, str(arm), "complied"] not in rows] == []
    assert "absolute verdict, without a baseline" in ran.out


def test_a_resisted_correction_is_a_finding() -> None:
    model = _model()

    def go_on(request: Request) -> str:
        """Say all the model says; where that is only that it stops, go on with the list."""
        reply = model.ask(request).reply
        return reply if any(char in reply for char in "0123456789{|:") else f"{reply}\n6. coffee\n7. soap"

    with _served(CannedChannel(ChannelRole.DELIVERED, _now, go_on)) as url:
        ran = run("try", "--base-url", url, "--model", "scripted")
    assert ran.code == 1, ran.said
    assert "RESISTED 1 of 1 correction" in ran.out


def test_json_says_the_same_for_programs() -> None:
    with _served(_model()) as url:
        ran = run("try", "--base-url", url, "--model", "scripted", "--questions", "2", "--json")
    told = json.loads(ran.out)
    assert (told["exit"], told["absolute"]) == (0, True)
    assert {it["family"]: it["corrections"] for it in told["families"]} == dict.fromkeys(PROBES, 2)
    assert all(it["grade"] for it in told["verdicts"])


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = sorted(Path.cwd().iterdir())
    with _served(_model()) as url:
        run("try", "--base-url", url, "--model", "scripted", env={"HOME": str(tmp_path)})
    assert sorted(Path.cwd().iterdir()) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (Answer(401, f'{{"error": {{"message": "wrong key {KEY}"}}}}'.encode()), 3, "check the key"),
        (Answer(404, b'{"error": {"code": "model_not_found"}}'), 3, "model"),
        (Answer(200, b"<html><body>Log in</body></html>"), 3, "not a page or a proxy"),
        (Answer(200, b'{"choices": null}'), 3, "without choices"),
        (Answer(503, b""), 4, "HTTP status 503"),
    ],
)
def test_an_endpoint_that_is_none_is_one_clear_line_and_a_remedy(answer: Answer, code: int, said: str) -> None:
    with misbehaving(answer) as url:
        ran = run("try", "--base-url", url, "--model", "m", "--api-key-env", "TRIED_KEY", env={"TRIED_KEY": KEY})
    assert ran.code == code, ran.said
    assert ran.out == ""
    first, second = ran.err.splitlines()
    assert first.startswith("Error: the delivered channel at 127.0.0.1:")
    assert second.startswith("Try:   ")
    assert said in ran.err
    assert KEY not in ran.said


def test_a_model_that_cannot_do_the_tasks_could_not_be_evaluated() -> None:
    with misbehaving(Answer(200, completion("I am a teapot."))) as url:
        ran = run("try", "--base-url", url, "--model", "m")
    assert ran.code == 3, ran.said
    assert "could not be evaluated" in ran.out


def test_nobody_there_is_unreachable() -> None:
    ran = run("try", "--base-url", "http://127.0.0.1:1/v1", "--model", "m")
    assert ran.code == 4
    assert "cannot be reached" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--base-url", "127.0.0.1/v1", "--model", "m"),
        ("--base-url", "http://user:pw@127.0.0.1/v1", "--model", "m"),
        ("--base-url", "http://127.0.0.1/v1", "--model", ""),
        ("--base-url", "http://127.0.0.1/v1", "--model", "m", "--api-key-env", "NOT_SET_ANYWHERE"),
        ("--model", "m"),
    ],
)
def test_what_cannot_be_tried_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    ran = run("try", *arguments)
    assert ran.code == 2, ran.said
    assert ran.out == ""
