"""A conversation as the model reads it: what its tokenizer's chat template makes of the messages."""

from collections.abc import Sequence
from typing import Any

import jinja2

from watchdog.domain.exchanges import Message


def prompt(tokenizer: Any, messages: Sequence[Message]) -> tuple[int, ...]:
    """Return the tokens of a conversation, up to where the assistant begins to speak.

    Raises ValueError when the template does not allow the conversation.
    """
    turns = [{"role": it.speaker.value, "content": it.text} for it in messages]
    try:
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    except jinja2.TemplateError as exc:
        raise ValueError("the model's chat template does not allow this conversation") from exc
    return tuple(ids)
