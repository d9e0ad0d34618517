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

        Raises ValueError when there are fewer questions than that.
        """
        if not 0 <= count <= len(self.templates):
            raise ValueError(f"count must lie between 0 and {len(self.templates)}, got {count}")
        chosen = grammar.chance("questions", seed).sample(self.templates, count)
        return tuple(self._render(template, seed) for template in chosen)

    def _render(self, template: QuestionTemplate, seed: int) -> Question:
        # The wording depends on seed and id alone, so that it can be derived again whatever else was drawn.
        text = grammar.render(template, self.slots, grammar.chance("question", template.id, seed))
        return Question(id=template.id, topic=template.topic, seed=seed, text=text)


def load_questions() -> QuestionBook:
    """Load the questions that come with the program.

    Raises ConfigError when their file is damaged.
    """
    data = grammar.load(QuestionFile, _FILE)
    grammar.check(_FILE, data.questions, data.slots)
    return QuestionBook(slots=data.slots, templates=data.questions)
