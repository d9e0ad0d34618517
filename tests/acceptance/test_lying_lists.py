"""An endpoint that lies about the list of its tokens: each lie has a name in `once`, and none is skipped."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from probes.channels.scripted import ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from tests.builders import NOW
from tests.running import run
from watchdog.domain.exchanges import ChannelRole
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve

Lie = Callable[[dict[str, Any]], None]
"""Changes a chat completion's only choice."""

CONFIG = """\
ledger: {folder}/ledger.sqlite
targets:
  - name: assistant
    delivered: {{kind: openai, base-url: "{url}/v1", model: tiny, timeout-s: 10}}
    direct: {{kind: scripted, seed: 1}}
    probes: []
    questions-per-round: 2
    failure-threshold: 2
"""


def _honest(choice: dict[str, Any]) -> None:
    pass


def _logprob(value: object) -> Lie:
    def lie(choice: dict[str, Any]) -> None:
        choice["logprobs"]["content"][2]["logprob"] = value

    return lie


def _bytes(value: object) -> Lie:
    def lie(choice: dict[str, Any]) -> None:
        choice["logprobs"]["content"][2]["bytes"] = value

    return lie


def _shorter(choice: dict[str, Any]) -> None:
    del choice["logprobs"]["content"][-3:]


def _longer(choice: dict[str, Any]) -> None:
    choice["logprobs"]["content"].append({"token": " more", "logprob": -0.1, "bytes": list(b" more")})


def _twice(choice: dict[str, Any]) -> None:
    content = choice["logprobs"]["content"]
    content.insert(2, content[2])


def _listing(value: object) -> Lie:
    def lie(choice: dict[str, Any]) -> None:
        choice["logprobs"] = value

    return lie


def _all(logprob: float) -> Lie:
    def lie(choice: dict[str, Any]) -> None:
        for token in choice["logprobs"]["content"]:
            token["logprob"] = logprob

    return lie


def _forged(choice: dict[str, Any]) -> None:
    """Edit a word, and make the list fit: the text passes, the numbers do not."""
    message, content = choice["message"], choice["logprobs"]["content"]
    place = next(n for n, token in enumerate(content[2:], 2) if token["token"].strip().isalpha())
    forged = bytes(content[place]["bytes"]).replace(b"e", b"o").replace(b"a", b"u") + b"x"
    content[place] |= {"token": forged.decode(), "bytes": list(forged), "logprob": -0.01}
    message["content"] = b"".join(bytes(it["bytes"]) for it in content).decode()


UNUSABLE = "  no list of tokens that can be used: {}, 2 times"
PARTED = "FINDING divergence.token_stream"
LIES: dict[str, tuple[Lie, str]] = {
    "NaN": (_logprob(float("nan")), UNUSABLE.format("no_probabilities")),
    "above 0": (_logprob(0.5), UNUSABLE.format("no_probabilities")),
    "infinite": (_logprob(float("inf")), UNUSABLE.format("no_probabilities")),
    "minus infinite": (_logprob(float("-inf")), UNUSABLE.format("no_probabilities")),
    "a text for a number": (_logprob("high"), UNUSABLE.format("malformed")),
    "null for a number": (_logprob(None), UNUSABLE.format("malformed")),
    "no bytes": (_bytes(None), UNUSABLE.format("without_bytes")),
    "bytes above 255": (_bytes([300]), UNUSABLE.format("malformed")),
    "no list": (_listing({"content": None}), UNUSABLE.format("absent")),
    "an empty list": (_listing({"content": []}), UNUSABLE.format("absent")),
    "a text for the list": (_listing({"content": "fine"}), UNUSABLE.format("malformed")),
    "a text for everything": (_listing("fine"), UNUSABLE.format("malformed")),
    "shorter than the text": (_shorter, PARTED),
    "longer than the text": (_longer, PARTED),
    "a token twice": (_twice, PARTED),
    "bytes of another word": (_bytes(list(b" never")), PARTED),
    "U+FFFD for plain letters": (_bytes(list("\ufffd".encode())), PARTED),
    "half a character": (_bytes([0xC3]), PARTED),
    "certain of everything": (_all(0.0), "FINDING divergence.logprobs"),
    "sure of nothing": (_all(-20.0), "FINDING divergence.logprobs"),
    "forged to fit an edit": (_forged, "FINDING divergence.gap"),
}


class Liar:
    """Passes a model server on, and lies about its lists once it is told how."""

    def __init__(self, upstream: str) -> None:
        self.lie: Lie = _honest
        self._http = httpx.Client(base_url=upstream, trust_env=False)
        self.app = FastAPI(openapi_url=None)
        self.app.add_api_route("/v1/chat/completions", self._answer, methods=["POST"])

    async def _answer(self, request: Request) -> Response:
        body = self._http.post("/v1/chat/completions", json=await request.json()).json()
        self.lie(body["choices"][0])
        return Response(json.dumps(body), media_type="application/json")


@contextmanager
def _watched(folder: Path) -> Iterator[tuple[Liar, Path]]:
    channel = ScriptedModelChannel(ScriptedModel(seed=1, noise=0.1), ChannelRole.DIRECT, lambda: NOW)
    config = folder / "watchdog.yaml"
    with serve(create_app(channel, "tiny")) as upstream:
        liar = Liar(upstream.base_url)
        with serve(liar.app) as served:
            config.write_text(CONFIG.format(folder=folder, url=served.base_url))
            enrolled = run("baseline", "--questions", "20", "--config", config)
            assert enrolled.code == 0, enrolled.said
            yield liar, config


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Liar, Path]]:
    with _watched(tmp_path_factory.mktemp("lies")) as found:
        yield found


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_the_tokens_is_named(name: str, watched: tuple[Liar, Path]) -> None:
    liar, config = watched
    liar.lie, named = LIES[name]
    told = run("once", "--config", config)
    for _ in range(4):  # numbers and words need more than one reply
        if named in told.out:
            break
        told = run("once", "--config", config)
    assert named in told.out, told.said
    assert told.code == int("FINDING" in told.out)


def test_both_findings_are_shown_and_an_honest_list_is_named_as_nothing(watched: tuple[Liar, Path]) -> None:
    liar, config = watched
    liar.lie = lambda choice: (_all(-20.0)(choice), _bytes(list(b" never"))(choice))[0]
    assert "FINDING divergence.token_stream" in run("once", "--config", config).out
    listed = json.loads(run("incidents", "list", "--json", "--config", config).out)
    of_rule = {it["rule"]: it["id"] for it in listed}
    shown = run("incidents", "show", of_rule["divergence.token_stream"], "--config", config).out
    assert "Its tokens  spell" in shown
    assert "Its numbers  not measured" in shown or "Its numbers  FLAGGED" in shown

    liar.lie = _honest
    honest = run("once", "--config", config)
    assert (honest.code, "no list" in honest.out, "FINDING" in honest.out) == (0, False, False)
