"""The clients in memory: at most so many, and those without evidence go first."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from detectors.clients.state import Client

LOOKED_THROUGH: Final = 64
"""Clients with evidence that are passed over in a row before the one with the least of it has to go."""


@dataclass(slots=True)
class Roster(Mapping[str, Client]):
    """Clients in the order in which they wait to be dropped. Not frozen: it holds the state.

    Who comes first and was seen since it was put in line goes to its end (a "second chance"), so that dropping one
    costs the same for a thousand clients as for a million, and comes out the same in every process.
    """

    most: int
    evidence: Callable[[Client], float]
    clients: OrderedDict[str, Client] = field(default_factory=OrderedDict)
    """First in line first. A plain dict would look through all that were dropped, each time, to find its first."""
    dirty: dict[str, None] = field(default_factory=dict)
    """Changed or dropped since the last commit."""
    queued: int = 0
    """Number of the last place in line."""

    def __getitem__(self, name: str) -> Client:
        return self.clients[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.clients)

    def __len__(self) -> int:
        return len(self.clients)

    def add(self, client: Client) -> list[str]:
        """Take in a new client, and return the names of those that had to go for it."""
        gone = []
        while len(self.clients) >= self.most:
            gone.append(self._drop_one())
        self._queue(client)
        return gone

    def remove(self, name: str) -> None:
        """Drop one that nothing is to be remembered of."""
        self._remove(name)

    def restore(self, clients: list[Client], queued: int) -> None:
        """Take up the clients of an earlier process, in the order they stood in."""
        self.clients = OrderedDict((it.name, it) for it in sorted(clients, key=lambda it: it.queued))
        self.queued = queued

    def _remove(self, name: str) -> str:
        del self.clients[name]
        self.dirty[name] = None
        return name

    def _queue(self, client: Client) -> None:
        self.queued += 1
        client.queued = self.queued
        self.clients[client.name] = client
        self.dirty[client.name] = None

    def _drop_one(self) -> str:
        spared: list[Client] = []
        while True:
            first = next(iter(self.clients.values()))
            against = self.evidence(first)
            if not against and not first.recent:
                return self._remove(first.name)
            if against:
                spared.append(first)
            if len(spared) == min(LOOKED_THROUGH, len(self.clients)):
                return self._remove(min(spared, key=lambda it: (self.evidence(it), it.queued)).name)
            first.recent = False
            del self.clients[first.name]
            self._queue(first)
