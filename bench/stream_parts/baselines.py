"""What else would watch clients: a rate limit, near-duplicates, a refusal rate, and river's HalfSpaceTrees.

Each gives a client a score after each of its requests, and alarms above the highest score that it gave any client on a
benign stretch of its own. That favours them: a week of benign traffic has higher scores than some minutes of it.
"""

import math
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from river import anomaly, preprocessing

from stream_parts.phrases import REFUSALS
from watchdog.domain.queries import Query

_LAST = 20
"""Requests of a client that near-duplicates and refusals are counted over."""
_LEAST = 5
"""Requests before a share means anything."""


class Baseline(Protocol):
    """A score of one client, brought up to date by each of its requests."""

    def score(self, query: Query) -> float:
        """Take a request in and return its client's score; higher is stranger."""
        ...


class RateLimit:
    """Counts a client's requests in the last minute."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = {}

    def score(self, query: Query) -> float:
        """Return how many requests the client sent within the last minute."""
        recent = self._recent.setdefault(query.client or "", deque())
        recent.append(query.at)
        while recent[0] < query.at - 60:
            recent.popleft()
        return len(recent)


class NearDuplicates:
    """Counts a client's recent prompts that nearly repeat another: half of their word triples in common."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[tuple[frozenset[str], bool]]] = {}

    def score(self, query: Query) -> float:
        """Return the share of near-duplicates among the client's last requests."""
        recent = self._recent.setdefault(query.client or "", deque(maxlen=_LAST))
        triples = _triples(query.prompt or "")
        recent.append((triples, any(_jaccard(triples, other) >= 0.5 for other, _ in recent)))
        return sum(repeated for _, repeated in recent) / _LAST


class RefusalRate:
    """Takes the share of refusals among a client's last requests, whatever is usual for its kind."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[bool]] = {}

    def score(self, query: Query) -> float:
        """Return the share of refused requests among the last ones, once there are a few."""
        recent = self._recent.setdefault(query.client or "", deque(maxlen=_LAST))
        recent.append(refused(query))
        return sum(recent) / len(recent) if len(recent) >= _LEAST else 0.0


class HalfSpaceTrees:
    """Takes river's trees over scaled features, as its documentation shows; the mean of ten requests."""

    def __init__(self) -> None:
        self._model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1)
        self._seen: dict[str, float] = {}
        self._recent: dict[str, deque[float]] = {}

    def score(self, query: Query) -> float:
        """Return the mean score of the client's last ten requests; learns each of them, as river does."""
        found = features(query, self._seen)
        recent = self._recent.setdefault(query.client or "", deque(maxlen=10))
        recent.append(self._model.score_one(found))
        self._model.learn_one(found)
        return sum(recent) / len(recent) if len(recent) >= _LEAST else 0.0


BASELINES: Mapping[str, Callable[[], Baseline]] = {
    "rate limit": RateLimit,
    "near-duplicates": NearDuplicates,
    "refusal rate": RefusalRate,
    "river HalfSpaceTrees": HalfSpaceTrees,
}


def calibrate(baseline: Baseline, benign: Iterable[Query], *, spared: str) -> float:
    """Return the highest score of any client on a benign stretch, those of a declared population left out."""
    return max((baseline.score(query) for query in benign if not (query.client or "").startswith(spared)), default=0.0)


def first_alarms(baseline: Baseline, threshold: float, queries: Iterable[Query]) -> dict[str, float]:
    """Return when each client first scored above the threshold."""
    found: dict[str, float] = {}
    for query in queries:
        if baseline.score(query) > threshold:
            found.setdefault(query.client or "", query.at)
    return found


def refused(query: Query) -> bool:
    """Tell whether a reply begins as refusals of the bench begin, or the API says so."""
    return bool(query.refused) or (query.reply or "").startswith(_BEGINNINGS)


def features(query: Query, seen: dict[str, float]) -> dict[str, float]:
    """Return twelve numbers of one request; `seen` keeps when each client came last."""
    prompt, client = query.prompt or "", query.client or ""
    raw = prompt.encode()[:2000]
    pause = query.at - seen.get(client, query.at - 3600)
    seen[client] = query.at
    return {
        "length": math.log1p(len(prompt)),
        "symbols": sum(not it.isalnum() and not it.isspace() for it in prompt[:500]) / (len(prompt[:500]) or 1),
        "compression": len(zlib.compress(raw, 1)) / (len(raw) or 1),
        "refused": float(refused(query)),
        "tokens_in": math.log1p(query.tokens_in or 0),
        "tokens_out": math.log1p(query.tokens_out or 0),
        "turns": math.log1p(query.turns or 0),
        "pause": math.log1p(max(0.0, pause)),
        "prefill": float(bool(query.prefill)),
        "top_logprobs": float(query.top_logprobs or 0),
        "logit_bias": math.log1p(query.logit_bias or 0),
        "hour": query.at % 86400 / 3600,
    }


_BEGINNINGS = tuple(it[:12] for it in REFUSALS)


def _triples(prompt: str) -> frozenset[str]:
    words = prompt[:2000].split()
    return frozenset(" ".join(words[n : n + 3]) for n in range(max(1, len(words) - 2)))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


class NaivePipeline:
    """What one would write first: json, feature dicts, StandardScaler and HalfSpaceTrees, MinHash in a dictionary."""

    WINDOW = 20_000
    """Hashes that are remembered."""

    def __init__(self) -> None:
        self._minhash = import_module("rensa").RMinHash if find_spec("rensa") else None
        self._model = preprocessing.StandardScaler() | anomaly.HalfSpaceTrees(seed=1)
        self._seen: dict[str, float] = {}
        self._bands: OrderedDict[tuple[int, ...], str] = OrderedDict()

    def take(self, query: Query) -> float:
        """Score and learn one request, and look for near-duplicates of its prompt."""
        found = features(query, self._seen)
        score = float(self._model.score_one(found))
        self._model.learn_one(found)
        if self._minhash is not None:
            self._similar(query, self._minhash(num_perm=128, seed=1))
        return score

    def _similar(self, query: Query, sketch: Any) -> int:
        prompt = (query.prompt or "")[:2000]
        sketch.update([prompt[n : n + 5] for n in range(max(1, len(prompt) - 4))])
        digest, hits = sketch.digest(), 0
        for band in range(0, 128, 4):
            key = (band, *digest[band : band + 4])
            hits += key in self._bands
            self._bands[key] = query.id or ""
            self._bands.move_to_end(key)
        while len(self._bands) > 32 * self.WINDOW:
            self._bands.popitem(last=False)
        return hits
