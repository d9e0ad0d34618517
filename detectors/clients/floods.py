"""`boundary_flood`: a client has many distinct requests refused. It catches rewording, whatever the words are."""

from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.needs import needed
from detectors.clients.signals import HIT, MISS, Kind, Sight

RULE: Final = "boundary_flood"
REFUSED: Final = "refused"
KINDS: Final = (
    Kind(
        name=REFUSED,
        why="refused",
        floor=0.02,
        assumed=0.5,
        needs=needed("client|address", "prompt", "reply|refused"),
    ),
)


@dataclass(frozen=True, slots=True)
class Floods:
    """Counts distinct refused requests. Satisfies signals.Signal."""

    kinds: tuple[Kind, ...] = field(default=KINDS)
    rule: str = RULE
    own_first: int = 0

    def look(self, facts: Facts) -> Sight | None:
        """Say hit for a request that was refused, miss for one that was answered; a retry is neither."""
        if facts.digest is None or facts.again or facts.refused is None:
            return None
        return HIT if facts.refused else MISS

    usual = look
