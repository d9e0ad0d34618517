"""`usage_drift`: a client's requests are no longer what they were in its first ones."""

import math
from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.needs import needed
from detectors.clients.places import where
from detectors.clients.signals import HIT, MISS, Kind, Sight
from detectors.clients.state import Habits
from watchdog.domain.queries import Query

BLOCK: Final = 20
"""Requests whose mean is one unit: what one conversation does is no drift."""
BLOCKS: Final = 15
"""Blocks that say what is usual for the client. They are its first ones, and stay."""
FAR: Final = 5.0
"""Standard deviations of the mean of a block."""
LEAST: Final = 0.3
"""Difference of the logarithms of mean lengths that is nothing to speak of, however steady the client was."""
STRANGE: Final = 0.5
"""Share of a block's requests to an endpoint or model that was never used before."""
MOST_PLACES: Final = 16
"""Endpoints with their models that are remembered as usual."""
KINDS: Final = (
    Kind(
        name="drift",
        why="unlike its first requests",
        floor=0.05,
        assumed=0.5,
        needs=needed("client|address", "prompt|tokens_in"),
    ),
)


@dataclass(frozen=True, slots=True)
class Drift:
    """Compares blocks of requests with the client's first blocks: lengths, endpoints and models.

    Satisfies signals.Signal.
    """

    kinds: tuple[Kind, ...] = field(default=KINDS)
    rule: str = "usage_drift"
    own_first: int = 0

    def look(self, facts: Facts) -> Sight | None:
        """Say hit or miss with the last request of a block."""
        habits = facts.client.habits
        if habits is None or habits.requests + 1 < BLOCK or habits.blocks < BLOCKS:
            return None
        more = lengths(facts.query, habits)
        if more is None:
            return None
        strange = habits.strange + (where(facts.query) not in habits.places)
        far = _far(_block(habits.sent + more[0], habits.got + more[1]), habits)
        return HIT if strange >= STRANGE * BLOCK or far else MISS

    usual = look


def lengths(query: Query, habits: Habits) -> tuple[float, float] | None:
    """Return how long a prompt is, in characters, and a reply, in tokens; about, where they are told otherwise.

    None where the prompt's length is not told. A reply whose length is not told, as that of a request that failed,
    is as long as is usual for the client: no log's gap is a drift.
    """
    if query.prompt is None and query.tokens_in is None:
        return None
    sent = len(query.prompt) if query.prompt is not None else 4 * (query.tokens_in or 0)
    if query.tokens_out is None and query.reply is None:
        return sent, math.expm1(habits.means[1])
    return sent, query.tokens_out if query.tokens_out is not None else len(query.reply or "") // 4


def _block(sent: float, got: float) -> tuple[float, float]:
    """Return the logarithms of a block's mean lengths."""
    return math.log1p(sent / BLOCK), math.log1p(got / BLOCK)


def _far(block: tuple[float, float], habits: Habits) -> bool:
    for mean, usual, squares in zip(block, habits.means, habits.squares, strict=True):
        spread = math.sqrt(squares / (habits.blocks - 1) * (1 + 1 / habits.blocks))
        if abs(mean - usual) > max(LEAST, FAR * spread):
            return True
    return False


def lived(habits: Habits, facts: Facts) -> None:
    """Take a request into the block that runs, and the block into the client's habits while these are being learned."""
    more = lengths(facts.query, habits)
    if more is None:
        return
    here, learning = where(facts.query), habits.blocks < BLOCKS
    if here not in habits.places:
        habits.strange += 1
        if learning and len(habits.places) < MOST_PLACES * len(here):
            habits.places += here
    habits.sent += more[0]
    habits.got += more[1]
    habits.requests += 1
    if habits.requests < BLOCK:
        return
    if learning:
        _learn(habits)
    habits.requests, habits.strange, habits.sent, habits.got = 0, 0, 0.0, 0.0


def _learn(habits: Habits) -> None:
    habits.blocks += 1
    block = _block(habits.sent, habits.got)
    steps = (block[0] - habits.means[0], block[1] - habits.means[1])
    habits.means = (habits.means[0] + steps[0] / habits.blocks, habits.means[1] + steps[1] / habits.blocks)
    habits.squares = (
        habits.squares[0] + steps[0] * (block[0] - habits.means[0]),
        habits.squares[1] + steps[1] * (block[1] - habits.means[1]),
    )
