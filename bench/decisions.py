"""Measure the decision layer: replies until an incident, and how often one opens by chance.

    python bench/decisions.py [--quick] [--json FILE]

Every reply is drawn, no model is asked. Each figure comes with other rules on the same draws. The numbers of the test
were chosen with seed 1 and other lives; here the seeds begin at 1,000. `--quick` draws a tenth of the lives, and
shorter ones.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from decision_lives import Bet, Counts, Cusum, KnowingBinomial, Lives, Ours, Repeated, Values
from detectors.sequential import RateTest
from figures import Figure, print_table, write
from intervals import clopper_pearson
from watchdog.domain.evidence import Baseline, Stream

SEED = 1_000
GIVEN_UP = 20_000
"""Replies after which a trouble counts as not found."""
REPLIES_A_YEAR = 3 * 4 * 24 * 365
"""Of the starter configuration: three every quarter of an hour."""
FIRST_ARMING = 6 / math.pi**2
HUNDRED_TARGETS = 0.1 * 0.75 / 300
"""The share of one of the 300 streams that 100 targets of the starter configuration have, at the default budget."""
ALONE = 0.001
"""The share where each of the 100 targets has one stream, and nothing is reserved."""
MOST_REPLIES = {0: 2, 1_000: 3, 10_000: 3}
"""What is wanted where every reply is edited, by the number of clean replies before."""
RATES = (0.0, 0.001, 0.01, 0.05, 0.2)
ENROLLED = (24, 48, 200)

Make = Callable[[int, Counts], Lives]
"""Makes a rule from the trials and the hits of each life's enrolment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is drawn."""

    delays: int
    lives: int
    replies: int
    others: int
    """Lives for the rules that are not ours, and where no promise is made."""


FULL = Size(delays=2_000, lives=20_000, replies=5_000, others=2_000)
QUICK = Size(delays=200, lives=1_500, replies=1_200, others=300)


def ours(most: int) -> Make:
    """Return how to make our rule for lives of so many observations."""
    return lambda enrolled, hits: Ours(enrolled, hits, most)


def knowing(rate: float) -> Make:
    """Return how to make the test that needs no enrolment, because it knows the benign rate."""
    return lambda _, hits: KnowingBinomial(rate, len(hits))


def rising(first: float, last: float, replies: int) -> Callable[[int], float]:
    """Return a rate that goes from one to the other, or stays where they are the same."""
    return lambda number: first + (last - first) * number / replies


def delays(rule: Lives, threshold: float, clean: int, rate: float, lives: int) -> Counts:
    """Return how many replies each life took from the first that may be edited to the alarm, at most GIVEN_UP + 1.

    The rule comes with a single life: until the first edit they are all alike.
    """
    draw = np.random.default_rng(SEED + clean)
    for _ in range(clean):
        rule.step(np.zeros(1, dtype=bool))
    rule.keep(np.zeros(lives, dtype=np.int64))
    found, watched = np.full(lives, GIVEN_UP + 1), np.arange(lives)
    for replies in range(1, GIVEN_UP + 1):
        alarmed = rule.step(draw.random(len(watched)) < rate) >= threshold
        if alarmed.any():
            found[watched[alarmed]] = replies
            rule.keep(~alarmed)
            watched = watched[~alarmed]
        # The slowest are not needed for a median and a nine-in-ten figure, nor is what is hardly ever found.
        if len(watched) < lives / 20 or (replies >= 2_000 and len(watched) > lives * 0.95):
            break
    return found


def delay_figures(size: Size) -> list[Figure]:
    """Return replies to incident for shares, enrolments, onsets and edit rates."""
    rows = [(HUNDRED_TARGETS, 96), (HUNDRED_TARGETS, 48), (HUNDRED_TARGETS, 200), (ALONE, 48)]
    return [
        _delay_figure(size, alpha, enrolled, clean, rate)
        for alpha, enrolled in rows
        for clean in MOST_REPLIES
        for rate in (1.0, 0.5, 0.1)
    ]


def _delay_figure(size: Size, alpha: float, enrolled: int, clean: int, rate: float) -> Figure:
    threshold = 1 / (alpha * FIRST_ARMING)

    def run(make: Make, least: float) -> dict[float, float | None]:
        rule = make(enrolled, np.zeros(1, dtype=np.int64))
        found = np.sort(delays(rule, least, clean, rate, size.delays)).tolist()
        chosen = {share: found[int(len(found) * share)] for share in (0.5, 0.9)}
        return {share: None if it > GIVEN_UP else it for share, it in chosen.items()}

    found = run(ours(clean + GIVEN_UP + 1), threshold)
    half, wanted = found[0.5], MOST_REPLIES[clean] if rate == 1.0 and enrolled == 96 else None
    return Figure(
        figure=f"replies to incident: {clean:,} clean, {rate:.0%} edited, {enrolled} enrolled, share {alpha:g}",
        value=half,
        unit="replies, median",
        target="none set" if wanted is None else f"<= {wanted}",
        met=None if wanted is None else half is not None and half <= wanted,
        baselines={
            "nine of ten": found[0.9],
            "bets against Clopper-Pearson": run(Bet, threshold)[0.5],
            "CUSUM": run(Cusum, REPLIES_A_YEAR / alpha)[0.5],
            "Fisher after every round": run(Repeated, 1 / alpha)[0.5],
        },
        how=(
            f"{size.delays} lives; 0 flagged at enrolment and while clean; first arming of the stream; "
            f"none where it is not found in {GIVEN_UP:,} replies"
        ),
    )


