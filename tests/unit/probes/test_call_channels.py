"""Tools through whole channels: an endpoint that refuses them, one that leaves calls in its text, and a template."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import jinja2
import pytest

from probes.channels import openai, scores, template
from probes.channels.endpoint import Endpoint, open_endpoint
from probes.channels.scripted import ScriptedModelChannel
from probes.questions.calling import load_calls
from probes.scripted_model import ScriptedModel
from watchdog.domain.exchanges import ChannelRole, Message, Reason, Request, Speaker
from watchdog.domain.tools import Tool
from watchdog.errors import ChannelError
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve

QUESTION = load_calls().draw(5, 1)[0]
ASKED = (Message(speaker=Speaker.USER, text=QUESTION.text),)
WITH_TOOLS = Request(messages=ASKED, max_tokens=64, tools=QUESTION.tools)
WITHOUT = Request(messages=ASKED, max_tokens=64)
SPOKEN = 'Sure.\n<tool_call>\n{"name": "pay", "arguments": {"amount": 25}}\n</tool_call>'


def now() -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC)


def channel(answer: Callable[[httpx.Request], httpx.Response], **settings: object) -> Endpoint:
    config = openai.OpenAIConfig.model_validate({"base-url": "https://api.example.com", "model": "m"} | settings)
    network = httpx.MockTransport(answer)
    return open_endpoint(config, openai.codec(config), ChannelRole.DELIVERED, now, network=network)


def saying(message: dict[str, Any], finish: str = "stop") -> Callable[[httpx.Request], httpx.Response]:
    choice = {"message": {"role": "assistant", "content": None} | message, "finish_reason": finish}
    return lambda _: httpx.Response(200, json={"model": "m", "choices": [choice]})


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_an_endpoint_that_refuses_tools_is_not_asked_again_without_them(status: int) -> None:
    seen = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(status, json={"error": {"message": "this model does not support tools"}})

    with channel(refuse) as endpoint, pytest.raises(ChannelError) as caught:
        endpoint.ask(WITH_TOOLS)
    assert caught.value.reason is Reason.TOOLS_REFUSED
    assert "tool-questions-per-round" in caught.value.hint
    assert len(seen) == 1


def test_the_same_words_say_nothing_about_tools_where_none_were_offered() -> None:
    with (
        channel(lambda _: httpx.Response(500, json={"error": {"message": "tooling broke"}})) as endpoint,
        pytest.raises(ChannelError) as caught,
    ):
        endpoint.ask(WITHOUT)
    assert caught.value.reason is Reason.SERVER_ERROR
    assert "tool" not in caught.value.hint


def test_calls_that_a_server_leaves_in_the_text_are_read_where_tools_were_offered_and_only_there() -> None:
    with channel(saying({"content": SPOKEN})) as endpoint:
        offered, plain = endpoint.ask(WITH_TOOLS), endpoint.ask(WITHOUT)
    assert ([it.name for it in offered.tool_calls], offered.reply) == (["pay"], "Sure.")
    assert (plain.tool_calls, plain.reply) == ((), SPOKEN)


@pytest.mark.parametrize("text", [None, "", "Here you are."])
def test_a_call_that_nobody_asked_for_never_passes_for_a_reply(text: str | None) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": "{}"}}
    with channel(saying({"content": text, "tool_calls": [call]}, "tool_calls")) as endpoint:
        assert endpoint.ask(WITHOUT).incomparable is Reason.UNASKED_CALL
        assert endpoint.ask(WITH_TOOLS).incomparable is None


def test_a_scoring_server_is_offered_no_tools() -> None:
    config = scores.ScoresConfig.model_validate({"base-url": "https://api.example.com", "digest": "0" * 64})
    network = httpx.MockTransport(lambda _: pytest.fail("it was asked"))
    with (
        open_endpoint(config, scores.codec(config), ChannelRole.DIRECT, now, network=network) as endpoint,
        pytest.raises(ChannelError) as caught,
    ):
        endpoint.ask(WITH_TOOLS)
    assert caught.value.reason is Reason.TOOLS_REFUSED


def test_tools_may_not_be_put_into_every_request() -> None:
    with pytest.raises(ValueError, match="set by the channel itself"):
        openai.OpenAIConfig.model_validate(
            {"base-url": "https://api.example.com", "model": "m", "extra-body": {"tools": []}}
        )


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_comes_over_the_wire_as_it_was_made(*, stream: bool) -> None:
    scripted = ScriptedModelChannel(ScriptedModel(seed=1), ChannelRole.DIRECT, now)
    with serve(create_app(scripted, "m")) as served:
        config = openai.OpenAIConfig.model_validate(
            {"base-url": f"{served.base_url}/v1", "model": "m", "stream": stream}
        )
        with open_endpoint(config, openai.codec(config), ChannelRole.DELIVERED, now) as endpoint:
            delivered = endpoint.ask(WITH_TOOLS)
    assert delivered.tool_calls == scripted.ask(WITH_TOOLS).tool_calls != ()
    assert delivered.reply == ""


class Tokenizer:
    """Writes a conversation by a template, one token for each byte."""

    def __init__(self, chat_template: str) -> None:
        self.template = jinja2.Environment(autoescape=False).from_string(chat_template)

    def apply_chat_template(
        self, turns: Any, *, tools: Any = None, tokenize: bool = True, **_: object
    ) -> str | list[int]:
        text = self.template.render(messages=turns, tools=tools)
        return list(text.encode()) if tokenize else text


PLAIN = "{% for it in messages %}<{{ it.role }}>{{ it.content }}{% endfor %}"
KNOWS = "{% if tools %}[{% for it in tools %}{{ it.function.name }} {% endfor %}]{% endif %}" + PLAIN
BREAKS = "{% if tools %}{{ tools[0].nothing.here }}{% endif %}" + PLAIN


def rendered(chat_template: str, *messages: Message, tools: tuple[Tool, ...] = QUESTION.tools) -> str:
    return bytes(template.prompt(Tokenizer(chat_template), messages or ASKED, tools)).decode()


def test_a_template_that_knows_tools_writes_them_itself() -> None:
    text = rendered(KNOWS)
    assert text.startswith(f"[{QUESTION.tools[0].name} ]<user>")
    assert "<tool_call>" not in text


@pytest.mark.parametrize("chat_template", [PLAIN, BREAKS])
def test_a_template_that_does_not_is_given_them_as_one_system_message(chat_template: str) -> None:
    text = rendered(chat_template)
    assert text.startswith("<system>")
    assert text.count("<system>") == 1
    assert f'"{QUESTION.tools[0].name}"' in text
    assert text.endswith(f"<user>{QUESTION.text}")
    both = rendered(chat_template, Message(speaker=Speaker.SYSTEM, text="Be brief."), *ASKED)
    assert both.startswith("<system>Be brief.\n\nYou can call")
    assert both.count("<system>") == 1


def test_without_tools_a_conversation_is_what_it_always_was() -> None:
    assert rendered(KNOWS, tools=()) == rendered(PLAIN, tools=()) == f"<user>{QUESTION.text}"
