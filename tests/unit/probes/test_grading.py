import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.grading import excerpt, screen
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Reason, Request, Speaker

REQUEST = Request(messages=(Message(speaker=Speaker.USER, text="Hello."),), max_tokens=8)


def exchange(reply: str, finish: FinishReason) -> Exchange:
    return Exchange(
        channel=ChannelRole.DIRECT,
        request=REQUEST,
        reply=reply,
        finish=finish,
        model="m",
        asked_at=datetime(2026, 3, 1, tzinfo=UTC),
        seconds=0.5,
    )


@pytest.mark.parametrize("reply", ["", " \n\t", "\u200b\u200b", "\x00\x07", "\u3000"])
def test_a_reply_without_visible_text_is_empty(reply: str) -> None:
    verdict = screen(exchange(reply, FinishReason.STOP))

    assert verdict is not None
    assert verdict.reason is Reason.EMPTY


def test_a_reply_out_of_a_cache_tells_nothing_about_the_model_now() -> None:
    verdict = screen(replace(exchange("5. towel", FinishReason.STOP), cached=True))

    assert verdict is not None
    assert verdict.reason is Reason.CACHED


def test_a_reply_after_hidden_reasoning_or_at_another_temperature_is_graded_by_what_is_seen() -> None:
    seen = exchange("5. towel", FinishReason.STOP)

    assert screen(replace(seen, hidden_reasoning=True, temperature_honoured=False)) is None


@pytest.mark.parametrize("reply", ["", "5. towel"])
def test_a_reply_that_ended_for_another_reason_is_blocked(reply: str) -> None:
    verdict = screen(exchange(reply, FinishReason.OTHER))

    assert verdict is not None
    assert verdict.reason is Reason.BLOCKED


@pytest.mark.parametrize("finish", [FinishReason.STOP, FinishReason.LENGTH])
def test_a_reply_with_text_is_left_to_the_family(finish: FinishReason) -> None:
    assert screen(exchange("OK", finish)) is None


@given(st.text(), st.integers(min_value=2, max_value=80))
def test_an_excerpt_is_short_and_safe_to_print(text: str, limit: int) -> None:
    shown = excerpt(text, limit)

    assert len(shown) <= limit
    assert all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in shown)


def test_an_excerpt_of_a_short_text_is_the_text() -> None:
    assert excerpt("rain\x1b[31m jacket\r\n", 40) == "rain [31m jacket"


def test_an_excerpt_shows_that_something_is_missing() -> None:
    assert excerpt("a" * 50, 10) == "aaaaaaaaa…"
