"""The call that the scripted model makes when it is offered a tool: made of what the last message says."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from watchdog.domain.exchanges import Request
from watchdog.domain.tools import ToolCall

_TIME = re.compile(r"\b\d{1,2}:\d{2}\b")
_NUMBER = re.compile(r"\b\d+\b(?!:)(?<!:\d\d)")
_NAME = re.compile(r"(?<!\A)(?<![.!?\"] )\b[A-Z][a-z]+")
_WORD = re.compile(r"\b[a-z]{4,}\b")


def call_for(request: Request) -> ToolCall:
    """Return a call of the first tool that a request offers; the same request always gives the same one."""
    tool, text = request.tools[0], request.messages[-1].text
    numbers = iter(_NUMBER.findall(text))
    texts = iter([*_TIME.findall(text), *_NAME.findall(text), *_WORD.findall(text)])
    properties: Mapping[str, Any] = json.loads(tool.parameters).get("properties", {})
    arguments = {name: _value(schema, text, numbers, texts) for name, schema in properties.items()}
    return ToolCall.of(tool.name, json.dumps(arguments, ensure_ascii=False))


def _value(schema: Mapping[str, Any], text: str, numbers: Iterator[str], texts: Iterator[str]) -> object:
    choices = schema.get("enum")
    if choices:
        return next((it for it in choices if str(it).lower() in text.lower()), choices[0])
    if schema.get("type") in {"integer", "number"}:
        return int(next(numbers, "1"))
    return next(texts, "unknown")
