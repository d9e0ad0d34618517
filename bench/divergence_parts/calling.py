"""Replies that are tool calls, and what a router does to them: one argument, edited.

The model is small, so each conversation shows it a call of the same tool first; without that it makes none.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from detectors.divergence.calls import CallTest
from divergence_parts.clock import now
from divergence_parts.corpus import Corpus, Reply, Said
from divergence_parts.deck import Conversation
from divergence_parts.engines import bfloat16, singly, spelled
from probes.channels.weights import Weights, WeightsChannel
from probes.questions.calling import load_calls
from probes.scorers.weights import WeightsScorer
from watchdog.domain.calls import CallComparison
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Request, Speaker
from watchdog.domain.spoken_calls import spellings, spoken, told
from watchdog.domain.tools import Tool, ToolCall
from watchdog.domain.verdicts import Question
from watchdog.rehearsal.call_editing import edit_arguments

SEED = 9000
MOST_TOKENS = 96
TAU = 0.5
EXAMPLES = {
    "book_table": ("A table for 14 at the Old Mill, please, at 12:45.", ("Old Mill", 14, "12:45")),
    "transfer_money": ("Send 95 EUR to 55512345.", ("55512345", 95, "EUR")),
    "set_thermostat": ("I want 26 degrees in the bathroom.", ("bathroom", 26)),
    "search_flights": ("Show me economy flights for 12 from Seoul to Boston.", ("Seoul", "Boston", 12, "economy")),
    "order_items": ("Buy 70 chairs, low priority.", ("chairs", 70, "low")),
    "send_message": ("Write to Walter that the door is open.", ("Walter", "The door is open.")),
    "set_alarm": ("An alarm at 13:05 for the train.", ("13:05", "train")),
    "get_weather": ("How will the weather in Quito be for a fortnight, in celsius?", ("Quito", 14, "celsius")),
    "create_invoice": ("Bill Ferguson for 77, payable within 90 days.", ("Ferguson", 77, 90)),
    "grant_access": ("Give Zelda the diary, as an editor.", ("Zelda", "diary", "editor")),
}
"""For each tool a question and the values of its arguments, none of which are asked for in the questions that count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What the direct model and the same weights in bfloat16 said to the same questions."""

    asked: int
    pairs: Sequence[tuple[Exchange, Exchange]]
    """The other engine's and the direct model's reply, where both call a tool."""
    called: Sequence[int]
    """Questions that the direct model, and that the other engine, called a tool for."""


def calls(corpus: Corpus, model: Path, direct: Weights, count: int) -> Calls:
    """Return what both said; generates what the corpus lacks."""
    questions = {it.id: it for it in load_calls().draw(SEED, count)}
    asked = [_conversation(it) for it in questions.values()]
    own = corpus.said("calls-fp32", asked, lambda: partial(singly, WeightsChannel(direct, ChannelRole.DIRECT, now)))
    other = corpus.said("calls-drafted-bf16", asked, lambda: partial(_drafted, bfloat16(model), own))
    ours = {it.reply.question: _exchange(it, questions[it.reply.question], ChannelRole.DIRECT) for it in own}
    theirs = {it.reply.question: _exchange(it, questions[it.reply.question], ChannelRole.DELIVERED) for it in other}
    both = [(theirs[it], ours[it]) for it in questions if it in ours and it in theirs]
    return Calls(
        asked=count,
        pairs=[(one, two) for one, two in both if one.tool_calls and two.tool_calls],
        called=[sum(bool(it.tool_calls) for it in said.values()) for said in (ours, theirs)],
    )


def untouched(material: Calls, test: CallTest) -> list[CallComparison]:
    """Hold the other engine's calls against the direct model's as they came."""
    return [test.examine(theirs, ours, tau=TAU) for theirs, ours in material.pairs]


def rewritten(material: Calls, test: CallTest) -> list[CallComparison]:
    """Hold them against the direct model's with one argument edited; those without an argument are left out."""
    changed = ((_edited(theirs), ours) for theirs, ours in material.pairs)
    return [test.examine(theirs, ours, tau=TAU) for theirs, ours in changed if theirs is not None]


def call_test(direct: Weights) -> CallTest:
    """Return the product's own comparison of calls."""
    return CallTest(scorer=WeightsScorer(direct))


def _drafted(weights: Weights, drafts: Sequence[Said], asked: Sequence[Conversation]) -> Iterator[Reply]:
    """Answer greedily, as engines do that keep the beginning of a prompt and try another engine's reply as a draft."""
    texts = {it.reply.key: it.reply.text for it in drafts}
    cache, known = weights.new_cache(), list[int]()
    for it in sorted(asked, key=lambda it: it.request.messages[0].text):
        prompt = list(weights.prompt(it.request.messages))
        draft = weights.tokenizer.encode(texts.get(it.key, ""), add_special_tokens=False)
        kept = min(_alike(known, prompt), len(prompt) - 1)
        weights.shorten(cache, len(known) - kept)
        own = weights.run([(prompt + draft)[kept:]], cache)[0, len(prompt) - 1 - kept :].argmax(dim=-1).tolist()
        same = _alike(draft, own)
        weights.shorten(cache, len(draft) - same)
        said, token = draft[:same], own[same]
        while token not in weights.ends and len(said) < it.request.max_tokens:
            said.append(token)
            token = int(weights.run([[token]], cache, last_only=True)[0, -1].argmax())
        known = prompt + said
        yield spelled(weights, it, [*said, token])


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _edited(said: Exchange) -> Exchange | None:
    first, *rest = said.tool_calls
    made = edit_arguments(first.arguments, random.Random(f"{SEED}:{first.arguments}"))  # noqa: S311 - no secret
    return None if made is None else replace(said, tool_calls=(ToolCall.of(first.name, made.text), *rest))


def _conversation(question: Question) -> Conversation:
    turns = (told(question.tools), *_example(question.tools[0]), question.text)
    speakers = (Speaker.SYSTEM, Speaker.USER, Speaker.ASSISTANT, Speaker.USER)
    messages = tuple(Message(speaker=it, text=text) for it, text in zip(speakers, turns, strict=True))
    request = Request(messages=messages, max_tokens=MOST_TOKENS, temperature=0.0)
    return Conversation(question=question.id, seed=question.seed, request=request)


def _example(tool: Tool) -> Iterator[str]:
    """Yield a question, and the call that answers it."""
    asked, values = EXAMPLES[tool.name]
    names = json.loads(tool.parameters)["properties"]
    arguments = json.dumps(dict(zip(names, values, strict=True)))
    yield asked
    yield next(spellings("", [ToolCall.of(tool.name, arguments)]))


def _exchange(said: Said, question: Question, role: ChannelRole) -> Exchange:
    """Return a reply as a channel tells it that is offered the tool, in place of being told of it in a message."""
    text, found = spoken(said.reply.text)
    request = replace(said.request, messages=said.request.messages[1:], tools=question.tools)
    return replace(said.delivered(text), channel=role, request=request, tool_calls=found)
