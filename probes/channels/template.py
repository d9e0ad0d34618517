"""A conversation as the model reads it: what its tokenizer's chat template makes of the messages and the tools."""

from collections.abc import Sequence
from typing import Any

import jinja2

from watchdog.domain.exchanges import Message, Speaker
from watchdog.domain.spoken_calls import declared, told
from watchdog.domain.tools import Tool

_PROBED = [{"role": Speaker.USER.value, "content": "a"}]


def prompt(tokenizer: Any, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> tuple[int, ...]:
    """Return the tokens of a conversation, up to where the assistant begins to speak.

    A template that knows no tools is given them as a system message of ours. Raises ValueError when the template does
    not allow the conversation.
    """
    known = bool(tools) and knows_tools(tokenizer, tools)
    turns = [{"role": it.speaker.value, "content": it.text} for it in messages]
    if tools and not known:
        turns = _with_tools(turns, told(tools))
    offered = {"tools": [declared(it) for it in tools]} if known else {}
    try:
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False, **offered)
    except jinja2.TemplateError as exc:
        raise ValueError("the model's chat template does not allow this conversation") from exc
    return tuple(ids)


def knows_tools(tokenizer: Any, tools: Sequence[Tool]) -> bool:
    """Tell whether the tokenizer's chat template writes the names of tools into a conversation."""
    try:
        text = tokenizer.apply_chat_template(_PROBED, tools=[declared(it) for it in tools], tokenize=False)
    except (jinja2.TemplateError, TypeError, KeyError):
        return False
    return all(it.name in text for it in tools)


def _with_tools(turns: list[dict[str, str]], text: str) -> list[dict[str, str]]:
    """Return the turns with a text in their system message, which some templates allow only one of."""
    system = Speaker.SYSTEM.value
    if turns and turns[0]["role"] == system:
        return [{"role": system, "content": f"{turns[0]['content']}\n\n{text}"}, *turns[1:]]
    return [{"role": system, "content": text}, *turns]
