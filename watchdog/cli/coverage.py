"""How `check-config --coverage` shows what a configuration covers."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watchdog.config.durations import show_duration
from watchdog.costs import Spending
from watchdog.coverage import ASSUMPTIONS, Coverage
from watchdog.domain.text import printable
from watchdog.query_logs.coverage import LogCoverage
from watchdog.situations import Situation
from watchdog.time_to_detect import Wait

_SHARES = {1.0: "all", 0.5: "half", 0.1: "one in ten"}


def print_coverage(covered: Sequence[Coverage], console: Console | None = None) -> None:
    """Print a table for each target, its cost, and what the numbers rest on."""
    console = console or Console(highlight=False, width=None)
    for it in covered:
        console.print()
        console.print(Text(f"{it.target}: {it.direct}", style="bold"))
        console.print(Text(f"The delivered channel: {it.delivered}."))
        console.print(Text(f"The baseline: {it.baseline}"))
        for declared in it.declared:
            console.print(Text(f"DECLARED: {printable(declared, 800)}"))
        table = Table("Comparison", "Detects", "Never", "Until an incident opens", show_lines=True)
        for situation in it.situations:
            table.add_row(*(Text(cell) for cell in _cells(it.every, situation)))
        console.print(table)
        for line in _costs(it):
            console.print(Text(line))
    console.print()
    for assumption in ASSUMPTIONS:
        console.print(Text(f"* {assumption}"))


def print_log_coverage(logs: Sequence[LogCoverage], console: Console | None = None) -> None:
    """Print a table for each query log."""
    console = console or Console(highlight=False, width=None)
    for it in logs:
        console.print()
        form = it.format or "format not known"
        console.print(Text(f"query log {it.log}: {form} ({printable(it.why)})", style="bold"))
        table = Table("Detector", "Looks for")
        for name, what in it.looking.items():
            table.add_row(Text(name), Text(what))
        for name, lacking in it.blind.items():
            table.add_row(Text(name), Text(f"BLIND: the format does not tell {lacking}"))
        for name in it.off:
            table.add_row(Text(name), Text("left out by the configuration"))
        console.print(table)
        console.print(Text(f"Our own probes: {it.probes}."))
        console.print(
            Text(
                f"False alarms: at most {it.tickets_per_week:g} a week that open a ticket, "
                f"{it.pages_per_year:g} a year that page."
            )
        )


def coverage_row(covered: Sequence[Coverage], logs: Sequence[LogCoverage]) -> dict[str, object]:
    """Return the same for programs."""
    found: dict[str, object] = {"coverage": [_row(it) for it in covered], "assumptions": list(ASSUMPTIONS)}
    return found | {"logs": [asdict(it) for it in logs]}


def _cells(every: timedelta, it: Situation) -> tuple[str, str, str, str]:
    if not it.possible:
        return it.what, "NOT POSSIBLE with this configuration", it.detects, "never"
    waits = "\n".join(_wait(every, wait) for wait in it.waits)
    return (
        it.what,
        it.detects,
        it.never,
        "\n".join(part for part in (waits, it.enrolled and f"({it.enrolled})") if part),
    )


def _wait(every: timedelta, wait: Wait) -> str:
    share = _SHARES[wait.share]
    if wait.half_of_runs is None:
        return f"{share}: not within the limit; enrol with more"
    late = "longer" if wait.most_runs is None else _after(every, wait.most_runs)
    return f"{share}: {_rounds(wait.half_of_runs)}, {_after(every, wait.half_of_runs)} (9 of 10: {late})"


def _rounds(count: int) -> str:
    return f"{count:,} round" + ("" if count == 1 else "s")


def _after(every: timedelta, rounds: int) -> str:
    """Return how long rounds take; a trouble begins in the middle between two of them, as far as anybody knows."""
    seconds = every.total_seconds() * rounds
    unit = 86_400 if seconds > 10 * 86_400 else 3_600 if seconds > 36_000 else 60
    return f"about {show_duration(timedelta(seconds=max(unit, round(seconds / unit) * unit)))}"


def _costs(it: Coverage) -> list[str]:
    lines = [f"A day on the {_spent(spent)}" for spent in it.a_day]
    if it.money_a_day is not None:
        lines.append(f"A day costs {it.money_a_day:,.2f} at {it.price:g} per million tokens.")
    if it.budget is not None and it.within_budget < 1:
        lines.append(
            f"THE BUDGET of {it.budget:,} tokens pays for {it.within_budget:.0%} of these rounds; the others will not "
            "be made. Raise it, or `every`."
        )
    elif it.budget is not None:
        lines.append(f"The budget of {it.budget:,} tokens a day is enough ({it.tokens_a_day:,.0f} are planned).")
    lines += [f"Once, to enrol, on the {_spent(spent)}" for spent in it.enrolment]
    return lines


def _spent(it: Spending) -> str:
    where = " (on this machine)" if it.local else ""
    return f"{it.channel} channel{where}: {it.requests:,.0f} requests, {it.tokens:,.0f} tokens."


def _row(it: Coverage) -> dict[str, object]:
    return {
        "target": it.target,
        "every": show_duration(it.every),
        "direct": it.direct,
        "delivered": it.delivered,
        "baseline": it.baseline,
        "declared": list(it.declared),
        "situations": [
            {
                "what": situation.what,
                "possible": situation.possible,
                "detects": situation.detects,
                "never": situation.never,
                "enrolled": situation.enrolled,
                "rounds_to_detect": [
                    {"share": wait.share, "half_of_runs": wait.half_of_runs, "nine_of_ten_runs": wait.most_runs}
                    for wait in situation.waits
                ],
            }
            for situation in it.situations
        ],
        "a_day": [_spending_row(spent) for spent in it.a_day],
        "enrolment": [_spending_row(spent) for spent in it.enrolment],
        "tokens_a_day": round(it.tokens_a_day),
        "money_a_day": it.money_a_day,
        "budget": it.budget,
        "within_budget": it.within_budget,
    }


def _spending_row(it: Spending) -> dict[str, object]:
    return {"channel": it.channel, "local": it.local, "requests": round(it.requests), "tokens": round(it.tokens)}
