"""What a configuration may say about a query log."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, model_validator

from watchdog.config.json_paths import path_of
from watchdog.config.patterns import Name
from watchdog.config.section import Section
from watchdog.config.words import nearest
from watchdog.domain.queries import FIELDS, LINE_LIMIT

_NEEDED = ("msgspec",)
"""What reading query logs needs and a plain installation lacks: the extra `logs`."""
_INSTALL = "pip install 'corrigibility-watchdog[logs]'"

_NOT_IN_THE_CATALOG = ("auto", "mapping")


def _known_detector(name: str, info: ValidationInfo) -> str:
    # Which there are is known to catalogs that this layer cannot see; the reader passes their names along.
    known = (info.context or {}).get("detectors")
    if known is not None and name not in known:
        raise ValueError(f"there is no detector called {name!r}{nearest(name, known)}")
    return name


def _known_format(name: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("log_formats")
    if known is not None and name not in (words := {*known, *_NOT_IN_THE_CATALOG}):
        raise ValueError(f"there is no log format called {name!r}{nearest(name, words)}")
    return name


def _field(name: str) -> str:
    if name != "at" and name not in FIELDS:
        raise ValueError(f"a request has no field called {name!r}{nearest(name, {*FIELDS, 'at'})}")
    return name


def _path(text: str) -> str:
    path_of(text)
    return text


def _no_default(segments: Mapping[str, object]) -> Mapping[str, object]:
    if "default" in segments:
        raise ValueError("`default` is what every client is in that no segment names; call this segment otherwise")
    return segments


class SegmentSettings(Section):
    """Clients that are judged by a base rate of their own."""

    clients: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(min_length=1)
    """Patterns with `*` and `?`."""


class QueryLogSettings(Section):
    """One query log: where it is, how it is written, and what is looked for in it."""

    name: Name
    paths: tuple[Path, ...] = Field(min_length=1)
    """Files, globs and folders."""
    format: Annotated[str, AfterValidator(_known_format)] = "auto"
    mapping: Mapping[Annotated[str, AfterValidator(_field)], Annotated[str, AfterValidator(_path)]] | None = None
    """Where a format of one's own has what; with `format: mapping`."""
    target: str | None = None
    """The target whose delivered channel writes it: our own probes have to appear in it."""
    detectors: tuple[Annotated[str, AfterValidator(_known_detector)], ...] | None = None
    """All that the format can feed when none are named."""
    segments: Annotated[Mapping[Name, SegmentSettings], AfterValidator(_no_default)] = Field(default_factory=dict)
    warm_up: int | None = Field(default=None, ge=1)
    """Distinct requests that are learned from; until then only what goes far beyond anything usual alarms."""
    line_limit: int = Field(default=LINE_LIMIT, ge=1024, le=1 << 30)
    """Bytes of the longest line that is read."""
    from_: Literal["beginning", "end"] = Field(default="end", alias="from")
    """Where to begin in what is there before the first start."""

    @model_validator(mode="after")
    def _describes_its_own_format(self) -> Self:
        if (self.format == "mapping") != (self.mapping is not None):
            raise ValueError("`mapping` belongs with `format: mapping`, and `format: mapping` needs it")
        if self.mapping is not None and "at" not in self.mapping:
            raise ValueError("`mapping` has to say where `at` is, the time of a request")
        return self


def lacking() -> str:
    """Say what is not installed, and how to install it; empty when everything is."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    return f"reading query logs needs {' and '.join(missing)}: {_INSTALL}" if missing else ""
