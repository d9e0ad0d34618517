"""The one place that knows river: change of a level (ADWIN), and oddness of a whole row (half-space trees).

Neither decides anything. What they would contribute was measured, and is in docs/how-logs-are-judged.md; the
measurement is `bench/river_contribution.py`. Their state has no form but pickle, which is never read here.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from river import anomaly, drift


@dataclass(slots=True)
class Level:
    """Whether the mean of a sequence changed (ADWIN; Bifet and Gavaldà 2007). Not frozen: it learns."""

    confidence: float = 0.002
    _adwin: drift.ADWIN = field(init=False)

    def __post_init__(self) -> None:
        self._adwin = drift.ADWIN(delta=self.confidence)

    def changed(self, value: float) -> bool:
        """Take a value in, and tell whether the mean is not any more what it was."""
        self._adwin.update(value)
        return bool(self._adwin.drift_detected)


@dataclass(slots=True)
class Oddness:
    """How odd a row of numbers is beside those that were learned (half-space trees; Tan et al. 2011).

    It learns from rows that nothing speaks against, and each client has a capped share of what is learned: else a flood
    teaches it that floods are usual. Not frozen: it learns.
    """

    limits: Sequence[tuple[float, float]]
    """Least and greatest value of each number; outside of them it counts as the nearest."""
    seed: int = 7
    window: int = 250
    most_of_one: int = 12
    """Rows of one client among the last `window` that are learned."""
    _trees: anomaly.HalfSpaceTrees = field(init=False)
    _learned: deque[str] = field(init=False)

    def __post_init__(self) -> None:
        self._trees = anomaly.HalfSpaceTrees(n_trees=10, height=8, window_size=self.window, seed=self.seed)
        self._learned = deque(maxlen=self.window)

    def score(self, row: Sequence[float]) -> float:
        """Return how odd a row is, from 0 to 1; 0 for all until the first window is full."""
        return float(self._trees.score_one(self._scaled(row)))

    def learn(self, client: str, row: Sequence[float], *, suspicious: bool) -> None:
        """Learn a row, unless it is suspicious or its client had its share."""
        if not suspicious and self._learned.count(client) < self.most_of_one:
            self._learned.append(client)
            self._trees.learn_one(self._scaled(row))

    def _scaled(self, row: Sequence[float]) -> dict[int, float]:
        return {
            place: min(1.0, max(0.0, (value - low) / (high - low)))
            for place, (value, (low, high)) in enumerate(zip(row, self.limits, strict=True))
        }
