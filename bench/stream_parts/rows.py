"""The rows of the table: each function measures something and returns its figures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from figures import Figure
from intervals import garwood
from stream_parts import falsely as weeks
from stream_parts import ours
from stream_parts import rotation as rotating
from stream_parts import speed as timing
from stream_parts.counting import counted
from stream_parts.customers import DAY
from stream_parts.texts import Texts

BUDGET = 300.0
"""False alarms a week of the benign week: inflated, so that there is something to count."""


def rotation(folder: Path, rotations: int, kills: int) -> Iterator[Figure]:
    """Yield what arrives of a file that is rotated by renaming while it is written."""
    name = f"rename rotation x {rotations}"
    plans = {
        "one name each": rotating.Plan(path=folder / "a.jsonl", rotations=rotations),
        "older files renamed as well": rotating.Plan(path=folder / "b.jsonl", rotations=rotations, shifted=True),
    }
    for renamed, plan in plans.items():
        yield _arrived(f"{name}, {renamed}: lines that arrive once", rotating.live(plan))
    plan = rotating.Plan(path=folder / "c.jsonl", rotations=rotations)
    arrived = rotating.killed(plan, kills, folder / "seen.sqlite")
    yield _arrived(f"{name}, reader killed {kills} times: lines that arrive once", arrived)


def _arrived(name: str, it: rotating.Arrived) -> Figure:
    whole = it.once == it.written and not it.gaps
    return Figure(
        figure=name,
        value=it.once,
        unit=f"of {it.written}",
        target="all",
        met=whole,
        how=f"{it.written / it.seconds:,.0f} lines/s by a process of its own; {it.lost} lost, {it.doubled} doubled, "
        f"{it.gaps} gaps reported, {it.kills} kills (SIGKILL)",
    )


def speed(texts: Texts, folder: Path, lines: int, repeats: int) -> Iterator[Figure]:
    """Yield requests per second of processor time, from a file to a decision."""
    path = folder / "speed.jsonl"
    length = timing.write_lines(path, texts, lines)
    rates = {
        "reading and parsing only": round(timing.rate(lambda: timing.reading_only(path), repeats)),
        timing.naive_name(): round(timing.rate(lambda: timing.naively(path), repeats)),
    }
    how = (
        f"{lines:,} lines of LiteLLM, {length:,.0f} bytes on average; processor time of one process, median of "
        f"{repeats} runs; the naive one: json, feature dicts, StandardScaler, HalfSpaceTrees, MinHash"
    )
    for name, work, least in (
        ("from a file to a decision", lambda: timing.file_to_decision(path), 15_000),
        ("from a file into the ledger", lambda: timing.file_to_ledger(path, folder), None),
    ):
        reached = timing.rate(work, repeats)
        yield Figure(
            figure=f"requests per second and core, {name}",
            value=round(reached),
            unit="/s",
            target="none set" if least is None else f">= {least}",
            met=None if least is None else reached >= least,
            baselines=rates,
            how=how,
        )


def clients(texts: Texts, numbers: Sequence[int], timed: int) -> Iterator[Figure]:
    """Yield what a request costs with more and more clients."""
    costs = {n: timing.cost_per_event(texts, n, timed, 100_000) for n in numbers}
    ratio = max(costs.values()) / costs[numbers[0]]
    yield Figure(
        figure=f"cost of a request, most of {numbers[0]:,} to {numbers[-1]:,} clients over that of {numbers[0]:,}",
        value=round(ratio, 2),
        unit="times",
        target="flat (<= 1.5)",
        met=ratio <= 1.5,
        baselines={f"{n:,} clients, microseconds": round(cost, 1) for n, cost in costs.items()},
        how=f"{timed:,} requests of clients drawn at random, each known already; 100,000 clients are kept at most",
    )


def memory(texts: Texts, remembered: int) -> Iterator[Figure]:
    """Yield what many clients take in memory."""
    grown = timing.memory_mb(texts, remembered, 5)
    yield Figure(
        figure=f"memory of {remembered:,} clients",
        value=round(grown, 1),
        unit="MB",
        target="<= 200 MB",
        met=grown <= 200,
        how="growth of the resident memory of a process of its own, 5 distinct requests of each client",
    )


def falsely(texts: Texts, rate: float, days: float) -> Iterator[Figure]:
    """Yield the false alarms of a benign week against the promise, in all and for each detector."""
    name = f"false alarms in {days:g} benign days at {rate:g} requests a second"
    plain = weeks.simulate(texts, rate=rate, budget=1.0, seed=11, seconds=days * DAY)
    yield _against(
        f"{name}, 1 a week promised",
        len(plain.tickets),
        plain.budget,
        f"{plain.events:,} requests; {counted(plain.by_rule())}; by kind of customer: {counted(plain.by_population())}",
    )
    found = weeks.simulate(texts, rate=rate, budget=BUDGET, seed=11, seconds=days * DAY)
    by_rule = found.by_rule()
    yield _against(
        f"{name}, {BUDGET:g} a week promised",
        len(found.tickets),
        found.budget,
        f"{found.events:,} requests; {found.clients} customers alarmed about; by kind of customer: "
        f"{counted(found.by_population())}",
    )
    for rule in ours.rules():
        yield _against(
            f"{name}, {BUDGET:g} a week promised: by {rule}",
            by_rule[rule],
            found.budget / len(ours.rules()),
            f"by kind of customer: {counted(found.by_population(rule))}",
        )


def _against(name: str, count: int, promised: float, how: str) -> Figure:
    low, high = garwood(count)
    return Figure(
        figure=name,
        value=count,
        unit="",
        target=f"<= {promised:.1f}",
        met=count <= promised,
        how=f"95 % interval of the expected number {low:.1f} to {high:.1f}; {how}",
    )
