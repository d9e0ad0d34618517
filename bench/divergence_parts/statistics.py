"""Two-sample statistics. Pure numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def hamming_kernel(tokens: Sequence[Sequence[int]], prompts: Sequence[str] | None) -> Floats:
    """Return how many positions of each pair of replies hold the same token, as a share of the longest reply.

    With prompts given, replies to different prompts have nothing in common (Model Equality Testing, 2410.20247).
    """
    longest = max(map(len, tokens), default=1)
    table = np.full((len(tokens), longest), -1)
    for row, ids in zip(table, tokens, strict=True):
        row[: len(ids)] = ids
    same = np.zeros((len(tokens), len(tokens)))
    for column in table.T:
        same += column[:, None] == column[None, :]
    if prompts is not None:
        names = np.asarray(prompts)
        same *= names[:, None] == names[None, :]
    return same / longest


def mmd(kernel: Floats, first: int, rng: np.random.Generator, permutations: int) -> tuple[float, float]:
    """Return how many deviations the MMD of the first rows from the others lies above permuted ones, and its p-value.

    The diagonal adds the same to every permutation, so that it needs no correction here.
    """
    size = len(kernel)
    signs = np.full(size, -1.0 / (size - first))
    signs[:first] = 1.0 / first
    shuffled = rng.permuted(np.tile(signs, (permutations, 1)), axis=1)
    seen = float(signs @ kernel @ signs)
    null = np.einsum("ij,jk,ik->i", shuffled, kernel, shuffled, optimize=True)
    spread = float(null.std()) or 1.0
    p_value = (1 + int((null >= seen - 1e-12).sum())) / (permutations + 1)
    return (seen - float(null.mean())) / spread, p_value


def rank_of(score: float, reference: Sequence[float], chance: float) -> float:
    """Return the randomised rank of a score among reference scores, between 0 and 1 (2506.06975)."""
    below = sum(other < score for other in reference)
    ties = sum(other == score for other in reference)
    return (below + chance * (1 + ties)) / (len(reference) + 1)


def cramer_von_mises(ranks: Sequence[float]) -> float:
    """Return how far ranks are from uniform on [0, 1]."""
    ordered = np.sort(np.asarray(ranks, dtype=float))
    n = len(ordered)
    expected = (2 * np.arange(1, n + 1) - 1) / (2 * n)
    return float(1 / (12 * n) + ((ordered - expected) ** 2).sum())


def at_matched_rate(benign: Sequence[Floats], altered: Floats, rate: float = 0.01) -> float:
    """Return the share of altered scores above what at most `rate` of the scores of any benign engine exceed."""
    threshold = max(float(np.quantile(scores, 1 - rate, method="higher")) for scores in benign)
    return float((altered > threshold).mean())
