"""Attacks in the middle of benign traffic, and after how many of the attacker's requests somebody noticed."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stream_parts import ours
from stream_parts.attacks import Attack, Run, runs
from stream_parts.baselines import BASELINES, calibrate, first_alarms
from stream_parts.benign import RED_TEAM, Traffic
from stream_parts.counting import NEVER
from stream_parts.texts import Texts
from watchdog.alarm_words import ORG
from watchdog.domain.queries import Alarm, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some time of benign traffic, and when in it the attacks begin."""

    traffic: Traffic
    texts: Texts
    attacks: Sequence[Attack]
    count: int
    """Accounts that carry out each attack."""
    seconds: float
    first: float
    last: float
    """Between these moments each account begins, in seconds after the start."""
    begins: float = 0.0
    """When in the week it lies, in seconds after its start."""
    tickets_per_week: float = 1.0

    def runs(self, seed: int) -> list[Run]:
        """Return all attacks of the stretch."""
        return [
            run
            for attack in self.attacks
            for run in runs(
                attack,
                self.texts,
                count=self.count,
                seed=seed,
                first=self.begins + self.first,
                last=self.begins + self.last,
            )
        ]

    def queries(self, seed: int, attacking: Sequence[Run]) -> Iterator[Query]:
        """Yield benign requests and those of the attackers, in order of time."""
        benign = self.traffic.queries(seed, self.seconds, self.begins)
        return heapq.merge(benign, *(run.queries for run in attacking), key=lambda query: query.at)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the detectors, and each baseline, made of some stretches."""

    ours: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Delays by attack."""
    rules: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Which rule alarmed first, by attack."""
    baselines: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """Delays by baseline and attack."""
    false: list[Alarm] = field(default_factory=list)
    """Alarms about benign clients."""
    false_baselines: Counter[str] = field(default_factory=Counter)
    """Benign clients that each baseline alarmed about, on the stretch with the attacks."""
    thresholds: list[float] = field(default_factory=list)
    events: int = 0


def watched(stretch: Stretch, seeds: Sequence[int], *, compared: bool = True) -> Outcome:
    """Let the detectors watch one stretch for each seed, and the baselines the first of them."""
    outcome = Outcome()
    for seed in seeds:
        attacking = stretch.runs(seed)
        counted = Counting(stretch.queries(seed, attacking))
        alarms = ours.play(ours.watch(stretch.tickets_per_week), counted)
        outcome.events += counted.seen
        _judge(outcome, attacking, alarms)
    if compared:
        _compare(outcome, stretch, seeds[0])
    return outcome


class Counting:
    """An iterator that knows how many requests went through it."""

    def __init__(self, source: Iterator[Query]) -> None:
        self._source = source
        self.seen = 0

    def __iter__(self) -> Iterator[Query]:
        """Yield what the source yields."""
        for query in self._source:
            self.seen += 1
            yield query


def _judge(outcome: Outcome, attacking: Sequence[Run], alarms: Sequence[Alarm]) -> None:
    by_client: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        by_client[alarm.client].append(alarm)
    for run in attacking:
        names = run.client, f"{ORG}{run.org}"
        about = [it for name in names for it in by_client.pop(name, []) if it.at.timestamp() >= run.begins - 1e-5]
        about.sort(key=lambda alarm: alarm.at)
        outcome.ours[run.attack].append(run.delay(about[0].at.timestamp()) if about else NEVER)
        outcome.rules[run.attack][about[0].rule if about else "none"] += 1
        outcome.thresholds += [it.threshold for it in about[:1]]
    outcome.false += [it for found in by_client.values() for it in found]


def _compare(outcome: Outcome, stretch: Stretch, seed: int) -> None:
    attacking = stretch.runs(seed)
    accounts = {run.client for run in attacking}
    for name, made in BASELINES.items():
        baseline = made()
        # Another seed: the same customers on another day.
        apart = stretch.traffic.queries(seed + 1000, stretch.seconds, stretch.begins)
        threshold = calibrate(baseline, apart, spared=RED_TEAM)
        found = first_alarms(made(), threshold, stretch.queries(seed, attacking))
        delays = outcome.baselines[name]
        for run in attacking:
            delays[run.attack].append(_delay(run, found))
        outcome.false_baselines[name] += sum(it not in accounts and not it.startswith(RED_TEAM) for it in found)


def _delay(run: Run, found: Mapping[str, float]) -> float:
    at = found.get(run.client)
    return NEVER if at is None or at < run.begins else run.delay(at)
