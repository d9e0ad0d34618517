"""Measure one section of the table after the other, each on replies that are gathered when they are first needed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, zip_longest
from pathlib import Path

from divergence_parts import alterations, calling, engines, rows
from divergence_parts.corpus import Corpus, Said
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
from divergence_parts.judging import Judge, Recording, Verdicts
from figures import Figure, progress
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


@dataclass(frozen=True, kw_only=True)
class Material:
    """The replies that everything is measured on; those that the corpus lacks are generated when they are needed."""

    size: Size
    deck: Deck
    model: Path
    """The transformers folder that the weights are of."""
    weights: Weights
    corpus: Corpus
    reused: int
    """Replies that were in the corpus already."""

    @cached_property
    def benign(self) -> Mapping[str, Sequence[Said]]:
        """Those of every benign engine."""
        return engines.benign(self.corpus, self.deck, self.model, self.weights, self.size.share)

    @cached_property
    def alone(self) -> tuple[int, int]:
        """How many batched replies are the same text when generated alone, and of how many."""
        return engines.invariance(self.corpus, self.benign["fp32"], self.weights, self.size.alone)

    @cached_property
    def dynamic(self) -> Sequence[Said]:
        """Those of torch's dynamic quantisation."""
        return engines.dynamic(self.corpus, self.deck, self.weights, self.size.others)

    @cached_property
    def other(self) -> Mapping[str, Sequence[Said]]:
        """Those of each altered model."""
        return alterations.other_weights(self.corpus, self.deck, self.weights, self.size.others)

    @cached_property
    def calls(self) -> calling.Calls:
        """Those that are tool calls."""
        return calling.calls(self.corpus, self.model, self.weights, self.size.calls)

    def gather(self) -> None:
        """Generate all that the corpus lacks."""
        _ = self.benign, self.alone, self.dynamic, self.other, self.calls

    def mixed(self) -> list[Said]:
        """Return one reply for each conversation, of the engines in turn."""
        pools = [list(replies) for replies in self.benign.values()]
        turned = [pool[n % max(1, len(pool)) :] + pool[: n % max(1, len(pool))] for n, pool in enumerate(pools)]
        seen: dict[tuple[str, int, int], Said] = {}
        for it in chain.from_iterable(zip_longest(*turned)):
            if it is not None:
                seen.setdefault(it.reply.key, it)
        return list(seen.values())


@dataclass(frozen=True)
class Judging:
    """The same replies judged, each kind once."""

    material: Material

    @cached_property
    def judge(self) -> Judge:
        """The product's own test."""
        return Judge(Recording(WeightsScorer(self.material.weights)))

    @cached_property
    def benign(self) -> dict[str, Verdicts]:
        """Replies of every benign engine, as they came."""
        return {name: self.judge.untouched(replies) for name, replies in self.material.benign.items()}

    @cached_property
    def edited(self) -> dict[str, Verdicts]:
        """Replies with one edited word, by kind of edit."""
        return _edited(self.judge, self.material)


def _benign(it: Judging) -> list[Figure]:
    dynamic = it.judge.untouched(it.material.dynamic)
    return rows.benign(it.benign, dynamic, it.material.alone, it.material.reused)


def _words(it: Judging) -> list[Figure]:
    several = it.judge.all(_several(it.material), spans=True)
    return rows.words(it.edited, several, it.material.size.marked)


def _cost(it: Judging) -> list[Figure]:
    asked = it.material.mixed()[: it.material.size.timed]
    return rows.cost(it.material.weights, [said.conversation for said in asked])


SECTIONS: Mapping[str, Callable[[Judging], list[Figure]]] = {
    "edits": lambda it: rows.one_word(it.edited),
    "benign": _benign,
    "changes": lambda it: rows.other_changes(_others(it.judge, it.material)),
    "calls": lambda it: rows.tool_calls(it.material.calls, calling.call_test(it.material.weights)),
    "words": _words,
    "baselines": lambda it: rows.baselines(it.benign, it.edited),
    "cost": _cost,
}
"""The sections of the table, in its order."""


def measure(material: Material, names: Collection[str]) -> list[Figure]:
    """Return the figures of the named sections."""
    judging, figures = Judging(material), list[Figure]()
    for name, section in SECTIONS.items():
        if name in names:
            figures += section(judging)
            progress(name)
    return figures


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
