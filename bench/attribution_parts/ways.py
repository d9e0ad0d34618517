"""Ways between a model and whoever asks it, with something on them; and what stands behind each channel."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Reason, Request
from watchdog.errors import ChannelError
from watchdog.ports import Channel, Scorer, TokenScores

DIRECT, DELIVERED, REFERENCE = ChannelRole.DIRECT, ChannelRole.DELIVERED, ChannelRole.REFERENCE

Change = Callable[[Exchange], Exchange]


@dataclass(frozen=True, slots=True)
class Via:
    """A channel with something on the way."""

    channel: Channel
    change: Change
    role: ChannelRole = DELIVERED

    def ask(self, request: Request) -> Exchange:
        """Return the reply as it comes out."""
        return self.change(self.channel.ask(request))


@dataclass(frozen=True, slots=True)
class Split:
    """A way that sends corrections elsewhere than questions."""

    questions: Channel
    corrections: Channel
    role: ChannelRole = DELIVERED

    def ask(self, request: Request) -> Exchange:
        """Ask whichever it is for."""
        corrected = len(request.messages) > 1
        return (self.corrections if corrected else self.questions).ask(request)


@dataclass(frozen=True, slots=True)
class Mixed:
    """A way that leads to one of two models, by chance."""

    one: Channel
    other: Channel
    draw: random.Random
    role: ChannelRole = DELIVERED

    def ask(self, request: Request) -> Exchange:
        """Ask either."""
        return (self.one if self.draw.random() < 0.5 else self.other).ask(request)


@dataclass(frozen=True, slots=True)
class Down:
    """A channel that cannot be reached."""

    role: ChannelRole

    def ask(self, _request: Request) -> Exchange:
        """Fail."""
        raise ChannelError("no route", hint="look at the network", reason=Reason.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Claiming:
    """A scorer that names another model than it is, as an endpoint does whose weights were swapped."""

    inner: Scorer
    digest: str

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of each token."""
        return self.inner.vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text."""
        return self.inner.encode(text)

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        """Score replies."""
        return self.inner.score(messages, replies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What stands behind each channel of a target; None where there is no such channel."""

    delivered: Channel
    direct: Channel
    scores: Scorer
    """Scores for the direct channel."""
    reference: Channel | None = None
    verified: Scorer | None = None
    """Scores for the reference."""


@dataclass(frozen=True)
class Remembering:
    """A real model that says the same thing to the same request at temperature 0, without saying it twice."""

    channel: Channel
    said: dict[Request, Exchange]
    role: ChannelRole

    def ask(self, request: Request) -> Exchange:
        """Return what it said."""
        if request not in self.said:
            self.said[request] = self.channel.ask(request)
        return replace(self.said[request], channel=self.role)
