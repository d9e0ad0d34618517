"""Benign traffic: who the customers are, and their requests in order of time."""

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from stream_parts import habits
from stream_parts.customers import DAY, HOUR, START, WEEK, Customer, Habit
from stream_parts.texts import Texts
from watchdog.domain.queries import Query

RED_TEAM = "red-team"
"""The segment that the operator declares, and the start of its clients' names."""
_SHARES = {
    "templates": (24, 0.42),
    "people": (120, 0.20),
    "agents": (12, 0.12),
    "few-shot": (6, 0.08),
    "over-refusing": (4, 0.05),
    "batch": (1, 0.06),
    RED_TEAM: (1, 0.01),
    "changing": (1, 0.03),
}
"""Customers at 20 requests a second, and share of the traffic, by population."""
_NEW = 0.03
"""Share of the traffic that newcomers make."""
_NUMBER = re.compile(r"(-org)?-\d+$")
_NEWCOMER = 30.0
"""Requests that a newcomer sends before it is gone, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Benign traffic of one kind of week."""

    customers: tuple[Customer, ...]
    level: bool = False
    """Whether it is always the same hour: a stretch of an afternoon."""
    slice_s: float = 600.0

    def queries(self, seed: int, seconds: float, begins: float = 0.0) -> Iterator[Query]:
        """Yield the requests of a stretch of time, in order."""
        # Two sources of chance: numpy draws how many arrive in a slice, all customers at once.
        draw, chance = np.random.default_rng(seed), random.Random(seed)  # noqa: S311 - no secret
        later: list[Query] = []
        for slice_number in count():
            start = begins + slice_number * self.slice_s
            end = min(start + self.slice_s, begins + seconds)
            if start >= end:
                return
            now = later + self._arriving(draw, chance, start, end)
            now.sort(key=lambda query: query.at)
            cut = next((n for n, query in enumerate(now) if query.at >= START + end), len(now))
            yield from now[:cut]
            later = now[cut:]

    def _arriving(self, draw: np.random.Generator, chance: random.Random, start: float, end: float) -> list[Query]:
        expected = [self._expected(it, start, end) for it in self.customers]
        arrivals = draw.poisson(expected)
        return [
            query
            for customer, number in zip(self.customers, arrivals.tolist(), strict=True)
            for _ in range(number)
            for query in customer.habit.write(customer, chance, START + chance.uniform(start, end))
        ]

    def _expected(self, customer: Customer, start: float, end: float) -> float:
        if not customer.begins <= start < customer.ends:
            return 0.0
        busy = 1.0 if self.level else _night(start) if customer.nightly else _curve(start)
        return customer.rate * (end - start) * busy / customer.habit.size


def population(name: str) -> str:
    """Return which population a client, or an organisation, belongs to."""
    return _NUMBER.sub("", name)


def week(texts: Texts, rate: float, seed: int) -> Traffic:
    """Return the customers of a week at so many requests a second, new ones every hour."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return Traffic(customers=(*_known(texts, chance, rate), *_newcomers(texts, chance, rate * _NEW)))


def afternoon(texts: Texts, rate: float, seed: int) -> Traffic:
    """Return the same kinds of customers at a constant rate, for minutes rather than days."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    known = tuple(it for it in _known(texts, chance, rate) if not it.nightly)
    missing = rate / sum(it.rate for it in known)
    customers = tuple(replace(it, rate=it.rate * missing) for it in known)
    return Traffic(customers=customers, level=True, slice_s=5)


def _known(texts: Texts, chance: random.Random, rate: float) -> Iterator[Customer]:
    """Yield the customers that are there from the beginning."""
    crowd = max(1, round((rate / 20) ** 0.75))
    for population, (number, share) in _SHARES.items():
        sizes = [chance.paretovariate(1.3) for _ in range(number * crowd)]
        for place, size in enumerate(sizes):
            yield Customer(
                client=f"{population}-{place}",
                # A company gives its people keys of their own; an application has one.
                org=f"{population}-org-{place // 10 if population == 'people' else place}",
                rate=rate * share * min(size, 20) / sum(min(it, 20) for it in sizes),
                habit=_habit(population, texts, chance),
                refused=_refused(population, chance),
                addresses=_addresses(population, chance, place),
                agent=chance.choice(("OpenAI/Python 1.99", "OpenAI/JS 5.2", "langchain/0.3", "python-httpx/0.28")),
                model=chance.choice(("gpt-4o-mini", "gpt-4o", "small-chat")),
                system=chance.choice((None, chance.choice(texts.ordinary)[:300])),
                nightly=population == "batch",
            )


def _newcomers(texts: Texts, chance: random.Random, rate: float) -> Iterator[Customer]:
    """Yield customers on trial: a few requests within hours of their first one, refused a little more often."""
    for number in range(round(rate * WEEK / _NEWCOMER)):
        begins, lives = chance.uniform(0, WEEK), chance.uniform(HOUR, DAY)
        yield Customer(
            client=f"newcomers-{number}",
            rate=_NEWCOMER * chance.paretovariate(2) / 2 / lives,
            habit=habits.people(texts) if number % 2 else habits.touchy(texts, 0.2),
            refused=0.05,
            addresses=_addresses("newcomers", chance, number),
            begins=begins,
            ends=begins + lives,
        )


def _habit(population: str, texts: Texts, chance: random.Random) -> Habit:
    if population == "changing":
        first, then = habits.templated(texts, chance), habits.people(texts)
        return habits.changing(first, then, START + WEEK / 2)
    made = {
        "people": lambda: habits.people(texts),
        "agents": lambda: habits.agents(texts),
        "few-shot": lambda: habits.few_shot(texts, chance),
        "over-refusing": lambda: habits.touchy(texts, 0.4),
        RED_TEAM: lambda: habits.red_team(texts),
    }
    return made.get(population, lambda: habits.templated(texts, chance))()


def _refused(population: str, chance: random.Random) -> float:
    """Draw a customer's refusal rate: most are near 1 %, one in ten is at 10 %."""
    if population == RED_TEAM:
        return 0.55
    if population == "over-refusing":
        return 0.7
    return 0.10 if chance.random() < 0.1 else min(0.05, chance.lognormvariate(math.log(0.01), 0.8))


def _addresses(population: str, chance: random.Random, place: int) -> tuple[str, ...]:
    """Return where requests come from: own servers, a network that many share, or workers that come and go."""
    if population in {"people", "newcomers"}:
        return (f"203.0.113.{place % 40}", *(f"198.51.{chance.randrange(256)}.7" for _ in range(chance.randrange(3))))
    if population == "agents":
        return tuple(f"10.{place % 200}.4.{worker}" for worker in range(16))
    return tuple(f"172.16.{place % 250}.{server}" for server in range(chance.randint(1, 3)))


def _curve(at: float) -> float:
    """Return how busy an hour is; 1 on average over the week."""
    daily = 1 + 0.8 * math.cos(2 * math.pi * (at % DAY - 14 * HOUR) / DAY)
    return daily * (1.0 if at % WEEK < 5 * DAY else 0.4) * 7 / 5.8


def _night(at: float) -> float:
    return 12.0 if 2 * HOUR <= at % DAY < 4 * HOUR else 0.0
