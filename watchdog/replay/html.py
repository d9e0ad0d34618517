"""A replay's report as one HTML file: nothing is fetched, nothing runs, and it reads offline, in light and in dark."""

import base64
import hashlib
from functools import cache, partial
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from watchdog import alarm_words
from watchdog.alarm_view import apart, facts
from watchdog.domain.queries import Alarm
from watchdog.domain.text import printable
from watchdog.domain.times import when
from watchdog.redaction import shown
from watchdog.replay import words
from watchdog.replay.report import Report
from watchdog.sparkline import points

_BOX = (640.0, 120.0)
"""Width and height of a path of evidence, in the units of its picture."""


@cache
def _template() -> Template:
    """Return the page's template, compiled once."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"printable": printable, "when": when, "number": alarm_words.number}
    environment.globals |= {"words": words, "alarm_words": alarm_words}
    environment.globals |= {"facts": facts, "apart": apart, "curve": _curve, "box": _BOX}
    return environment.from_string(_part("report.html.jinja"))


def html(report: Report, *, show_text: bool = False) -> str:
    """Return the report as a page; every value goes through autoescape, whoever wrote it."""
    style = _part("report.css")
    return _template().render(
        report=report,
        style=Markup(style),  # noqa: S704 - our own file, and the one thing in the page that is not escaped
        style_digest=_digest(style),
        shown=partial(shown, whole=show_text),
        whole=show_text,
    )


def _curve(alarm: Alarm) -> dict[str, object]:
    """Return what a template needs to draw a path of evidence."""
    line, threshold = points(alarm.path, alarm.threshold, _BOX)
    return {"line": line, "threshold": threshold, "points": line.split()}


def _part(name: str) -> str:
    return files("watchdog.replay").joinpath(name).read_text(encoding="utf-8")


def _digest(style: str) -> str:
    """Return what a browser compares a style with before it takes it, under our content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
