"""Questions that are answered by calling a tool: each offers one, and says all that a call of it needs."""

import json
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from probes import grammar
from probes.questions import in_turns
from watchdog.domain.tools import Tool
from watchdog.domain.verdicts import Question

_FILE = "questions/tools.yaml"
_TOPIC = "tools"

ToolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class ToolTemplate(grammar.Strict):
    """A tool that questions offer."""

    name: ToolName
    description: grammar.Text
    parameters: dict[str, JsonValue]
    """The JSON schema of its arguments."""

    @property
    def tool(self) -> Tool:
        """The tool as a request offers it."""
        schema = json.dumps(self.parameters, ensure_ascii=False)
        return Tool(name=self.name, description=self.description, parameters=schema)


class CallTemplate(grammar.Template):
    """The wording of one question, and the tool that it is about."""

    tool: ToolName


class CallFile(grammar.Strict):
    """The layout of the file."""

    slots: dict[grammar.SlotName, grammar.Slot]
    tools: tuple[ToolTemplate, ...]
    questions: tuple[CallTemplate, ...]

    @model_validator(mode="after")
    def _offers_what_there_is(self) -> Self:
        known, used = {it.name for it in self.tools}, {it.tool for it in self.questions}
        if known != used:
            raise ValueError(f"tools that stand on one side only: {', '.join(sorted(known ^ used))}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBook:
    """All questions about tools. Satisfies ports.Questions."""

    file: CallFile

    def draw(self, seed: int, count: int) -> tuple[Question, ...]:
        """Draw `count` questions with different ids; the same seed gives the same ones.

        A draw of more than there are goes through all of them again, with other names and numbers. Raises ValueError
        when `count` is negative.
        """
        drawn = in_turns("tools", self.file.questions, seed, count)
        return tuple(self._render(template, id_, seed) for template, id_ in drawn)

    def _render(self, template: CallTemplate, id_: str, seed: int) -> Question:
        text = grammar.render(template, self.file.slots, grammar.chance("tool question", id_, seed))
        offered = tuple(it.tool for it in self.file.tools if it.name == template.tool)
        return Question(id=id_, topic=_TOPIC, seed=seed, text=text, tools=offered)


def load_calls() -> CallBook:
    """Load the questions about tools that come with the program.

    Raises ConfigError when their file is damaged.
    """
    data = grammar.load(CallFile, _FILE)
    grammar.check(_FILE, data.questions, data.slots)
    return CallBook(file=data)
