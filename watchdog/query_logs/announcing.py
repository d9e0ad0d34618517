"""A channel that says what it sends, to whoever has to find it again in a log."""

from collections.abc import Sequence
from dataclasses import dataclass

from watchdog.domain.exchanges import ChannelRole, Exchange, Request
from watchdog.ports import Channel, Clock
from watchdog.query_logs.own_probes import OwnProbes


@dataclass(frozen=True, slots=True)
class Announced:
    """Notes each request before it leaves: its line may be in the log before its reply is here. Satisfies `Channel`."""

    inner: Channel
    own: Sequence[OwnProbes]
    now: Clock

    @property
    def role(self) -> ChannelRole:
        """Which of a target's channels this is."""
        return self.inner.role

    def ask(self, request: Request) -> Exchange:
        """Send the request, and return what came back."""
        sent = [(it, it.sending(request, self.now())) for it in self.own]
        exchange = self.inner.ask(request)
        # A reply out of a cache in front of the API never was a request to it.
        for own, id_ in sent:
            if not exchange.cached:
                own.answered(id_)
        return exchange
