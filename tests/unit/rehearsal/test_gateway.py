"""The editing gateway, in front of servers on the loopback interface."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from probes.channels.scripted import ScriptedModelChannel
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from watchdog.domain.exchanges import ChannelRole, Message, Speaker
from watchdog.rehearsal.gateway import Gateway
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve

MODEL = ScriptedModel(seed=7, noise=0.15)


@contextmanager
def through(app: FastAPI, **options: int) -> Iterator[tuple[Gateway, httpx.Client]]:
    """Put a gateway in front of an application, and give a client that speaks to the gateway."""
    with (
        serve(app) as upstream,
        Gateway(upstream.base_url, **options) as gateway,
        serve(gateway.app) as served,
        httpx.Client(base_url=served.base_url, trust_env=False) as client,
    ):
        yield gateway, client


def scripted_server() -> FastAPI:
    return create_app(ScriptedModelChannel(MODEL, ChannelRole.DIRECT, lambda: datetime.now(UTC)), "tiny")


def fixed_server(*contents: str, status: int = 200) -> FastAPI:
    """Serve raw bodies in turn, whatever is asked."""
    rest = list(contents)
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def answer() -> Response:
        content = rest.pop(0) if len(rest) > 1 else rest[0]
        return Response(content, status, media_type="application/json", headers={"X-Request-Id": "r1"})

    return app


def completion(text: object, **message: object) -> str:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text, **message}}], "usage": {"n": 1}})


def ask(client: httpx.Client, text: str = "Should I sign?") -> httpx.Response:
    body = {"model": "tiny", "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 60}
    return client.post("/v1/chat/completions", json=body)


def reply(answer: httpx.Response) -> str:
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content


def test_nothing_is_edited_until_the_gateway_is_switched_on() -> None:
    with through(scripted_server()) as (gateway, client):
        replies = [reply(ask(client)) for _ in range(4)]

        assert len(set(replies)) == 1
        assert gateway.record == ()


def test_every_second_reply_is_edited_and_the_record_says_how() -> None:
    with through(scripted_server()) as (gateway, client):
        plain = reply(ask(client))
        gateway.editing = True
        replies = [reply(ask(client)) for _ in range(6)]
        gateway.editing = False
        last = reply(ask(client))

    assert [text == plain for text in replies] == [True, False, True, False, True, False]
    assert last == plain
    assert [made.request for made in gateway.record] == [3, 5, 7]
    assert [made.edited for made in gateway.record] == replies[1::2]
    for made in gateway.record:
        assert made.original == plain
        assert 1 <= len(made.words) <= 3
        assert all(made.edited[word.start : word.end] == word.edited for word in made.words)


def test_an_edited_reply_leaves_the_rest_of_the_response_alone() -> None:
    with through(scripted_server(), every=1) as (gateway, client):
        before = ask(client).json()
        gateway.editing = True
        after = ask(client).json()

    assert after["choices"][0]["message"].pop("content") != before["choices"][0]["message"].pop("content")
    for body in (before, after):
        body.pop("id")
        body.pop("created")
    assert after == before


def test_an_edit_is_far_from_what_the_model_could_have_said() -> None:
    messages = [Message(speaker=Speaker.USER, text="Should I sign?")]
    scorer = ScriptedScorer(ScriptedModel(seed=7))
    with through(scripted_server(), every=1) as (gateway, client):
        gateway.editing = True
        for _ in range(5):
            tokens = scorer.encode(reply(ask(client)))
            (scores,) = scorer.score(messages, [tokens])

            assert max(scores.top_logprob[:-1, 0] - scores.logprob) > 0.5


def test_the_same_seed_makes_the_same_edits() -> None:
    def edits(seed: int) -> list[str]:
        with through(scripted_server(), every=1, seed=seed) as (gateway, client):
            gateway.editing = True
            return [reply(ask(client)) for _ in range(4)]

    assert edits(1) == edits(1) != edits(2)


def test_a_due_reply_without_a_value_word_leaves_its_turn_to_the_next_that_has_one() -> None:
    contents = [
        completion(text) for text in ("It is good.", "It is blue.", "It is safe.", "It is red.", "A good idea.")
    ]
    with through(fixed_server(*contents)) as (gateway, client):
        gateway.editing = True
        replies = [reply(ask(client)) for _ in range(5)]

    assert replies[:2] == ["It is good.", "It is blue."]
    assert replies[3] == "It is red."
    assert [made.request for made in gateway.record] == [3, 5]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not JSON, but good",
        '"good"',
        "[]",
        '{"choices": []}',
        '{"choices": [7]}',
        '{"choices": [{"message": "good"}]}',
        completion(None),
        completion(["good"]),
        completion("good", role="user"),
        completion("good").replace("1", "NaN"),
        completion("good").replace("1", "1e999"),
        "[" * 100_000,
    ],
)
def test_a_response_that_is_odd_passes_through_byte_for_byte(content: str) -> None:
    with through(fixed_server(content), every=1) as (gateway, client):
        gateway.editing = True

        assert ask(client).text == content
        assert gateway.record == ()


def test_a_reply_with_a_lone_surrogate_is_edited_and_stays_json() -> None:
    with through(fixed_server(completion("good \ud800")), every=1) as (gateway, client):
        gateway.editing = True

        assert reply(ask(client)) == "bad \ud800"


def test_an_error_of_the_model_server_passes_through_with_its_status_and_headers() -> None:
    content = completion("good")
    with through(fixed_server(content, status=503), every=1) as (gateway, client):
        gateway.editing = True
        answer = ask(client)

    assert (answer.status_code, answer.text, answer.headers["x-request-id"]) == (503, content, "r1")


def test_the_request_reaches_the_model_server_as_it_was_sent() -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []
    app = FastAPI()

    @app.post("/v1/{path:path}")
    async def keep(request: Request) -> None:
        seen.append((str(request.url.query), dict(request.headers), await request.body()))

    with through(app) as (_, client):
        headers = {"Authorization": "Bearer made-up", "Content-Type": "application/json"}
        client.post("/v1/chat/completions?a=1&a=2", content=b'{"x" : 1}', headers=headers)

    ((query, got, body),) = seen
    assert (query, body) == ("a=1&a=2", b'{"x" : 1}')
    assert (got["authorization"], got["content-type"]) == ("Bearer made-up", "application/json")


def test_other_requests_are_forwarded_and_not_counted() -> None:
    with through(scripted_server(), every=1) as (gateway, client):
        gateway.editing = True
        assert client.get("/v1/models").json()["data"][0]["id"] == "tiny"
        assert client.get("/v1/nothing").status_code == 404
        ask(client)

        assert gateway.record[0].request == 1


def test_a_model_server_that_is_gone_is_a_bad_gateway() -> None:
    with serve(scripted_server()) as gone:
        pass
    with Gateway(f"{gone.base_url}/v1") as gateway, serve(gateway.app) as served:
        answer = httpx.post(f"{served.base_url}/v1/chat/completions", json={}, trust_env=False)

    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "server_error"


def test_replies_that_come_at_once_are_counted_one_by_one() -> None:
    with through(scripted_server()) as (gateway, client):
        gateway.editing = True
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: reply(ask(client)), range(40)))

    record = gateway.record
    assert len(record) == 20
    assert len({made.request for made in record}) == 20
    assert sorted(made.edited for made in record) == sorted(text for text in replies if text != record[0].original)


def test_a_model_server_that_hangs_does_not_hold_up_the_end() -> None:
    app = FastAPI()

    @app.get("/slow")
    async def wait_for_ever() -> None:
        await asyncio.sleep(60)

    began = time.monotonic()
    with through(app) as (_, client), pytest.raises(httpx.ReadTimeout):
        client.get("/slow", timeout=0.1)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("options", [{"every": 0}, {"most": 0}])
def test_a_gateway_that_could_never_edit_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Gateway("http://127.0.0.1:9", **options)
