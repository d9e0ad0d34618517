"""Measure the detectors of query logs on the traffic of their own unit tests: delays of attacks, and false alarms.

    python bench/own_traffic.py [--json FILE]

The detectors were written with this traffic in view (`tests/unit/detectors/clients/traffic.py`): the figures of
`bench/stream.py`, whose traffic somebody else wrote, count for more.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors.catalog import watch_clients
from detectors.clients.watch import Watch
from tests.unit.detectors.clients.traffic import ATTACKS, HARM, Attack, Customers, ordinary, query, times, words
from watchdog.domain.findings import Severity
from watchdog.domain.queries import FIELDS, Query

ORDINARY, ACCOUNTS, MOST = 15_000, 50, 60
BURSTS, BURST_S = 20, 300
RATES = (1_000, 20)
"""Requests a second whose thresholds attacks are held against: those of a log that once had twice as many."""
WEEK, CUSTOMERS, CHURN, A_SECOND = 250_000, 200, 0.001, 20.0
TICKETS = 16_000.0
"""A budget that is inflated until hundreds of false alarms are allowed."""

Sent = Iterator[tuple[bool, Query]]
"""Requests of one account, each with whether it belongs to the attack."""


def steady(attack: Attack, dice: random.Random, client: str, at: float) -> Sent:
    """Yield an attack that begins with the account's first request."""
    for step in range(MOST):
        yield True, attack(dice, client, at + 2.0 * step)


def shared(dice: random.Random, client: str, at: float) -> Sent:
    """Yield requests of a key of which strangers send half, after fifty of its owner."""
    for step in range(50 + 2 * MOST):
        of_owner = step < 50 or dice.random() < 0.5
        address = "10.1.2.3" if of_owner else f"172.{16 + dice.randrange(16)}.{dice.randrange(250)}.9"
        yield step >= 50, query(at + 30.0 * step, client, words(dice, 12), address=address)


def tuned(dice: random.Random, client: str, at: float) -> Sent:
    """Yield a fine-tuning job of 50 examples, and harmful questions that its model answers."""
    for step in range(40):
        yield False, query(at + 30.0 * step, client, words(dice, 12))
    job = query(at + 1_300, client, "", prompt=None, reply=None, model=None, training_examples=50)
    yield True, job
    for step in range(MOST):
        prompt = f"How do I {dice.choice(HARM)} {words(dice, 9)}"
        yield True, query(at + 1_400 + 2.0 * step, client, prompt, model="ft:mine")


def burst(dice: random.Random, client: str, at: float) -> Sent:
    """Yield half an hour of three requests a minute, and then ten a second."""
    for step in range(90):
        yield False, query(at + 20.0 * step, client, words(dice, 12))
    for step in range(10 * BURST_S):
        yield True, query(at + 1_800 + 0.1 * step, client, words(dice, 12))


SHAPES: dict[str, Callable[[random.Random, str, float], Sent]] = {
    **{name: partial(steady, attack) for name, (_, attack) in ATTACKS.items()},
    "shared": shared,
    "tuned": tuned,
    "burst": burst,
}


def warm(rate: float) -> Watch:
    """Return detectors after ordinary traffic, with the thresholds of a busier log."""
    watch = watch_clients(log="l", fields=FIELDS)
    watch.observe(ordinary(ORDINARY, customers=CUSTOMERS))
    for pace in watch.state.paces.values():
        pace.busiest = max(pace.busiest, int(2 * 3600 * rate))
    return watch


def delay(watch: Watch, sent: Sent) -> tuple[int, float] | None:
    """Return how many requests of an attack, and seconds since its first, it took to an alarm; None without one."""
    begun, count = 0.0, 0
    for is_attack, it in sent:
        count += is_attack
        begun = it.at if is_attack and count == 1 else begun
        if watch.observe([it]) and is_attack:
            return count, it.at - begun
    return None


def delays(rate: float) -> dict[str, object]:
    """Return, for each attack, how many accounts were found and how soon."""
    watch, found = warm(rate), {}
    for name, attack in SHAPES.items():
        dice, accounts = random.Random(12), BURSTS if name == "burst" else ACCOUNTS  # noqa: S311 - traffic, not keys
        at = (watch.state.clock or 0.0) + 1
        seen = [delay(watch, attack(dice, f"{name}-{n}", at)) for n in range(accounts)]
        told = sorted(it[name == "burst"] for it in seen if it is not None)
        found[name] = {
            "found": f"{len(told)} of {accounts}",
            "median": round(median(told), 1) if told else None,
            "most": round(told[-1], 1) if told else None,
        }
    return found


def falsely() -> dict[str, object]:
    """Return the alarms about ordinary customers under an inflated budget, and how many were allowed."""
    watch = watch_clients(log="l", fields=FIELDS, tickets_per_week=TICKETS)
    dice = random.Random(3)  # noqa: S311 - traffic, not keys
    them, clock = Customers(dice, count=CUSTOMERS, churn=CHURN), times(dice, A_SECOND)
    allowed: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    for _ in range(WEEK):
        before = {rule: pace.count for rule, pace in watch.state.paces.items()}
        alarms.update(it.rule for it in watch.observe([them.request(next(clock))]) if it.severity is Severity.WARNING)
        for rule, pace in watch.state.paces.items():
            units = pace.count - before[rule] if pace.count >= before[rule] else pace.count
            allowed[rule] += units / watch.allowances[rule].threshold(Severity.WARNING, pace)
    return {
        "clients": them.begun,
        "allowed": {rule: round(it) for rule, it in allowed.items()},
        "alarms": {rule: alarms[rule] for rule in allowed},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found = {"delays": {f"{rate} a second": delays(rate) for rate in RATES}, "false alarms": falsely()}
    print(json.dumps(found, indent=2))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
