"""An alarm about one client, explained to a person at a terminal: who, since when, how sure, beside what, what now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watchdog import alarm_words
from watchdog.domain.findings import Severity
from watchdog.domain.queries import Alarm, Deviation, Example
from watchdog.domain.text import printable
from watchdog.redaction import MOST, redacted
from watchdog.sparkline import spark

_MOST_WHOLE = 20_000
"""Characters of an example with `--show-text`: a bound, so that one request cannot fill a disk."""


def print_alarm(alarm: Alarm, console: Console, *, show_text: bool = False, heading: bool = True) -> None:
    """Print an alarm; what the client wrote is redacted unless `show_text`, and always made harmless."""
    if heading:
        colour = "bold red" if alarm.severity is Severity.CRITICAL else "bold yellow"
        console.print(Text(f"{level(alarm).upper()}  {alarm.rule}  {alarm_words.summary(alarm)}", style=colour))
        console.print(Text(printable(alarm.said)))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    line = spark([it.evidence for it in alarm.path], ascii_only=_ascii(console))
    for name, fact in facts(alarm, line):
        grid.add_row(name, Text(fact))
    console.print(grid)
    _print_beside(console, apart(alarm))
    _print_examples(console, alarm.examples, show_text=show_text)
    console.print(Text("What now  ", style="bold").append(alarm_words.next_step(alarm.rule), style="not bold"))


def facts(alarm: Alarm, line: str = "") -> list[tuple[str, str]]:
    """Return what a reader needs to know, most urgent first: names and plain sentences.

    `line` is a sparkline of the evidence, for where nothing better can be drawn.
    """
    return [
        ("Who", alarm_words.attribution(alarm)),
        ("Since", f"{when(alarm.since)}; the alarm came {lasting(alarm.at - alarm.since)} later"),
        ("Evidence", f"{line}  {alarm_words.evidence(alarm)}" if line else alarm_words.evidence(alarm)),
        ("Promise", alarm_words.promise(alarm)),
        ("Blind", alarm_words.blindness(alarm.blind)),
    ]


def level(alarm: Alarm) -> str:
    """Say what the alarm is worth: a page at night, or a ticket for the morning."""
    return "page" if alarm.severity is Severity.CRITICAL else "ticket"


def when(at: datetime) -> str:
    """Return an instant as people read it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def lasting(it: timedelta) -> str:
    """Return a length of time in the unit that fits.

    >>> lasting(timedelta(minutes=3, seconds=5))
    '3 min 5 s'
    """
    seconds = max(round(it.total_seconds()), 0)
    for unit, name, below, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            whole, rest = divmod(seconds, unit)
            return f"{whole} {name} {rest // below} {small}" if rest // below else f"{whole} {name}"
    return f"{seconds} s"


def shown(example: Example, *, show_text: bool) -> str:
    """Return an example's text as it may be shown; it says so when the text was erased."""
    if not example.text:
        return "(no text: the log does not tell it, or it was erased)"
    return printable(example.text, _MOST_WHOLE) if show_text else redacted(example.text, MOST)


def apart(alarm: Alarm) -> list[Deviation]:
    """Return the features that tell the client from others at all, furthest first."""
    return [it for it in alarm.deviations if it.distance > 0]


def _print_beside(console: Console, deviations: Sequence[Deviation]) -> None:
    if not deviations:
        return
    table = Table("furthest from what is usual", "client", "usual", "", box=None, padding=(0, 3, 0, 0))
    for it in deviations:
        numbers = (alarm_words.number(it.client), alarm_words.number(it.usual))
        away = f"{it.distance:,.1f} standard deviations away"
        table.add_row(*map(Text, (alarm_words.feature(it.feature), *numbers, away)))
    console.print(table)


def _print_examples(console: Console, examples: Sequence[Example], *, show_text: bool) -> None:
    told = any(it.text for it in examples)
    if examples and not told:
        console.print(Text("Examples, without their text: the log does not tell it, or it was erased", style="dim"))
    for number, it in enumerate(examples, start=1):
        id_ = f" {printable(it.query, 60)}" if it.query else ""
        head = Text(f"{number}. {it.at:%H:%M:%S}{id_}: {printable(it.why, 120)}", style="dim")
        console.print(head)
        if told:
            console.print(Text(f"   {shown(it, show_text=show_text)}"))


def _ascii(console: Console) -> bool:
    return not console.encoding.lower().startswith("utf")
