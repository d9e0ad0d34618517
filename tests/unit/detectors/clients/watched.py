"""Detectors that watch, and what they are shown: for the tests of what they find, of their rates and of their state."""

import random
from collections.abc import Callable
from datetime import UTC, datetime

from detectors.catalog import watch_clients
from detectors.clients.watch import Watch
from tests.unit.detectors.clients.traffic import ATTACKS, ordinary
from watchdog.domain.queries import FIELDS, Expectation, Query

QUIET = ordinary(1_500, rate=5.0)
END = QUIET[-1].at


def a_watch(**more: object) -> Watch:
    return watch_clients(**({"log": "gateway", "fields": FIELDS, "warm_up": 500} | more))  # type: ignore[arg-type]


def attack(name: str, count: int, client: str = "attacker", seed: int = 7, start: float = END) -> list[Query]:
    dice, make = random.Random(seed), ATTACKS[name][1]
    return [make(dice, client, start + 2.0 * step) for step in range(1, count + 1)]


def restored(state: dict[str, bytes], **more: object) -> Watch:
    watch = a_watch(**more)
    watch.restore(state)
    return watch


MIXED = [
    *QUIET[:550],
    *sorted(
        [
            *QUIET[550:650],
            *attack("reworded", 30, start=QUIET[550].at),
            *attack("persona", 30, "other", start=QUIET[550].at),
            *attack("biased", 20, "third", start=QUIET[550].at),
        ],
        key=lambda it: it.at,
    ),
]


def expectation(rate: float, until: datetime | None = None, client: str = "attacker") -> Expectation:
    at = datetime.fromtimestamp(END, UTC)
    return Expectation(client=client, rule="boundary_flood", rate=rate, at=at, until=until)


def spread(seed: int = 7) -> list[Query]:
    flood = attack("reworded", 60, seed=seed)
    return [it._replace(client=f"acc-{place % 12}", org="acme") for place, it in enumerate(flood)]


def without(*fields: str) -> Callable[[Query], Query]:
    return lambda it: it._replace(**dict.fromkeys(fields))