def highest(make: Make, enrolled: int, rate: Callable[[int], float], lives: int, replies: int, seed: int) -> Values:
    """Return the highest statistic in each benign life; the rate may depend on how many replies there were."""
    draw = np.random.default_rng(seed)
    if rate(0) == rate(replies) == 0.0:
        lives = 1  # without a hit all lives are alike
    rule = make(enrolled, draw.binomial(enrolled, rate(0), lives))
    most = np.zeros(lives)
    for number in range(replies):
        most = np.maximum(most, rule.step(draw.random(lives) < rate(number)))
    return most


def false_alarm_figures(size: Size) -> list[Figure]:
    """Return how often benign lives alarm, at a threshold that uses the whole share at once."""
    figures = []
    for place, (rate, enrolled) in enumerate((rate, enrolled) for rate in RATES for enrolled in ENROLLED):
        stays = rising(rate, rate, size.replies)
        most = highest(ours(size.replies), enrolled, stays, size.lives, size.replies, SEED + place)
        for alpha in (0.05, 0.01):
            alarms = round(float((most >= 1 / alpha).mean()) * size.lives)
            low, high = clopper_pearson(alarms, size.lives)
            figures.append(
                Figure(
                    figure=f"false alarms at share {alpha:g}: benign rate {rate:g}, {enrolled} enrolled",
                    value=alarms / size.lives,
                    unit="of lives",
                    target=f"<= {alpha:g}",
                    met=alarms / size.lives <= alpha,
                    baselines={"95 % from": low, "to": high},
                    how=f"{size.lives:,} lives of {size.replies:,} replies, the enrolment drawn too",
                )
            )
    return figures


def others_figures(size: Size) -> list[Figure]:
    """Return how often other rules alarm in benign lives: what their promise is worth."""
    figures = []
    for place, (rate, enrolled) in enumerate([(0.01, 48), (0.05, 24), (0.05, 48)]):
        makers: dict[str, tuple[Make, float]] = {
            "ours": (ours(size.replies), 100.0),
            "bets against Clopper-Pearson": (Bet, 100.0),
            "Fisher after every round": (Repeated, 100.0),
            "binomial after every round, true rate known": (knowing(rate), 100.0),
            "CUSUM": (Cusum, 100.0 * REPLIES_A_YEAR),
        }
        found: dict[str, float | None] = {}
        for name, (make, threshold) in makers.items():
            stays = rising(rate, rate, size.replies)
            most = highest(make, enrolled, stays, size.others, size.replies, SEED + 100 + place)
            found[name] = float((most >= threshold).mean())
        value = found.pop("ours")
        figures.append(
            Figure(
                figure=f"false alarms beside other rules at share 0.01: benign rate {rate:g}, {enrolled} enrolled",
                value=value,
                unit="of lives",
                target="<= 0.01",
                met=value is not None and value <= 0.01,
                baselines=found,
                how=f"the same {size.others:,} lives of {size.replies:,} replies for each rule",
            )
        )
    return figures


def drift_figures(size: Size) -> list[Figure]:
    """Return how often lives alarm whose benign rate does not stay the same: this is what the promise excludes."""
    figures = []
    for place, (first, last) in enumerate([(0.001, 0.002), (0.001, 0.005), (0.01, 0.02), (0.01, 0.05), (0.2, 0.25)]):
        rate = rising(first, last, size.replies)
        most = highest(ours(size.replies), 96, rate, size.others, size.replies, SEED + 200 + place)
        what = f"alarms while the benign rate rises slowly from {first:g} to {last:g}"
        figures.append(_broken(what, most, size))
    return figures


def clustered_figures(size: Size) -> list[Figure]:
    """Return how often lives alarm whose benign hits come in runs: replies that are not independent."""
    figures = []
    for place, run in enumerate([2, 3, 4]):
        draw = np.random.default_rng(SEED + 300 + place)
        rule, left = Ours(96, np.zeros(size.others, dtype=np.int64), size.replies), np.zeros(size.others, dtype=int)
        most = np.zeros(size.others)
        for _ in range(size.replies):
            left = np.where(left > 0, left - 1, np.where(draw.random(size.others) < 0.001, run, 0))
            most = np.maximum(most, rule.step(left > 0))
        figures.append(_broken(f"alarms where benign hits come {run} in a row, one run in 1,000 replies", most, size))
    return figures


def _broken(what: str, most: Values, size: Size) -> Figure:
    return Figure(
        figure=what,
        value=float((most >= 100).mean()),
        unit="of lives",
        target="none set",
        met=None,
        baselines={"at share 0.00025": float((most >= 1 / HUNDRED_TARGETS).mean())},
        how=f"share 0.01, 96 enrolled; {size.others:,} lives of {size.replies:,} replies; the assumption does not hold",
    )


def cost_figure() -> Figure:
    """Return what weighing one observation costs."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    base = Baseline(rule="r", subject="s", trials=96, hits=0, tau=None, model="m", enrolled_at=at)
    stream, test = Stream(rule="r", subject="s"), RateTest(alpha=0.001, a_year=0.1)
    count, begun = 20_000, time.perf_counter()
    for number in range(count):
        stream = test.weigh(stream, base, hit=number % 500 == 0, at=at)
    cost = (time.perf_counter() - begun) / count * 1e6
    return Figure(
        figure="weighing one observation",
        value=round(cost, 1),
        unit="µs",
        target="< 1000",
        met=cost < 1000,
        how=f"{count:,} observations in one life, in this process",
    )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the lives, and shorter ones")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else FULL
    figures: list[Figure] = []
    for part in (delay_figures, false_alarm_figures, others_figures, drift_figures, clustered_figures):
        found = part(size)
        print_table(found)
        figures += found
    figures.append(cost_figure())
    print_table(figures[-1:])
    if chosen.json is not None:
        write(chosen.json, figures)


if __name__ == "__main__":
    main()
