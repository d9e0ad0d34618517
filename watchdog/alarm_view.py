"""An alarm about one client, explained to a person at a terminal: who, since when, how sure, beside what, what now."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watchdog import alarm_words
from watchdog.domain.findings import Severity
from watchdog.domain.queries import Alarm, Deviation, Example
from watchdog.domain.text import printable
from watchdog.domain.times import lasting, when
from watchdog.redaction import shown
from watchdog.sparkline import spark


def print_alarm(alarm: Alarm, console: Console, *, show_text: bool = False) -> None:
    """Print what there is to know about an alarm, below its headline.

    What the client wrote is redacted unless `show_text`, and always made harmless.
    """
    console.print(Text(printable(alarm.said)))
    line = spark([it.evidence for it in alarm.path], ascii_only=ascii_only(console))
    console.print(grid(facts(alarm, line)))
    _print_beside(console, apart(alarm))
    _print_examples(console, alarm.examples, show_text=show_text)


def headline(alarm: Alarm) -> Text:
    """Return how bad it is, who it is, and what they do, on one line."""
    colour = "bold red" if alarm.severity is Severity.CRITICAL else "bold yellow"
    return Text(f"{alarm_words.level(alarm).upper()}  {alarm.rule}  {alarm_words.summary(alarm)}", style=colour)


def facts(alarm: Alarm, line: str = "") -> list[tuple[str, str]]:
    """Return what a reader needs to know, most urgent first: names and plain sentences.

    `line` is a sparkline of the evidence, for where nothing better can be drawn.
    """
    return [
        ("Who", alarm_words.attribution(alarm)),
        ("Since", f"{when(alarm.since)}; the alarm came {lasting(alarm.at - alarm.since)} later"),
        ("Evidence", f"{line}  {alarm_words.evidence(alarm)}" if line else alarm_words.evidence(alarm)),
        ("What now", alarm_words.next_step(alarm.rule)),
        ("Promise", alarm_words.promise(alarm)),
        ("Blind", alarm_words.blindness(alarm.blind)),
    ]


def grid(rows: Iterable[tuple[str, str]]) -> Table:
    """Return names in bold, each with its sentences beside it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, said in rows:
        table.add_row(name, Text(said))
    return table


def ascii_only(console: Console) -> bool:
    """Tell whether a terminal shows nothing but ASCII for sure."""
    return not console.encoding.lower().startswith("utf")


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
            console.print(Text(f"   {shown(it, whole=show_text)}"))
