"""`key_sharing`: a key is used from ever new places, or from several at once."""

from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.needs import needed
from detectors.clients.places import place
from detectors.clients.signals import Kind, Sight

OWN: Final = 30
"""Requests that a key has to have a past of: who shares it from its first request on looks like a large service."""
AT_ONCE_S: Final = 20.0
"""Seconds within which nobody moves to another network."""
_NEEDS: Final = needed("client", "address")
KINDS: Final = (
    Kind(
        name="new_place", why="from a network or program that never used the key", floor=0.02, assumed=0.5, needs=_NEEDS
    ),
    Kind(name="at_once", why="from another network within seconds", floor=0.05, assumed=0.5, needs=_NEEDS),
)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Compares where a request comes from with where the key was used before. Satisfies signals.Signal."""

    kinds: tuple[Kind, ...] = field(default=KINDS)
    rule: str = "key_sharing"
    own_first: int = OWN

    def look(self, facts: Facts) -> Sight | None:
        """Say whether a key that was used before comes from a new place, or from another one within seconds."""
        query = facts.query
        if query.client is None or query.address is None or not facts.client.addresses:
            return None
        here = place(query)
        new = here not in facts.client.addresses
        moved = here != facts.client.addresses[: len(here)]
        soon = facts.at - facts.client.last <= AT_ONCE_S
        return 3, (1 if new else 0) | (2 if moved and soon else 0)

    usual = look
