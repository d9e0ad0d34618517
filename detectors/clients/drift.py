"""`usage_drift`: a client's requests are no longer what they were in its first ones."""

import math
from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.places import where
from detectors.clients.signals import Kind, Sight, needed
from detectors.clients.state import Habits

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
_HIT: Final = (1, 1)
_MISS: Final = (1, 0)


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
        strange = habits.strange + (where(facts.query) not in habits.places)
        sent, got = lengths(facts)
        far = _far(_block(habits.sent + sent, habits.got + got), habits)
        return _HIT if strange >= STRANGE * BLOCK or far else _MISS

    usual = look


def lengths(facts: Facts) -> tuple[float, float]:
    """Return how long a prompt is, in characters, and a reply, in tokens; about, where they are told otherwise."""
    query = facts.query
    sent = len(query.prompt) if query.prompt is not None else 4 * (query.tokens_in or 0)
    got = query.tokens_out if query.tokens_out is not None else len(query.reply or "") // 4
    return sent, got


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
    here = where(facts.query)
    learning = habits.blocks < BLOCKS
    if here not in habits.places:
        habits.strange += 1
        if learning and len(habits.places) < MOST_PLACES * len(here):
            habits.places += here
    sent, got = lengths(facts)
    habits.sent += sent
    habits.got += got
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
