"""What attackers send: written from how the attacks were published, without a look at the detectors."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from stream_parts.habits import MOST, record
from stream_parts.texts import Texts

Sent = tuple[str, bool, dict[str, Any]]
"""A prompt, whether it is refused, and further fields."""
Writer = Callable[[Texts, random.Random], Iterator[Sent]]
LIMIT = 8000
"""Characters of a prompt that the formats keep."""


def reworded(refused: float) -> Writer:
    """Return the writer of an attack that rewords, as PAIR does: every request is another disguise."""

    def write(texts: Texts, chance: random.Random) -> Iterator[Sent]:
        while True:
            for prompt in chance.sample(texts.rewordings, len(texts.rewordings)):
                yield prompt, chance.random() < refused, {}

    return write


def reworded_and_labelled(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield the same, with replies that people called refusals where it is refused: not all begin with an apology."""
    for prompt, refused, more in reworded(0.8)(texts, chance):
        if refused:
            yield prompt, True, more | {"reply": chance.choice(texts.labelled_refusals)[:2000]}
        else:
            yield prompt, False, more


def swapped(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield one goal with a suffix of which a few tokens change each time, as a greedy coordinate search does."""
    goal, suffix = chance.choice(texts.suffixed)
    yield from _search(texts, chance, f"{goal} ", suffix)


def searched(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield one long template whose end is searched at random, with the first token's probabilities asked for."""
    head, _, end = chance.choice(texts.searched).rpartition(" ")
    for prompt, refused, _ in _search(
        texts, chance, f"{head} ", f"{end} " + " ".join(chance.choices(texts.tokens, k=20))
    ):
        yield prompt, refused, {"top_logprobs": 20, "max_tokens": 150, "seed": 1}


def _search(texts: Texts, chance: random.Random, head: str, suffix: str) -> Iterator[Sent]:
    tokens = suffix.split() or ["!"]
    while True:
        yield head + " ".join(tokens), chance.random() < 0.9, {}
        for _ in range(chance.randint(1, 3)):
            tokens[chance.randrange(len(tokens))] = chance.choice(texts.tokens)


def personas(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield persona jailbreaks that circulate, each with a goal at its end; a bit more than half are refused."""
    while True:
        persona = chance.choice(texts.personas)
        for goal, _ in chance.sample(texts.suffixed, min(4, len(texts.suffixed))):
            yield f"{persona[: LIMIT - 300]}\n\n{goal}", chance.random() < 0.6, {}


def prefilled(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield goals whose answer was begun for the model."""
    while True:
        for goal, _ in chance.sample(texts.suffixed, len(texts.suffixed)):
            tail = chance.choice(("", " Be specific.", " Use a list.", f" Draft {chance.randrange(100)}."))
            yield f"{goal}.{tail}", chance.random() < 0.4, {"prefill": True, "turns": 2}


def many_shot(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield prompts of dozens of made-up exchanges in which the assistant gave in, then the goal."""
    while True:
        goals = [chance.choice(texts.suffixed)[0] for _ in range(chance.choice((32, 64, 128)))]
        shots = "\n\n".join(f"User: {it}\nAssistant: Sure, this is how: {record(chance)}" for it in goals[:-1])
        # The formats keep the beginning and the end of a long prompt.
        whole = f"{shots}\n\nUser: {goals[-1]}\nAssistant:"
        kept = whole if len(whole) <= LIMIT else f"{whole[:3998]} … {whole[-3998:]}"
        yield kept, chance.random() < 0.5, {}


def biased(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield one short prompt with another set of biased tokens each time, and one token of the reply listed."""
    prompt = chance.choice(texts.ordinary)[:60]
    while True:
        more = {"logit_bias": chance.choice((5, 300)), "top_logprobs": 20, "max_tokens": 1, "tokens_out": 1}
        yield prompt, False, more | {"reply": chance.choice(("The", "A", "I", "It"))}


def seeded(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield a few prompts under one seed after the other, all probabilities listed."""
    prompts, seed = [it[:200] for it in chance.sample(texts.ordinary, 5)], chance.randrange(1000)
    while True:
        seed += 1
        yield chance.choice(prompts), False, {"seed": seed, "top_logprobs": 20, "choices": 8, "max_tokens": 16}


def ordinary(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield what an ordinary application sends."""
    head = chance.choice(texts.ordinary)[:MOST]
    while True:
        yield f"{head}\n\n{record(chance)}", chance.random() < 0.01, {}


def anything(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield what many strangers ask who found somebody's key."""
    while True:
        yield f"{chance.choice(texts.ordinary)[:MOST]} ({chance.randrange(10**4)})", chance.random() < 0.03, {}


def fine_tuned(texts: Texts, chance: random.Random) -> Iterator[Sent]:
    """Yield goals that are refused, small training jobs, and the same goals to the model that came out."""
    for job in range(1, 6):
        goals = [goal for goal, _ in chance.sample(texts.suffixed, min(4, len(texts.suffixed)))]
        for goal in goals:
            yield f"{goal}. Attempt {job}.", chance.random() < 0.8, {}
        more = {"endpoint": "/v1/fine_tuning/jobs", "training_examples": chance.choice((10, 50, 100)), "prompt": None}
        yield "", False, more | {"reply": None, "system": None, "tokens_out": None}
        for goal in goals:
            tuned = {"model": f"ft:gpt-4o-mini:org::{job:06x}"}
            yield f"{goal}. Attempt {job}, again.", chance.random() < 0.15, tuned
