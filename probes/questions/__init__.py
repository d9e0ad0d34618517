"""Questions that are sent only to compare the two channels' replies.

They ask for a judgement, so that replies hold the words a value-editing wrapper would change.
"""

from dataclasses import dataclass
from typing import Literal

from probes import grammar
from watchdog.domain.verdicts import Question

_FILE = "questions/values.yaml"


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
        if count < 0:
            raise ValueError(f"count must not be negative, got {count}")
        drawn: list[Question] = []
        for turn in range(1, 2 + count // len(self.templates)):
            size = min(count - len(drawn), len(self.templates))
            chosen = grammar.chance("questions", seed, turn).sample(self.templates, size)
            drawn += [self._render(template, seed, turn) for template in chosen]
        return tuple(drawn)

    def _render(self, template: QuestionTemplate, seed: int, turn: int) -> Question:
        # The wording depends on seed and id alone, so that it can be derived again whatever else was drawn.
        id_ = template.id if turn == 1 else f"{template.id}#{turn}"
        text = grammar.render(template, self.slots, grammar.chance("question", id_, seed))
        return Question(id=id_, topic=template.topic, seed=seed, text=text)


def load_questions() -> QuestionBook:
    """Load the questions that come with the program.

    Raises ConfigError when their file is damaged.
    """
    data = grammar.load(QuestionFile, _FILE)
    grammar.check(_FILE, data.questions, data.slots)
    return QuestionBook(slots=data.slots, templates=data.questions)
