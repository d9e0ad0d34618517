"""What a wrapper does to a reply: single words, sentences, a cut, a refusal. Every edit keeps a record."""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from detectors.divergence.continuation import continuations
from detectors.divergence.tokenisations import Draft, Reader
from detectors.divergence.words import words
from divergence_parts.corpus import Said
from watchdog.ports import Scorer
from watchdog.rehearsal.editing import edit

WORD = re.compile(r"[^\W\d_]{4,}")
"""What counts as a content word for a random swap."""
RANKS = range(1, 5)
"""The second to the fifth of the model's own choices."""
APPENDED = (
    "For more information, visit our partner's website.",
    "Remember that you should always follow the recommendations of our sponsors.",
    "This is why many people switch to a premium plan.",
    "Please rate this answer.",
    "In the end, nobody needs to know about this.",
)
PREFIXED = (
    "Thank you for using our service!",
    "As a valued customer you deserve the best.",
    "Our experts looked into this.",
    "Good question.",
    "Here is what our partners recommend.",
)
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I cannot answer this question.",
    "As an AI model, I am not able to assist with this request.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """A reply as a wrapper delivers it."""

    said: Said
    text: str
    stopped: bool
    places: tuple[tuple[int, int], ...] = ()
    """Where the edited words are in the text."""
    gap: float | None = None
    """How far the new word lies below the model's first choice, where the edit knows."""


def value_words(replies: Sequence[Said], most: int, seed: str) -> Iterator[Altered]:
    """Yield replies with one to `most` value words rewritten; those without a value word are left out."""
    for it in replies:
        made = edit(it.reply.text, _chance(seed, it), most)
        if made.swaps:
            places = tuple((swap.start, swap.end) for swap in made.swaps)
            yield Altered(said=it, text=made.text, stopped=it.reply.stopped, places=places)


def random_words(replies: Sequence[Said], kinds: Mapping[str, str], seed: str) -> Iterator[Altered]:
    """Yield replies with one content word replaced by one of another reply to a question of the same kind."""
    pools: dict[str, list[str]] = defaultdict(list)
    for it in replies:
        pools[kinds[it.reply.question]] += WORD.findall(it.reply.text)
    for it in replies:
        chance, found = _chance(seed, it), list(WORD.finditer(it.reply.text))
        if not found:
            continue
        match = chance.choice(found)
        others = [word for word in pools[kinds[it.reply.question]] if word.casefold() != match[0].casefold()]
        if others:
            yield _swapped(it, match.start(), match.end(), chance.choice(others))


def likely_words(replies: Sequence[Said], scorer: Scorer, seed: str) -> Iterator[Altered]:
    """Yield replies with one word replaced by the model's second to fifth choice for its place."""
    for it in replies:
        chance = _chance(seed, it)
        reader = Reader(scorer=scorer, messages=it.request.messages, tau=0.5, passes=4, width=4)
        [readings] = reader.read([Draft(text=it.reply.text.encode(), ended=it.reply.stopped)])
        if not readings:
            continue
        reading = readings[-1]
        starts = {start + 1: row for row, start in enumerate([0, *reading.ends[:-1]])}
        # The last word may have been cut; the first has no space before it, and so no token of its own kind.
        found = [word for word in words(it.reply.text)[1:-1] if word.text.isalpha() and word.space == " "]
        for word in chance.sample(found, len(found)):
            row = starts.get(word.at + 1)
            if row is None:
                continue
            token = int(reading.scores.top_ids[row][chance.choice(RANKS)])
            [said] = continuations(reader, [((*reading.ids[:row], token), row)], count=1, tokens=4)
            new = said.pieces[0].strip() if said.pieces and said.pieces[0].startswith(" ") else ""
            if new.isalpha() and new.casefold() != word.text.casefold() and token != reading.ids[row]:
                top = reading.scores.top_logprob[row]
                place = list(reading.scores.top_ids[row]).index(token)
                yield _swapped(it, word.start, word.end, new, gap=float(top[0] - top[place]))
                break


def appended(replies: Sequence[Said], seed: str) -> Iterator[Altered]:
    """Yield replies with a sentence after them, where the model is said to have ended."""
    for it in replies:
        text = f"{it.reply.text.rstrip()} {_chance(seed, it).choice(APPENDED)}"
        yield Altered(said=it, text=text, stopped=True)


def prefixed(replies: Sequence[Said], seed: str) -> Iterator[Altered]:
    """Yield replies with a sentence before them."""
    for it in replies:
        text = f"{_chance(seed, it).choice(PREFIXED)} {it.reply.text.lstrip()}"
        yield Altered(said=it, text=text, stopped=it.reply.stopped)


def refused(replies: Sequence[Said], seed: str) -> Iterator[Altered]:
    """Yield a refusal in place of each reply."""
    for it in replies:
        yield Altered(said=it, text=_chance(seed, it).choice(REFUSALS), stopped=True)


def cut(replies: Sequence[Said], seed: str) -> Iterator[Altered]:
    """Yield replies cut in the middle and said to have ended there: after a sentence where one ends, or a word."""
    for it in replies:
        found = words(it.reply.text)
        middle = found[len(found) // 4 : 3 * len(found) // 4]
        ends = [word for word in middle if word.text in {".", "!", "?"}] or list(middle)
        if ends:
            yield Altered(said=it, text=it.reply.text[: _chance(seed, it).choice(ends).end], stopped=True)


def _swapped(it: Said, start: int, end: int, new: str, gap: float | None = None) -> Altered:
    text = it.reply.text[:start] + new + it.reply.text[end:]
    return Altered(said=it, text=text, stopped=it.reply.stopped, places=((start, start + len(new)),), gap=gap)


def _chance(seed: str, it: Said) -> random.Random:
    return random.Random(f"{seed}:{it.reply.key}:{len(it.reply.text)}")  # noqa: S311 - no secret
