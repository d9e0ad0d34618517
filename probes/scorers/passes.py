"""Passes of the model over conversations, as few and as small as can be, and what is kept of each.

The search for a good cut and the repair of an edited reply score many replies that begin alike, in one call and from
call to call. So the model reads the beginning that all of them share once, and remembers the last one that it read.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.channels.weights import Weights
from probes.scorers.spelling import unscorable
from watchdog.ports import TokenScores

_MOST_LOGITS = 2**25
"""Computed at a time: 128 MB of them, however long the replies are and however large the vocabulary is."""
_MOST_TOKENS = 4096
"""Remembered at a time, over all replies of a batch: the memory of a model is several hundred kilobytes a token."""

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is kept of the logits at some rows of several replies; the first two axes are reply and row."""

    taken: NDArray[np.float64]
    top_ids: NDArray[np.int64]
    top_logprob: NDArray[np.float64]
    end: NDArray[np.float64]

    def upto(self, row: int) -> "Rows":
        """Return the rows before one."""
        return Rows(self.taken[:, :row], self.top_ids[:, :row], self.top_logprob[:, :row], self.end[:, :row])

    def scores(self, number: int, length: int, *, windowed_from: int | None = None) -> TokenScores:
        """Return the scores of one reply.

        Raises ScoringError (unscorable) when they are not finite.
        """
        scores = TokenScores(
            logprob=self.taken[number, :length],
            top_ids=self.top_ids[number, : length + 1],
            top_logprob=self.top_logprob[number, : length + 1],
            end_logprob=self.end[number, : length + 1],
            windowed_from=windowed_from,
        )
        if not all(np.isfinite(part).all() for part in (scores.logprob, scores.top_logprob, scores.end_logprob)):
            raise unscorable(
                "the model's scores of a reply are not finite",
                hint="check the weights and the precision they are loaded in",
            )
        return scores


@dataclass(frozen=True, slots=True)
class _Path:
    """A conversation that the model has read: a prompt, and the beginning of a reply."""

    ids: Ids
    prompt: int
    cache: Any
    rows: Rows
    """Of every token of the reply; what was taken after the last one is not known."""
    logits: Tensor
    """After the last token; shape (1, 1, vocabulary)."""


