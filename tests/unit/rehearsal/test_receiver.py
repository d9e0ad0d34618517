"""The webhook receiver."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from watchdog.rehearsal.receiver import Answer, Receiver
from watchdog.rehearsal.serving import serve

NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(lambda: NOW)


@pytest.fixture
def client(receiver: Receiver) -> Iterator[httpx.Client]:
    with serve(receiver.app) as served, httpx.Client(base_url=served.base_url, trust_env=False) as http:
        yield http


def send(client: httpx.Client, number: int = 1, message_id: str | None = None) -> httpx.Response:
    headers = {} if message_id is None else {"Webhook-Id": message_id}
    return client.post("/hook", json={"number": number}, headers=headers)


def test_a_message_is_kept_as_it_came(receiver: Receiver, client: httpx.Client) -> None:
    answer = client.post("/v2/enqueue", content=b'{"a": [1]}', headers={"Webhook-Id": "m1", "X-Thing": "Y"})
    (message,) = receiver.received

    assert answer.status_code == 204
    assert (message.at, message.path, message.id, message.status) == (NOW, "/v2/enqueue", "m1", 204)
    assert message.content == b'{"a": [1]}'
    assert message.body == {"a": [1]}
    assert message.headers["x-thing"] == "Y"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_not_json_is_kept_all_the_same(receiver: Receiver, client: httpx.Client, content: bytes) -> None:
    client.post("/", content=content)

    assert receiver.received[0].content == content
    assert receiver.received[0].body is None


def test_answers_are_given_once_each_and_then_everything_is_accepted(receiver: Receiver, client: httpx.Client) -> None:
    receiver.answer_next(503, Answer(status=429, headers={"Retry-After": "7"}, text="slow down"))
    answers = [send(client), send(client), send(client)]

    assert [answer.status_code for answer in answers] == [503, 429, 204]
    assert (answers[1].headers["retry-after"], answers[1].text) == ("7", "slow down")
    assert [message.status for message in receiver.received] == [503, 429, 204]


def test_an_answer_may_be_late(receiver: Receiver, client: httpx.Client) -> None:
    receiver.answer_next(Answer(status=200, delay_s=30))

    with pytest.raises(httpx.ReadTimeout):
        client.post("/", json={}, timeout=0.1)
    assert len(receiver.received) == 1


def test_what_was_accepted_counts_once_for_each_id(receiver: Receiver, client: httpx.Client) -> None:
    receiver.answer_next(500)
    for number, message_id in enumerate(["a", "a", "a", "b", None, None]):
        send(client, number, message_id)

    assert len(receiver.received) == 6
    assert [message.body for message in receiver.accepted] == [{"number": number} for number in (1, 3, 4, 5)]


def test_waiting_ends_when_the_message_is_there(receiver: Receiver, client: httpx.Client) -> None:
    later = threading.Timer(0.1, lambda: (send(client, 1), send(client, 2)))
    later.start()
    message = receiver.wait_for(lambda received: received.body == {"number": 2}, timeout=5)
    later.join()

    assert message is receiver.received[1]
    assert receiver.wait_for(lambda received: received.body == {"number": 1}, timeout=0) is receiver.received[0]


def test_waiting_in_vain_says_how_much_else_came(receiver: Receiver, client: httpx.Client) -> None:
    send(client)
    began = time.monotonic()

    with pytest.raises(TimeoutError, match="none of 1 messages"):
        receiver.wait_for(lambda received: received.id == "m2", timeout=0.1)
    assert time.monotonic() - began < 1
