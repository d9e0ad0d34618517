"""Tool calls as text: how a model is told of tools where its template knows none, and the calls that it then writes.

The syntax is that of the Hermes and Qwen models, which many others have taken over: each call is a JSON object with a
name and arguments, between `<tool_call>` and `</tool_call>`. Pure.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from watchdog.domain.calls import value_of
from watchdog.domain.tools import Tool, ToolCall

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_MOST = 64
_TOLD = """\
You can call functions to do what the user asks. These are the functions, one on each line:
<tools>
{tools}
</tools>

To call a function, answer with its name and its arguments as JSON, between two tags and with nothing around them:
<tool_call>
{{"name": <name of the function>, "arguments": <object with the arguments>}}
</tool_call>"""


def told(tools: Sequence[Tool]) -> str:
    """Return what a model is told of tools."""
    return _TOLD.format(tools="\n".join(json.dumps(declared(it), ensure_ascii=False) for it in tools))


def declared(tool: Tool) -> dict[str, Any]:
    """Return a tool as chat templates and most APIs want it declared."""
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": function}


def spoken(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    """Return a text without the calls that are written in it, and the calls; what is no whole call stays text."""
    calls: list[ToolCall] = []
    rest, at = "", 0
    for match in _CALL.finditer(text):
        found = _read(match[1])
        if found and len(calls) + len(found) <= _MOST:
            rest += text[at : match.start()]
            at = match.end()
            calls += found
    return (rest + text[at:] if not calls else (rest + text[at:]).strip()), tuple(calls)


def spellings(text: str, calls: Sequence[ToolCall]) -> Iterator[str]:
    """Yield the ways in which a model may have written a reply: the same calls, with white space where it is usual."""
    ways = dict.fromkeys(_written(calls, lines=lines, compact=compact) for lines in (True, False) for compact in (0, 1))
    for way in dict.fromkeys([*ways, *([_as_came(calls)] if calls else [])]):
        yield from ([way] if not text else [f"{text}\n{way}", f"{text}{way}"] if way else [text])


def _written(calls: Sequence[ToolCall], *, lines: bool, compact: int) -> str:
    return _between((_object(it, compact=compact) for it in calls), "\n" if lines else "")


def _as_came(calls: Sequence[ToolCall]) -> str:
    return _between((f'{{"name": {json.dumps(it.name)}, "arguments": {it.arguments or "{}"}}}' for it in calls), "\n")


def _between(objects: Iterator[str], line: str) -> str:
    return "\n".join(f"<tool_call>{line}{it}{line}</tool_call>" for it in objects)


def _object(call: ToolCall, *, compact: int) -> str:
    separators = ((", ", ": "), (",", ":"))[compact]
    try:
        value_of(call.arguments)
        arguments = json.dumps(json.loads(call.arguments or "{}"), ensure_ascii=False, separators=separators)
    except ValueError:
        arguments = call.arguments
    name = json.dumps(call.name, ensure_ascii=False)
    return f'{{"name"{separators[1]}{name}{separators[0]}"arguments"{separators[1]}{arguments}}}'


def _read(text: str) -> list[ToolCall]:
    """Return the calls that a tag holds: an object, or a list of them; empty where it holds anything else."""
    try:
        value_of(text)  # refuses what json reads in two ways
        found = json.loads(text)
    except ValueError:
        return []
    objects = found if isinstance(found, list) else [found]
    calls = [_call(it) for it in objects]
    return [it for it in calls if it is not None] if all(it is not None for it in calls) else []


def _call(found: Any) -> ToolCall | None:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return None
    arguments = found.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall.of(found["name"], text)