class Passes:
    """Runs the model; one call at a time, and the caller sees to that."""

    def __init__(self, weights: Weights, *, top_k: int) -> None:
        self._weights = weights
        self._size: int = weights.model.get_output_embeddings().weight.shape[0]
        self._top_k = min(top_k, self._size)
        self._ends = torch.tensor(weights.ends)
        self._path: _Path | None = None

    def score(self, prompt: Ids, replies: Sequence[Ids]) -> Iterator[TokenScores]:
        """Yield the scores of replies that fit into the model's context together with the prompt."""
        if not replies:
            return
        shared = _beginning(replies)
        path = self._follow(prompt, shared)
        rests = [reply[len(shared) :] for reply in replies]
        for batch in _batches(len(path.ids), rests):
            rows = self._branch(path, batch)
            for number, rest in enumerate(batch):
                yield rows.scores(number, len(shared) + len(rest))

    def score_windowed(self, prompt: Ids, reply: Ids, context: int) -> TokenScores:
        """Return the scores of a reply whose conversation is longer than the context."""
        said, before = (*prompt, *reply), len(prompt) - 1
        rows, windowed_from = [], None
        for start, first, last in windows(before, len(said), context):
            part = said[start:last], first - start, said[last : last + 1]
            rows.append(self._read(self._weights.new_cache(), *part)[0])
            if start and windowed_from is None:
                windowed_from = first - before
        return _joined(rows).scores(0, len(reply), windowed_from=windowed_from)

    def _follow(self, prompt: Ids, shared: Ids) -> _Path:
        """Return the path to the end of what the replies share, beginning with what the last path shares with it."""
        ids, last, self._path = (*prompt, *shared), self._path, None
        known = 0 if last is None else len(_beginning([ids, last.ids]))
        if last is not None and last.ids == ids and last.prompt == len(prompt):
            self._path = last
            return last
        # One token fewer is kept than is known, because the logits after the last one depend on it being read.
        keep = known - 1
        if last is None or last.prompt != len(prompt) or known < len(prompt) or not self._shortened(last, keep):
            cache, keep, before = self._weights.new_cache(), 0, []
        else:
            cache, before = last.cache, [last.rows.upto(known - len(prompt))]
        rows, logits = self._read(cache, ids[keep:], max(len(prompt) - 1 - keep, 0))
        self._path = _Path(ids, len(prompt), cache, _joined([*before, rows]), logits)
        return self._path

    def _shortened(self, path: _Path, tokens: int) -> bool:
        return self._weights.shorten(path.cache, len(path.ids) - tokens)

    def _branch(self, path: _Path, rests: Sequence[Ids]) -> Rows:
        """Return the rows of replies, from what they share on to the end of the longest of them."""
        longest = max(map(len, rests))
        # Padding needs no mask: it is on the right, and a causal model never looks there.
        padded = [(*rest, *[self._weights.ends[0]] * (longest - len(rest))) for rest in rests]
        before = path.rows.upto(len(path.ids) - path.prompt)
        rows = [Rows(*(part.repeat(len(rests), axis=0) for part in (_parts(before))))]
        rows.append(self._kept(path.logits.expand(len(rests), 1, -1), [it[:1] for it in padded]))
        if longest:
            cache = copy.deepcopy(path.cache)
            cache.batch_repeat_interleave(len(rests))
            rows += [kept for kept, _ in self._steps(padded, [it[1:] for it in padded], cache)]
        return _joined(rows)

    def _read(self, cache: Any, ids: Ids, first: int, following: Ids = ()) -> tuple[Rows, Tensor]:
        """Let the model read tokens, and keep what it says after each from the given one on, and the last logits."""
        for at in range(0, first, _MOST_TOKENS):
            self._weights.run([ids[at : min(at + _MOST_TOKENS, first)]], cache, last_only=True)
        steps = list(self._steps([ids[first:]], [(*ids[first + 1 :], *following)], cache))
        return _joined([rows for rows, _ in steps]), steps[-1][1]

    def _steps(self, ids: Sequence[Ids], following: Sequence[Ids], cache: Any) -> Iterator[tuple[Rows, Tensor]]:
        """Yield what the model says after each token, and its last logits, a limited number of them at a time."""
        step = max(1, _MOST_LOGITS // (self._size * len(ids)))
        for at in range(0, len(ids[0]), step):
            logits = self._weights.run([it[at : at + step] for it in ids], cache)
            yield self._kept(logits, [it[at : at + step] for it in following]), logits[:, -1:].clone()

    def _kept(self, logits: Tensor, following: Sequence[Ids]) -> Rows:
        """Keep what scores need of logits (reply, row, vocabulary), given the tokens that do follow."""
        logits = logits.float()
        total = logits.logsumexp(dim=-1)
        top = logits.topk(self._top_k, dim=-1)
        # After the last row nothing follows; what is gathered there is never looked at.
        ids = torch.tensor([[*it, 0][: logits.shape[1]] for it in following], dtype=torch.long)
        taken = logits.gather(2, ids[:, :, None])[:, :, 0]
        return Rows(
            taken=(taken - total).double().numpy(),
            top_ids=top.indices.numpy(),
            top_logprob=(top.values - total[:, :, None]).double().numpy(),
            end=(logits[:, :, self._ends].logsumexp(dim=-1) - total).double().numpy(),
        )


def windows(first: int, stop: int, context: int) -> Iterator[tuple[int, int, int]]:
    """Yield windows over a conversation, half a context apart: where each starts, and the tokens scored in it.

    What lies between the two gives context only: at least half of one, unless the window starts with the conversation.
    """
    half = max(1, context // 2)
    while first < stop:
        number = 0 if first < context else (first - context) // half + 1
        last = min(number * half + context, stop)
        yield number * half, first, last
        first = last


def _beginning(texts: Sequence[Ids]) -> Ids:
    """Return what all of them begin with."""
    return tuple(column[0] for column in takewhile(lambda it: len(set(it)) == 1, zip(*texts, strict=False)))


def _batches(known: int, rests: Sequence[Ids]) -> Iterator[Sequence[Ids]]:
    """Divide replies so that what the model has to remember of a batch stays limited."""
    size = max(1, _MOST_TOKENS // (known + max(map(len, rests))))
    for start in range(0, len(rests), size):
        yield rests[start : start + size]


def _parts(rows: Rows) -> tuple[NDArray[Any], ...]:
    return rows.taken, rows.top_ids, rows.top_logprob, rows.end


def _joined(rows: Sequence[Rows]) -> Rows:
    """Return the rows one after the other."""
    return Rows(*(np.concatenate(parts, axis=1) for parts in zip(*map(_parts, rows), strict=True)))
