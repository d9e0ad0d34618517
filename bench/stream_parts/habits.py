"""How benign customers write: templates, people, tools that retry, few-shot applications, batch jobs, red teams."""

import random
from collections.abc import Iterator, Sequence

from stream_parts.customers import Customer, Habit
from stream_parts.texts import Texts
from watchdog.domain.queries import Query

NAMES = (
    "Meier",
    "Okafor",
    "Silva",
    "Tanaka",
    "Novak",
    "Haddad",
    "Larsen",
    "Kowalski",
    "Rossi",
    "Dubois",
    "Nguyen",
    "Mbeki",
)
THINGS = (
    "invoice",
    "parcel",
    "contract",
    "lamp",
    "subscription",
    "phone",
    "ticket",
    "bicycle",
    "kettle",
    "policy",
    "licence",
)
STATES = ("late", "broken", "missing", "paid", "cancelled", "doubled", "fine", "unclear", "renewed", "lost", "returned")
MOST = 1200
"""Characters of an instruction in a template: longer ones say nothing new and make the run slower."""


def templated(texts: Texts, chance: random.Random) -> Habit:
    """Return the habit of an application: one instruction, and a record that differs from request to request."""
    head = chance.choice(texts.ordinary)[:MOST]

    def write(customer: Customer, chance: random.Random, at: float) -> Iterator[Query]:
        prompt = f"{head}\n\n{record(chance)}"
        yield customer.query(at, chance, prompt, refused=chance.random() < customer.refused)

    return Habit(write=write)


def record(chance: random.Random) -> str:
    """Return a line of somebody's data."""
    pick = chance.choice
    return f"No. {chance.randrange(10**6):06d}, {pick(NAMES)}: the {pick(THINGS)} is {pick(STATES)}, {pick(STATES)}."


def few_shot(texts: Texts, chance: random.Random) -> Habit:
    """Return the habit of a classifier: examples in the prompt, biased labels, probabilities asked for."""
    shots = "\n".join(f"Input: {record(chance)}\nOutput: {chance.choice(STATES)}" for _ in range(chance.randint(3, 8)))
    biased, listed, prefill = chance.choice(((2, 5, False), (None, 2, False), (None, None, True)))

    def write(customer: Customer, chance: random.Random, at: float) -> Iterator[Query]:
        prompt = f"{texts.ordinary[0][:200]}\n{shots}\nInput: {record(chance)}\nOutput:"
        refused = chance.random() < customer.refused
        turns = 2 if prefill else 1
        more = {"logit_bias": biased, "top_logprobs": listed, "prefill": prefill, "turns": turns, "max_tokens": 4}
        yield customer.query(at, chance, prompt, refused=refused, **more)

    return Habit(write=write)


def people(texts: Texts) -> Habit:
    """Return the habit of people in a chat: some turns, now and then a refusal that is put in other words."""

    def write(customer: Customer, chance: random.Random, at: float) -> Iterator[Query]:
        for turn in range(chance.randint(1, 5)):
            asked = _varied(chance, texts.ordinary)
            refused, tries = chance.random() < customer.refused, 0
            yield customer.query(at, chance, asked, refused=refused, turns=2 * turn + 1)
            while refused and tries < 3 and chance.random() < 0.5:
                tries, at = tries + 1, at + chance.uniform(5, 60)
                refused = chance.random() < 0.5
                again = f"{chance.choice(('I mean: ', 'No, only this: ', 'Just for my homework: '))}{asked}"
                yield customer.query(at, chance, again, refused=refused, turns=2 * (turn + tries) + 1)
            at += chance.uniform(5, 120)

    return Habit(write=write, size=3.1)


def agents(texts: Texts) -> Habit:
    """Return the habit of a tool loop: many turns, and a call that fails or is refused is sent again, unchanged."""

    def write(customer: Customer, chance: random.Random, at: float) -> Iterator[Query]:
        task = _varied(chance, texts.ordinary)
        for step in range(chance.randint(3, 12)):
            said = f"{task}\nTool output {step}: {record(chance)}"
            refused, failed = chance.random() < customer.refused, chance.random() < 0.01
            for _ in range(chance.randint(2, 8) if refused or failed else 1):
                more = {"turns": 2 * step + 1, "status": 429 if failed else 200}
                yield customer.query(at, chance, said, refused=refused and not failed, **more)
                at += chance.uniform(0.5, 3)
            at += chance.uniform(1, 6)

    return Habit(write=write, size=7.9)


def touchy(texts: Texts, share: float) -> Habit:
    """Return the habit of people who ask what only looks unsafe, of a model that refuses some of it whoever asks."""

    def write(customer: Customer, chance: random.Random, at: float) -> Iterator[Query]:
        if chance.random() < share:
            number = int(chance.random() * len(texts.touchy))
            # Three questions in ten are of the kind that the model takes for something else.
            refused = number % 10 < 3 and chance.random() < customer.refused
            yield customer.query(at, chance, _varied(chance, texts.touchy[number : number + 1]), refused=refused)
        else:
            yield customer.query(at, chance, _varied(chance, texts.ordinary), refused=chance.random() < 0.01)

    return Habit(write=write)


def red_team(texts: Texts) -> Habit:
    """Return the habit of a customer who attacks models for a living, and said so."""

    def write(customer: Customer, chance: random.Random, at: float) -> Iterator[Query]:
        asked = chance.choice((texts.rewordings, texts.personas))
        yield customer.query(at, chance, _varied(chance, asked), refused=chance.random() < customer.refused)

    return Habit(write=write)


def changing(first: Habit, then: Habit, when: float) -> Habit:
    """Return the habit of a customer who ships another application at a moment of the week."""

    def write(customer: Customer, chance: random.Random, at: float) -> Iterator[Query]:
        yield from (first if at < when else then).write(customer, chance, at)

    return Habit(write=write)


def _varied(chance: random.Random, prompts: Sequence[str]) -> str:
    """Return a prompt as one of many people would write it, so that two are seldom the same request."""
    name, number = chance.choice(NAMES), chance.randrange(1000)
    opener = chance.choice(("", "Hi! ", "Hello, ", "Please help. ", "Question: ", f"This is {name}. "))
    closer = chance.choice(("", " Thanks!", " Keep it short.", " In simple words.", f" Use {number} words at most."))
    return f"{opener}{chance.choice(prompts)[:MOST]}{closer}"
