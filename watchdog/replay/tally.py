"""Counts what goes past: requests, different clients, and when they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from watchdog.domain.queries import Alarm, DetectorState, Expectation, Query, Reference
from watchdog.ports import ClientWatch

_MOST_CLIENTS = 5_000_000
"""Different clients that are told apart; beyond them the count stands still, and memory with it."""


@dataclass
class Tally:
    """A watch that counts what it is shown, and hands it on. Satisfies `ports.ClientWatch`."""

    watch: ClientWatch
    requests: int = 0
    first: float | None = None
    last: float | None = None
    _clients: set[int] = field(default_factory=set)

    @property
    def clients(self) -> int:
        """How many different clients there were."""
        return len(self._clients)

    def begin(self) -> None:
        """Begin another file: its requests and their times count anew, its clients do not."""
        self.requests, self.first, self.last = 0, None, None

    def forget_clients(self) -> None:
        """Count the clients anew as well."""
        self.begin()
        self._clients.clear()

    def period(self) -> tuple[datetime | None, datetime | None]:
        """Return when the first and the last request of this file came."""
        return _instant(self.first), _instant(self.last)

    def observe(self, queries: Sequence[Query]) -> list[Alarm]:
        """Count the requests, and return the alarms that they raise."""
        if queries:
            self.requests += len(queries)
            times = [it.at for it in queries]
            self.first = min(times) if self.first is None else min(self.first, *times)
            self.last = max(times) if self.last is None else max(self.last, *times)
            if len(self._clients) < _MOST_CLIENTS:
                # Hashes, because a name may be long and there may be millions of them.
                self._clients.update(hash(it.client) for it in queries if it.client is not None)
        return self.watch.observe(queries)

    def standing(self) -> Sequence[DetectorState]:
        """Return how it stands with each detector."""
        return self.watch.standing()

    def expect(self, these: Sequence[Expectation]) -> None:
        """Take what operators said of clients."""
        self.watch.expect(these)

    def last_hit(self, rule: str, client: str) -> float | None:
        """Return when a client's last request came that counted for a rule."""
        return self.watch.last_hit(rule, client)

    def settled(self) -> Sequence[Reference]:
        """Return the references that were settled since the last `committed`."""
        return self.watch.settled()

    def forget(self, client: str | None) -> None:
        """Drop what a client wrote, or what all wrote."""
        self.watch.forget(client)

    def changed(self) -> Mapping[str, bytes | None]:
        """Return the state that changed since the last `committed`."""
        return self.watch.changed()

    def committed(self) -> None:
        """Take what `changed` returned as being kept."""
        self.watch.committed()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the state of an earlier process."""
        self.watch.restore(state)


def _instant(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
