"""Accounts of the watched API, and its customers: how busy, how often refused. How one writes is its habit."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from stream_parts.phrases import NEARLY_REFUSALS, REFUSALS, REPLIES
from watchdog.domain.queries import Query

HOUR, DAY, WEEK = 3600.0, 86400.0, 604800.0
START = 1_780_272_000.0
"""The first second of every simulated stream: a Monday, 00:00 UTC."""
CHAT = "/v1/chat/completions"
SURE_OF_NOTHING = 0.01
"""Share of benign replies that sound like a refusal and are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One API key, and what its requests have in common."""

    client: str
    addresses: tuple[str, ...]
    org: str | None = None
    agent: str = "OpenAI/Python 1.99"
    model: str = "gpt-4o-mini"
    system: str | None = None

    def query(self, at: float, chance: random.Random, prompt: str, /, *, refused: bool, **more: Any) -> Query:
        """Return one request of this account and its reply, as a line of LiteLLM tells them."""
        reply = _reply(chance, refused=refused) if more.get("status", 200) == 200 else None
        told: dict[str, Any] = {
            "id": f"{chance.getrandbits(64):016x}",
            "client": self.client,
            "org": self.org,
            "address": self.addresses[int(chance.random() * len(self.addresses))],
            "agent": self.agent,
            "endpoint": CHAT,
            "model": self.model,
            "status": 200,
            "system": self.system,
            "prompt": prompt,
            "turns": 1,
            "prefill": False,
            "reply": reply,
            "tokens_in": (len(prompt) + len(self.system or "")) // 4 + 5,
            "tokens_out": len(reply or "") // 4 + 1,
            "max_tokens": 512,
        }
        return Query(at, **(told | more if more else told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer(Account):
    """A benign account."""

    rate: float
    """Requests per second, averaged over the week or over its life."""
    habit: "Habit"
    refused: float = 0.01
    """Share of its distinct requests that are refused."""
    begins: float = 0.0
    """Seconds after the start of the stream."""
    ends: float = WEEK * 100
    nightly: bool = False
    """Whether it runs from 02:00 to 04:00 only."""


Write = Callable[[Customer, random.Random, float], Iterator[Query]]
"""Yields the requests that follow from one arrival, the first at the moment given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How a customer uses the API."""

    write: Write
    size: float = 1.0
    """Requests that follow from one arrival, on average."""


def _reply(chance: random.Random, *, refused: bool) -> str:
    if refused:
        return chance.choice(REFUSALS)
    return chance.choice(NEARLY_REFUSALS if chance.random() < SURE_OF_NOTHING else REPLIES)
