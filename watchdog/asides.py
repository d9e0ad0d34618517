"""Replies that name a model which somebody declared: put aside and counted, never clean, and never a hit.

The id is written by the watched side, so this hides an editor for as long and as often as the declaration says. Where
more replies name it than that, beyond what chance explains, none of them is put aside any more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from watchdog.domain.decisions import Compared, RolloutSeen
from watchdog.domain.rollouts import Expects, Rollout, RolloutCount

WHOLE_LIFE = 0.01
"""The chance that a rollout which keeps to its share is ever said to exceed it, in its whole window."""


@dataclass(slots=True)
class Asides:
    """Sifts the replies of one sitting; grows with each batch."""

    rollouts: Sequence[Rollout]
    """What was declared for the target."""
    counts: dict[str, RolloutCount]
    """By rollout; what was counted before the sitting, and in it."""
    _moved: list[str] = field(default_factory=list)

    def sift(self, compared: Sequence[Compared]) -> list[Compared]:
        """Return the replies, those marked that were put aside; once a share was exceeded, none is any more."""
        sifted = list(compared)
        for rollout in self.rollouts:
            if rollout.expects is Expects.MODEL_ID:
                sifted = self._sift(rollout, sifted)
        return sifted

    def decisions(self, at: datetime) -> list[RolloutSeen]:
        """Return what is to be recorded: the counts that changed."""
        return [RolloutSeen(at=at, count=self.counts[id_]) for id_ in self._moved]

    def _sift(self, rollout: Rollout, compared: list[Compared]) -> list[Compared]:
        came = [it for it in compared if it.model and rollout.in_force(it.at)]
        named = {it.id for it in came if rollout.expects_id(it.model) and not it.declared}
        if not came:
            return compared
        was = self.counts[rollout.id]
        self._moved += [] if rollout.id in self._moved else [rollout.id]
        now = replace(was, replies=was.replies + len(came), named=was.named + len(named))
        exceeded = was.aside < was.named or exceeds(now.named, now.replies, rollout.share)
        aside = set() if exceeded else named
        self.counts[rollout.id] = replace(now, aside=now.aside + len(aside))
        return [replace(it, declared=rollout.id) if it.id in aside else it for it in compared]


def exceeds(named: int, replies: int, share: float) -> bool:
    """Tell whether more replies named a model than a share explains, at a level that adds up over all looks.

    The exact binomial test at the look after n replies has the level 6 / (π² n²) of WHOLE_LIFE; these sum to it.
    """
    if not named or share >= 1.0:
        return False
    return _at_least(named, replies, share) < WHOLE_LIFE * 6 / (math.pi * replies) ** 2


def _at_least(hits: int, trials: int, share: float) -> float:
    """Return the chance of so many hits or more."""
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(n + 1)
            - math.lgamma(trials - n + 1)
            + n * math.log(share)
            + (trials - n) * math.log1p(-share)
        )
        for n in range(hits, trials + 1)
    )
