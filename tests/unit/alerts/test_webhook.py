"""The webhook: what is sent, what counts as accepted, and what must never be said."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from alerts.page import page
from alerts.webhook import WebhookSettings, open_webhook, payload
from tests.builders import NOW, at, finding, recovery
from watchdog.domain.incidents import absorb, recover
from watchdog.domain.notices import Notice
from watchdog.errors import ConfigError, NotifyError

URL = "https://hooks.example.com/services/T0KEN"
OPENED = absorb(None, finding())


def _answer(status: int, *, headers: dict[str, str] | None = None, text: str = "") -> httpx.Response:
    """An answer that still has to be read from the wire."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(text.encode()))


def _send(answer: Callable[[httpx.Request], httpx.Response], *, seconds: float = 0) -> str:
    settings = WebhookSettings.model_validate({"kind": "webhook", "name": "oncall", "url": URL})
    webhook = open_webhook(settings, httpx.MockTransport(answer))
    with closing(webhook):
        return webhook.send(Notice.of(OPENED, "oncall"), now=at(seconds))


def test_every_attempt_carries_the_same_id_and_its_own_time() -> None:
    seen: list[httpx.Request] = []

    def accept(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return _answer(204)

    _send(accept)
    _send(accept, seconds=30)
    first, second = seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == Notice.of(OPENED, "oncall").id
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 30
    assert first.content == second.content


def test_the_body_names_the_incident_and_holds_the_page() -> None:
    bodies: list[dict[str, dict[str, object]]] = []

    def accept(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return _answer(200)

    _send(accept)
    (body,) = bodies
    assert body["type"] == "incident.opened"
    assert body["data"]["dedup_key"] == OPENED.incident.fingerprint
    assert body["data"]["edited"] == [{"delivered": "risky", "expected": "safe"}]
    assert "what now" in str(body["data"]["text"]).lower()


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 408, 410, 429, 500, 503])
def test_only_a_2xx_is_accepted_and_no_redirect_is_followed(status: int) -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return _answer(status, headers={"location": "http://169.254.169.254/"})

    with pytest.raises(NotifyError) as caught:
        _send(refuse)
    assert asked == [URL]
    assert caught.value.answer.startswith(str(status))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0), ("soon", None), ("", None), ("-5", None)],
)
def test_a_wish_for_patience_is_understood_in_both_forms(header: str, seconds: float | None) -> None:
    with pytest.raises(NotifyError) as caught:
        _send(lambda _: _answer(429, headers={"retry-after": header}))
    assert caught.value.retry_after_s == seconds


def test_no_error_says_the_url() -> None:
    def break_(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot connect to {request.url}")

    with pytest.raises(NotifyError) as caught:
        _send(break_)
    assert "T0KEN" not in f"{caught.value}{caught.value.answer}{caught.value.__cause__}"


def test_a_hostile_answer_is_cut_and_made_harmless() -> None:
    with pytest.raises(NotifyError) as caught:
        _send(lambda _: _answer(500, text="\x1b[2J\u202e" + "A" * 100_000))
    assert len(caught.value.answer) <= 210
    assert "\x1b" not in caught.value.answer
    assert "\u202e" not in caught.value.answer


def test_the_newest_checkpoint_travels_with_the_body_and_at_the_end_of_the_page() -> None:
    note = "example.com/watchdog\n3\nroot\n\n\u2014 example.com/watchdog signature\n"
    body = payload(replace(Notice.of(OPENED, "oncall"), checkpoint=note))
    data = body["data"]
    assert isinstance(data, dict)
    assert data["checkpoint"] == note
    assert str(data["text"]).endswith(f"\n{note}")
    assert "Checkpoint" not in page(OPENED)


def test_a_url_comes_from_exactly_one_place_and_is_http() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        WebhookSettings.model_validate({"kind": "webhook", "name": "a", "url": URL, "url-env": "X"})
    with pytest.raises(ConfigError, match="http") as caught:
        open_webhook(WebhookSettings.model_validate({"kind": "webhook", "name": "a", "url": "ftp://T0KEN"}))
    assert "T0KEN" not in str(caught.value)


def test_the_page_says_what_where_how_sure_and_what_now_in_that_order() -> None:
    text = page(OPENED)
    places = [text.index(part) for part in ("divergence.gap", "risky", "How sure", "What now", "Promise", "Look")]
    assert places == sorted(places)


def test_a_recovery_says_by_which_rule() -> None:
    text = page(recover(OPENED.incident, recovery()))
    assert text.startswith("[RECOVERED]")
    assert "3-clean-rounds" in text
    assert f"{NOW:%Y-%m-%d %H:%M:%S}" in text
