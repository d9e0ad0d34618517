"""A replay's report in sentences, for every form that it is shown in. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from watchdog import alarm_words
from watchdog.domain.queries import Looking
from watchdog.domain.text import printable
from watchdog.domain.times import lasting, when
from watchdog.replay.report import FileRead, Looked, Outcome, Report, pages

REASONS = {
    "duplicate_key": "with a key twice",
    "fault": "at which the reader failed",
    "missing": "without a key that they need",
    "not_json": "not JSON",
    "not_utf8": "not UTF-8",
    "nul": "with NUL bytes",
    "number": "with a number that is none",
    "surrogate": "with half a character",
    "time": "with a time that cannot be",
    "too_deep": "nested too deeply",
    "too_long": "too long",
    "unknown_format": "in no known format",
    "unknown_line": "of another purpose",
    "wrong_type": "with a value of the wrong type",
}
"""Why a line was not read, in words that follow a number of lines."""

_NO_FORMAT = (
    "Name the format with --format, or say where things are with --mapping FILE, a YAML file such as:\n"
    "at: timestamp\nclient: user.key\nprompt: messages.-1.content\nreply: choices.0.message.content"
)
_STATE = {Looking.LOOKING: "looked", Looking.WARMING_UP: "still learning", Looking.BLIND: "BLIND"}


def verdict(report: Report) -> str:
    """Say what the replay came to, in one sentence that is not more than what was seen."""
    match report.outcome:
        case Outcome.FOUND:
            return _found(report)
        case Outcome.CLEAN:
            return _clean(report)
        case Outcome.UNREADABLE:
            return "Nothing was found in what could be read, but not everything could be read."
        case Outcome.NOT_EVALUATED:
            return _nobody_looked(report)


def advice(report: Report) -> list[str]:
    """Say what would let the detectors see more; nothing when they saw all there is."""
    told = []
    if not report.requests:
        return [_NO_FORMAT]
    if report.warming_up:
        told.append(
            "Detectors first learn what is usual, from requests that differ; repeats of one template count once. Give "
            "them ordinary traffic of the same API with --reference FILE, more files at once, or let them settle for "
            "less with --warm-up N."
        )
    if missing := _missing(report):
        told.append(
            f"For the blind detectors the log would have to tell: {', '.join(missing)}. Where it does under another "
            "name, --mapping FILE says so; the gateway's documentation says how to log it."
        )
    if report.reference is not None and report.reference.alarms:
        told.append(
            f"The reference itself raised {report.reference.alarms:,} alarms: what is suspicious in it was not "
            "learned, but look at it too: `logs replay` the reference alone."
        )
    return told


def facts(report: Report) -> list[tuple[str, str]]:
    """Return what was read: names and sentences."""
    named = sorted({it.format for it in report.files if it.requests})
    rows = [("Read", f"{_many(len(report.files), 'file')}, {report.lines:,} lines{_of(named)}")]
    if (period := report.period) is not None:
        first, last = period
        rows.append(("Period", f"{when(first)} to {when(last)} ({lasting(last - first)})"))
    who = f" by {_many(report.clients, 'client')}" if report.clients else "; no line names its client"
    rows.append(("Requests", f"{report.requests:,}{who}"))
    if report.warm_up is not None:
        rows.append(("Warm-up", f"{report.warm_up:,} distinct requests, for want of as many as live"))
    if report.malformed:
        told = ", ".join(f"{count:,} {REASONS.get(why) or printable(why, 60)}" for why, count in _commonest(report))
        rows.append(("Not read", f"{_many(sum(report.malformed.values()), 'line')}: {told}"))
    if report.reference is not None:
        learned = f"{report.reference.requests:,} requests in {_many(len(report.reference.paths), 'file')}"
        rows.append(("Reference", f"learned from {learned}"))
    rows.append(("Took", took(report)))
    return rows


def took(report: Report) -> str:
    """Say how long it took, and how fast that is."""
    read = report.requests * (1 if report.warm_up is None else 2)
    speed = read / report.seconds if report.seconds > 0 else 0.0
    return f"{lasting(timedelta(seconds=report.seconds)) if report.seconds >= 10 else f'{report.seconds:.1f} s'}" + (
        f", {speed:,.0f} requests a second" if report.requests else ""
    )


def state(it: Looked) -> str:
    """Say in a word how it stands with a detector."""
    return _STATE[it.state.looking]


def detail(it: Looked) -> str:
    """Say what a detector looks for, or why it could not."""
    match it.state.looking:
        case Looking.BLIND:
            missing = ", ".join(it.state.missing)
            return f"the log does not tell: {missing}" if missing else "the log does not tell what it needs"
        case Looking.WARMING_UP:
            return f"learned from {alarm_words.learned(it.state)} that it needs first"
        case Looking.LOOKING:
            learned = f"; learned until {it.since:%Y-%m-%d %H:%M} UTC" if it.since is not None else ""
            return f"for an account that {alarm_words.words_of(it.state.rule).what}{learned}"


def of_file(it: FileRead) -> str:
    """Say in one line what one file was."""
    period = "" if it.first is None or it.last is None else f", {when(it.first)} to {when(it.last)}"
    bad = f", {it.malformed:,} lines not read" if it.malformed else ""
    return f"{printable(it.path, 200)}: {it.format or 'no format'}, {it.requests:,} requests{period}{bad}"


def problems(report: Report) -> list[str]:
    """Return everything that could not be read, in sentences that name the file."""
    return [f"{printable(it.path, 200)}: {printable(why, 300)}" for it in report.files for why in it.problems]


def _found(report: Report) -> str:
    if not report.found:
        return "The log itself is not right, so what it shows of clients is not all there was."
    at_night = pages(report)
    kinds = [_many(at_night, "page")] if at_night else []
    if tickets := len(report.found) - at_night:
        kinds.append(_many(tickets, "ticket"))
    more = f", and {report.more_found:,} more" if report.more_found else ""
    return f"Found something: {' and '.join(kinds)}{more}."


def _clean(report: Report) -> str:
    learning, blind = _rules(report.warming_up), _rules(report.blind)
    said = f"Nothing found by {_listed(_rules(report.looking))}."
    if learning:
        said += f" {_listed(learning)} still learned: only what goes far beyond the usual would have shown."
    return f"{said} {_listed(blind)} could not look." if blind else said


def _rules(looked: Sequence[Looked]) -> list[str]:
    return sorted({it.state.rule for it in looked})


def _nobody_looked(report: Report) -> str:
    if not report.lines:
        return "There was nothing to read. That is not the same as nothing wrong."
    if not report.requests:
        return "Not one line is a request that could be understood. That is not the same as nothing wrong."
    if report.warming_up:
        return (
            "All of it was needed to learn what is usual, so that only what goes far beyond it would have shown, and "
            "nothing did. That is not the same as nothing wrong."
        )
    return "Nothing could be judged: every detector is blind. That is not the same as nothing wrong."


def _commonest(report: Report) -> list[tuple[str, int]]:
    ordered = sorted(report.malformed.items(), key=lambda it: (-it[1], it[0]))
    shown, rest = ordered[:5], ordered[5:]
    return [*shown, *([("for other reasons", sum(count for _, count in rest))] if rest else [])]


def _missing(report: Report) -> list[str]:
    """Return the fields that blind detectors lack; a choice of fields only where none of it is named alone."""
    missing = {name for it in report.blind for name in it.state.missing}
    return sorted(it for it in missing if " or " not in it or not set(it.split(" or ")) & missing)


def _of(names: list[str]) -> str:
    return f" of {_listed(names)}" if names else ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
