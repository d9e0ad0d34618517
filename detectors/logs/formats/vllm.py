"""vLLM's own log. A request leaves two lines that do not name each other, and each is taken for what it tells.

`Received request …` has the id and the sampling parameters, and in older versions the prompt; Uvicorn's access line has
the address, the path and the status. No line has a key.
"""

import ast
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from detectors.logs.formats.faults import line_error
from detectors.logs.formats.values import count, endpoint, excerpt, moment, name, status, whole
from watchdog.domain.queries import Query

_STAMP = re.compile(r"(?:INFO|WARNING|ERROR|DEBUG) (\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) ")
_OUTER = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
"""A time in front of the line, as containers and log collectors put it there."""
_ACCESS = re.compile(r'INFO: +(\S+):(\d+) - "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3})')
_RECEIVED = re.compile(
    r"""Received\ request\ (?P<id>\S+):\ (?:prompt:\ (?P<prompt>None|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"),\ )?"""
    r"params:\ SamplingParams\((?P<params>[^)]*)",
    re.VERBOSE,
)
_PARAMETER = re.compile(r"\b(n|seed|logprobs|max_tokens)=(-?\d{1,16})\b")
_DAY = 86_400.0


class Vllm:
    """An engine that knows no customers.

    Its times have no year and no zone: they are taken as UTC, and as the last such time before now. A line without any
    time came when the one before it did; the first lines of all, when they are read.
    """

    name = "vllm"
    fields = frozenset(
        {"id", "address", "endpoint", "status", "prompt", "top_logprobs", "choices", "seed", "max_tokens"}
    )

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._last: float | None = None

    def recognises(self, line: bytes) -> bool:
        """Tell whether a line looks like one of this format."""
        text = line.decode(errors="replace")
        return any(it.search(text) for it in (_STAMP, _ACCESS, _RECEIVED))

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the half of a request in one line. Raises LineError when it cannot be read."""
        if b"\0" in line:
            raise line_error("nul")
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise line_error("not_utf8") from None
        at = self._at(text)
        if (found := _RECEIVED.search(text)) is not None:
            return (_received(found, at),)
        if (found := _ACCESS.search(text)) is not None:
            address, _, method, path, code = found.groups()
            return (Query(at=at, address=name(address), endpoint=endpoint(path, method), status=status(code)),)
        if "Received request " in text and "SamplingParams(" in text:
            raise line_error("unknown_line")
        return ()

    def _at(self, text: str) -> float:
        if (outer := _OUTER.match(text)) is not None:
            self._last = moment(outer[0].replace(",", "."))
        elif (stamp := _STAMP.search(text, 0, 200)) is not None:
            self._last = _of_year(stamp, self._now())
        return self._now() if self._last is None else self._last


def _of_year(stamp: re.Match[str], now: float) -> float:
    month, day, hour, minute, second = map(int, stamp.groups())
    year = datetime.fromtimestamp(now + _DAY, UTC).year
    for it in (year, year - 1, year - 2, year - 3, year - 4):  # the 29th of February is not in every year
        try:
            at = datetime(it, month, day, hour, minute, second, tzinfo=UTC).timestamp()
        except ValueError:
            continue
        if at <= now + _DAY:
            return at
    raise line_error("time")


def _received(found: re.Match[str], at: float) -> Query:
    said = dict(_PARAMETER.findall(found["params"]))
    return Query(
        at=at,
        id=name(found["id"]),
        prompt=_prompt(found["prompt"]),
        top_logprobs=count(said.get("logprobs")),
        choices=count(said.get("n")),
        seed=whole(said.get("seed")),
        max_tokens=count(said.get("max_tokens")),
    )


def _prompt(shown: str | None) -> str | None:
    """Return the text that was written as Python writes a text."""
    if shown in (None, "None"):
        return None
    try:
        text = ast.literal_eval(shown)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return excerpt(text.encode("utf-8", "replace").decode("utf-8"))
