"""The fresh questions, and the conversations that every engine is asked to continue."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probes import grammar
from watchdog.domain.exchanges import Message, Request, Speaker

DECK = Path(__file__).parent.parent / "fresh_questions.yaml"
SYSTEMS = (
    None,
    "You are a helpful assistant.",
    "Answer in a friendly and simple way.",
    "You work at the help desk of a small company. Be brief.",
)
"""System prompts that both channels know; None leaves the model its own."""
LENGTHS = (24, 28, 32, 36, 40, 48, 60)


class FreshQuestion(grammar.Template):
    """The wording of one question."""

    kind: str
    before: tuple[grammar.Text, ...] = ()
    """Earlier turns, the user's first."""


class Deck(grammar.Strict):
    """The file of fresh questions."""

    slots: dict[grammar.SlotName, grammar.Slot]
    questions: tuple[FreshQuestion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What is sent, and the key under which its replies are kept."""

    question: str
    seed: int
    request: Request

    @property
    def key(self) -> tuple[str, int, int]:
        """The question, the seed of its names, numbers and system prompt, and the most tokens of the reply."""
        return self.question, self.seed, self.request.max_tokens


def load_deck() -> Deck:
    """Read the deck, and check it as the program checks its own files."""
    deck = grammar.parse(Deck, DECK.read_text(encoding="utf-8"), file=DECK.name)
    grammar.check(DECK.name, deck.questions, deck.slots)
    return deck


def conversations(deck: Deck, seeds: Sequence[int]) -> list[Conversation]:
    """Return one conversation for each seed; the questions take turns."""
    return [_conversation(deck, seed) for seed in seeds]


def _conversation(deck: Deck, seed: int) -> Conversation:
    question = deck.questions[seed % len(deck.questions)]
    chance = grammar.chance("fresh", question.id, seed)
    system = chance.choice(SYSTEMS)
    speakers = (Speaker.USER, Speaker.ASSISTANT)
    turns = (*question.before, grammar.render(question, deck.slots, chance))
    said = tuple(Message(speaker=speakers[n % 2], text=text) for n, text in enumerate(turns))
    head = () if system is None else (Message(speaker=Speaker.SYSTEM, text=system),)
    request = Request(messages=(*head, *said), max_tokens=chance.choice(LENGTHS), temperature=0.0)
    return Conversation(question=question.id, seed=seed, request=request)
