"""Measure one row after the other on the replies that were gathered."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from divergence_parts import calling, rows
from divergence_parts.corpus import Said
from divergence_parts.deck import Deck
from divergence_parts.edits import (
    Altered,
    appended,
    cut,
    likely_words,
    prefixed,
    random_words,
    refused,
    value_words,
)
from divergence_parts.figures import Figure
from divergence_parts.judging import Judge, Recording, Verdicts
from probes.channels.weights import Weights
from probes.scorers.weights import WeightsScorer

SEED = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    share: float
    """Of the benign replies of a full run."""
    edits: int
    """Replies of each kind with one edited word."""
    marked: int
    """Of these, and of the others with several edits, how many have their words looked for."""
    others: int
    """Replies of each other kind of change."""
    alone: int
    """Batched replies that are generated alone as well."""
    timed: int
    """Conversations whose scoring and generating is timed."""
    calls: int
    """Questions that offer a tool."""


FULL = Size(share=1.0, edits=200, marked=60, others=60, alone=24, timed=12, calls=52)
QUICK = Size(share=0.012, edits=6, marked=2, others=2, alone=1, timed=1, calls=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The replies that everything is measured on."""

    size: Size
    deck: Deck
    weights: Weights
    benign: Mapping[str, Sequence[Said]]
    alone: tuple[int, int]
    dynamic: Sequence[Said]
    other: Mapping[str, Sequence[Said]]
    calls: calling.Calls
    reused: int
    """Replies that were in the corpus already."""

    def mixed(self) -> list[Said]:
        """Return one reply for each conversation, of the engines in turn."""
        pools = [list(replies) for replies in self.benign.values()]
        turned = [pool[n % max(1, len(pool)) :] + pool[: n % max(1, len(pool))] for n, pool in enumerate(pools)]
        seen: dict[tuple[str, int, int], Said] = {}
        for it in chain.from_iterable(zip_longest(*turned)):
            if it is not None:
                seen.setdefault(it.reply.key, it)
        return list(seen.values())


def measure(material: Material) -> list[Figure]:
    """Return all figures. Another section is one more function in `rows`, and one more line here."""
    judge = Judge(Recording(WeightsScorer(material.weights)))
    benign = {name: judge.untouched(replies) for name, replies in material.benign.items()}
    progress("benign replies judged")
    edited = _edited(judge, material)
    progress("replies with one edited word judged")
    others = _others(judge, material)
    progress("other changes judged")
    figures = [
        *rows.one_word(edited),
        *rows.benign(benign, judge.untouched(material.dynamic), material.alone, material.reused),
        *rows.other_changes(others),
        *rows.tool_calls(material.calls, calling.call_test(material.weights)),
        *rows.words(edited, judge.all(_several(material), spans=True), material.size.marked),
    ]
    progress("edited words looked for")
    figures += rows.baselines(benign, edited)
    progress("other tests run")
    return figures + rows.cost(material.weights, [it.conversation for it in material.mixed()[: material.size.timed]])


def progress(what: str) -> None:
    """Say on the standard error how far a long run is, and how much processor time it took."""
    print(f"{time.process_time():7.0f} s of processor time: {what}", file=sys.stderr, flush=True)


def _edited(judge: Judge, material: Material) -> dict[str, Verdicts]:
    replies, size = material.mixed(), material.size
    kinds = {question.id: question.kind for question in material.deck.questions}
    made = {
        "value word": islice(value_words(replies, 1, SEED), size.edits),
        "random word": islice(random_words(replies, kinds, SEED), size.edits),
        "likely word": islice(likely_words(replies, judge.scorer.scorer, SEED), size.edits),
    }
    return {name: _partly_marked(judge, list(altered), size.marked) for name, altered in made.items()}


def _partly_marked(judge: Judge, altered: Sequence[Altered], marked: int) -> Verdicts:
    first, rest = judge.all(altered[:marked], spans=True), judge.all(altered[marked:])
    return Verdicts(judged=first.judged + rest.judged, unscorable=first.unscorable + rest.unscorable)


def _several(material: Material) -> list[Altered]:
    several = (it for it in value_words(material.mixed(), 3, f"{SEED} several") if len(it.places) > 1)
    return list(islice(several, material.size.marked))


def _others(judge: Judge, material: Material) -> dict[str, Verdicts]:
    # Spread over the whole list, so that every engine and question is among them.
    mixed, count = material.mixed(), material.size.others
    replies = mixed[:: max(1, len(mixed) // count)]
    long = [it for it in replies if len(it.reply.text.split()) >= 8]
    made = {
        "sentence appended": appended(replies, SEED),
        "sentence put before": prefixed(replies, SEED),
        "cut, said to have ended": cut(long, SEED),
        "refusal put in place": refused(replies, SEED),
    }
    found = {name: judge.all(islice(altered, count)) for name, altered in made.items()}
    return found | {name: judge.untouched(replies) for name, replies in material.other.items()}
