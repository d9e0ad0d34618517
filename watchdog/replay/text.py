"""A replay's report for a terminal: the verdict first, then what was read, who looked, and each alarm explained."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from watchdog.alarm_view import ascii_only, grid, headline, print_alarm
from watchdog.domain.findings import Finding
from watchdog.domain.queries import Looking
from watchdog.domain.text import printable
from watchdog.replay import words
from watchdog.replay.report import Found, Outcome, Report

_COLOUR = {Outcome.FOUND: "bold red", Outcome.CLEAN: "bold green"}
_STATE = {Looking.LOOKING: "green", Looking.WARMING_UP: "yellow", Looking.BLIND: "bold yellow"}
_MOST_FILES = 20
_MOST_WHOLE = 10
"""Alarms that are explained at length; the others have a line each."""


def print_report(report: Report, console: Console, *, show_text: bool = False) -> None:
    """Print the whole report; what clients wrote is redacted unless `show_text`."""
    console.print(Text(words.verdict(report), style=_COLOUR.get(report.outcome, "bold yellow")))
    console.print()
    console.print(grid(words.facts(report)))
    _print_files(console, report)
    if report.looked:
        console.print()
        console.print(_detectors(report))
    for finding in report.about_the_log:
        console.print()
        _print_finding(console, finding)
    dash = "-" if ascii_only(console) else "─"
    for number, it in enumerate(report.found[:_MOST_WHOLE], start=1):
        console.print()
        console.rule(Text(f"{number} of {len(report.found)}"), align="left", characters=dash)
        console.print(headline(it.alarm))
        print_alarm(it.alarm, console, show_text=show_text)
        _print_times(console, it)
    _print_shortly(console, report)
    advice = words.advice(report)
    if advice:
        console.print()
        console.print(Text("To see more", style="bold"))
    for told in advice:
        console.print(Padding(Text(told), (0, 0, 0, 2)))


def _print_files(console: Console, report: Report) -> None:
    if len(report.files) > 1:
        for it in report.files[:_MOST_FILES]:
            console.print(Text(f"  {words.of_file(it)}"))
        if len(report.files) > _MOST_FILES:
            console.print(Text(f"  … and {len(report.files) - _MOST_FILES} more; `--report json` has them all"))
    for problem in words.problems(report):
        console.print(Text(f"  {problem}", style="bold yellow"))


def _detectors(report: Report) -> Table:
    formats = {it.format for it in report.looked}
    table = Table("detector", "", "", box=None, padding=(0, 3, 0, 0), show_header=False)
    for it in sorted(report.looked, key=lambda it: (it.format, list(Looking).index(it.state.looking), it.state.rule)):
        name = it.state.rule if len(formats) == 1 else f"{it.format}: {it.state.rule}"
        table.add_row(
            Text(name), Text(words.state(it), style=_STATE[it.state.looking]), Text(printable(words.detail(it), 300))
        )
    return table


def _print_finding(console: Console, it: Finding) -> None:
    console.print(Text(f"{it.severity.upper()}  {it.rule}  {printable(it.summary)}", style="bold yellow"))
    console.print(Text("What now  ", style="bold").append(printable(it.next_step), style="not bold"))


def _print_times(console: Console, it: Found) -> None:
    if it.times > 1:
        console.print(Text(f"It alarmed {it.times:,} times; this is the strongest.", style="dim"))


def _print_shortly(console: Console, report: Report) -> None:
    rest = report.found[_MOST_WHOLE:]
    if rest:
        console.print()
    for it in rest:
        console.print(headline(it.alarm))
    if rest or report.more_found:
        console.print(Text("`--report html --output FILE` explains every one of them that was kept.", style="dim"))
