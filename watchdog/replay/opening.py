"""Open what a replay reads: the files in the order of their first requests, each with its format."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from detectors.logs.formats.catalog import AUTO, open_format
from detectors.logs.recorded import STDIN, RecordedLog, open_recorded
from watchdog.domain.text import printable
from watchdog.errors import ConfigError, LineError, LogFileError
from watchdog.ports import LogFormat
from watchdog.replay.manner import Manner
from watchdog.replay.run import Source

_MOST_NAMED = 5
_MOST_KEYS = 12
_SMALL = 64 * 2**20


def open_sources(paths: Sequence[str], manner: Manner) -> list[Source]:
    """Return the logs at these paths, the one with the earliest request first.

    Raises LogFileError that names every one that cannot be read, ConfigError when the format is not known.
    """
    logs: list[RecordedLog] = []
    refused: list[tuple[str, LogFileError]] = []
    for path in dict.fromkeys(paths):
        try:
            logs.append(open_recorded(path))
        except LogFileError as exc:
            refused.append((path, exc))
    if refused:
        raise _together(refused)
    found = [(*_looked_at(log, manner), place) for place, log in enumerate(logs)]
    return [source for first, source, _ in sorted(found, key=lambda it: (it[0], it[2]))]


def total_of(sources: Sequence[Source]) -> int | None:
    """Return how many bytes there are to read; None when one is a pipe."""
    sizes = [it.log.size for it in sources]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def is_small(paths: Sequence[str]) -> bool:
    """Tell whether files can be read a second time, and soon."""
    return STDIN not in paths and all(Path(it).is_file() for it in paths) and sum(map(_size, paths)) <= _SMALL


def _size(path: str) -> int:
    return Path(path).stat().st_size


def _looked_at(log: RecordedLog, manner: Manner) -> tuple[float, Source]:
    """Return when the first request of a log came, as far as its first lines tell, and the log with its format."""
    try:
        lines = log.head()
    except LogFileError as exc:
        raise _together([(log.path, exc)]) from exc
    try:
        form = open_format(manner.format, manner.mapping, lines).format
    except ConfigError as exc:
        if manner.format != AUTO:
            raise
        return math.inf, Source(log=log, form=None, why=exc.problem + _keys(lines) if lines else "it is empty")
    return _first(form, lines), Source(log=log, form=form)


def _keys(lines: Sequence[bytes]) -> str:
    """Say which keys the first line has, for whoever is to write a mapping; nothing where it is no JSON object."""
    try:
        found = json.loads(lines[0])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict) or not found:
        return ""
    named = [printable(key, 40) for key in list(found)[:_MOST_KEYS]]
    return f"; its first line has the keys {', '.join(named)}{', …' if len(found) > _MOST_KEYS else ''}"


def _first(form: LogFormat, lines: Sequence[bytes]) -> float:
    for line in lines:
        try:
            queries = form.parse(line)
        except LineError:
            continue
        if queries:
            return queries[0].at
    return math.inf


def _together(refused: Sequence[tuple[str, LogFileError]]) -> LogFileError:
    named = "; ".join(f"{printable(path, 200)} {exc.problem}" for path, exc in refused[:_MOST_NAMED])
    more = f"; and {len(refused) - _MOST_NAMED} more" if len(refused) > _MOST_NAMED else ""
    return LogFileError(named + more, hint=refused[0][1].hint)
