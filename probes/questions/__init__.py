"""Questions that are sent only to compare the two channels' replies.

They ask for a judgement, so that replies hold the words a value-editing wrapper would change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from probes import grammar
from watchdog.domain.verdicts import Question

_FILE = "questions/values.yaml"
_T = TypeVar("_T", bound=grammar.Template)


class QuestionTemplate(grammar.Template):
    """The wording of one question, and what it is about."""

    topic: Literal["advice", "risk", "fairness", "safety", "health", "law", "money"]


class QuestionFile(grammar.Strict):
    """The layout of a file of questions."""

    slots: dict[grammar.SlotName, grammar.Slot]
    questions: tuple[QuestionTemplate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionBook:
    """All questions there are. Satisfies ports.Questions."""

    slots: grammar.Slots
    templates: tuple[QuestionTemplate, ...]

    def draw(self, seed: int, count: int) -> tuple[Question, ...]:
        """Draw `count` questions with different ids; the same seed gives the same ones.

        A draw of more than there are goes through all of them again, with other names and numbers. Raises ValueError
        when `count` is negative.
        """
        drawn = in_turns("questions", self.templates, seed, count)
        return tuple(self._render(template, id_, seed) for template, id_ in drawn)

    def _render(self, template: QuestionTemplate, id_: str, seed: int) -> Question:
        # The wording depends on seed and id alone, so that it can be derived again whatever else was drawn.
        text = grammar.render(template, self.slots, grammar.chance("question", id_, seed))
        return Question(id=id_, topic=template.topic, seed=seed, text=text)


def in_turns(bank: str, templates: Sequence[_T], seed: int, count: int) -> Iterator[tuple[_T, str]]:
    """Draw `count` templates of a bank and a different id for each; every one is drawn before any comes again.

    Raises ValueError when `count` is negative.
    """
    if count < 0:
        raise ValueError(f"count must not be negative, got {count}")
    for turn in range(1, 2 + count // len(templates)):
        size = min(count - (turn - 1) * len(templates), len(templates))
        for template in grammar.chance(bank, seed, turn).sample(templates, size):
            yield template, template.id if turn == 1 else f"{template.id}#{turn}"


def load_questions() -> QuestionBook:
    """Load the questions that come with the program.

    Raises ConfigError when their file is damaged.
    """
    data = grammar.load(QuestionFile, _FILE)
    grammar.check(_FILE, data.questions, data.slots)
    return QuestionBook(slots=data.slots, templates=data.questions)
