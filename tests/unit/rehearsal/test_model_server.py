"""The OpenAI-compatible model server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from probes.channels.scripted import Canned, CannedChannel
from watchdog.domain.exchanges import ChannelRole, Message, Reason, Request, Speaker
from watchdog.errors import ChannelError
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve

NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)


def _reply(request: Request) -> Canned:
    text = request.messages[-1].text
    if text in set(Reason):
        return ChannelError("no reply came", hint="none", reason=Reason(text))
    return f"You said {text}"


@pytest.fixture(scope="module")
def channel() -> CannedChannel:
    return CannedChannel(ChannelRole.DIRECT, lambda: NOW, _reply)


@pytest.fixture(scope="module")
def client(channel: CannedChannel) -> Iterator[httpx.Client]:
    with serve(create_app(channel, "tiny")) as served, httpx.Client(base_url=served.base_url, trust_env=False) as http:
        yield http


def ask(client: httpx.Client, text: str = "hi", **more: object) -> httpx.Response:
    body = {"model": "tiny", "messages": [{"role": "user", "content": text}], **more}
    return client.post("/v1/chat/completions", json=body)


def test_a_chat_completion_holds_the_reply_and_how_it_ended(client: httpx.Client) -> None:
    body = ask(client, "good morning").json()

    assert body["object"] == "chat.completion"
    assert body["model"] == "tiny"
    assert body["created"] == int(NOW.timestamp())
    assert body["choices"][0]["message"]["content"] == "You said good morning"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}


def test_the_channel_gets_the_conversation_as_it_was_sent(client: httpx.Client, channel: CannedChannel) -> None:
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]
    ask(client, messages=turns, max_tokens=7, temperature=0, seed=3, top_p=1)

    assert channel.requests[-1] == Request(
        messages=(
            Message(speaker=Speaker.SYSTEM, text="Be brief."),
            Message(speaker=Speaker.USER, text="ab"),
            Message(speaker=Speaker.ASSISTANT, text="c"),
            Message(speaker=Speaker.USER, text="d"),
        ),
        max_tokens=7,
    )


def test_temperature_is_1_unless_the_request_says_otherwise(client: httpx.Client, channel: CannedChannel) -> None:
    ask(client, max_completion_tokens=9)

    assert (channel.requests[-1].temperature, channel.requests[-1].max_tokens) == (1.0, 9)


@pytest.mark.parametrize(
    ("reason", "status"),
    [("rate_limited", 429), ("unauthorized", 401), ("timed_out", 504), ("server_error", 500), ("blocked", 400)],
)
def test_a_channel_error_is_an_error_of_the_protocol(client: httpx.Client, reason: str, status: int) -> None:
    answer = ask(client, reason)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == reason
    assert answer.json()["error"]["message"] == "no reply came"


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"model": "huge"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.0.role"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"temperature": -1}, 400, "temperature"),
        ({"stream": "later"}, 400, "stream"),
        ({"n": 2}, 400, "n"),
    ],
)
def test_a_request_that_cannot_be_met_names_the_field(
    client: httpx.Client, more: dict[str, object], status: int, param: str
) -> None:
    answer = ask(client, "hi", **more)
    error = answer.json()["error"]

    assert (answer.status_code, error["param"], error["type"]) == (status, param, "invalid_request_error")


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"\xff"])
def test_a_body_that_is_no_request_is_an_error_of_the_protocol(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("text", ["good morning", " two\n\nlines \n", "x"])
def test_a_stream_holds_the_same_words_in_pieces_and_ends_with_a_mark(client: httpx.Client, text: str) -> None:
    answer = ask(client, text, stream=True)
    *events, mark = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    chunks = [json.loads(event) for event in events]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert mark == "[DONE]"
    assert "".join(it["delta"].get("content", "") for chunk in chunks for it in chunk["choices"]) == f"You said {text}"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"] == ask(client, text).json()["usage"]


def test_other_paths_are_errors_of_the_protocol(client: httpx.Client) -> None:
    assert client.get("/v1/nothing").json()["error"]["message"] == "Not Found"
    assert client.get("/v1/chat/completions").status_code == 405


def test_the_model_and_its_health_are_named(client: httpx.Client) -> None:
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["tiny"]
    assert client.get("/health").json() == {"status": "ok"}
