"""How a replay is to judge: as the command line says, or as a configuration does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from detectors.catalog import watch_clients
from detectors.logs.formats.catalog import AUTO, MAPPING
from watchdog.config.json_paths import path_of
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.domain.queries import FIELDS
from watchdog.errors import ConfigError
from watchdog.ports import ClientWatch, LogFormat
from watchdog.replay.lane import LOG

_KNOWN = sorted(FIELDS | {"at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How recorded logs are read and judged; as a configuration says, or as it would by default."""

    log: str = LOG
    """What the log is called."""
    format: str = AUTO
    mapping: Mapping[str, str] | None = None
    detectors: Sequence[str] | None = None
    """None for all that can look."""
    segments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tickets_per_week: float = 1.0
    pages_per_year: float = 1.0
    warm_up: int | None = None
    """Distinct requests to learn from; None for as many as live."""

    def watch(self, form: LogFormat) -> ClientWatch:
        """Make the detectors for a format."""
        return watch_clients(
            log=self.log,
            fields=form.fields,
            detectors=self.detectors,
            segments=self.segments,
            tickets_per_week=self.tickets_per_week,
            pages_per_year=self.pages_per_year,
            warm_up=self.warm_up,
        )


def manner_of(
    base: Manner,
    *,
    format_: str | None,
    mapping: Path | None,
    warm_up: int | None,
) -> Manner:
    """Return what the command line says; what it says nothing of stays as it is.

    Raises ConfigError when it contradicts itself, or the mapping cannot be read.
    """
    base = base if warm_up is None else replace(base, warm_up=warm_up)
    if mapping is None:
        if format_ == MAPPING and base.mapping is None:
            raise ConfigError("--format mapping needs a mapping", hint="--mapping FILE says where a line has what")
        return base if format_ is None else replace(base, format=format_)
    if format_ not in {None, AUTO, MAPPING}:
        raise ConfigError(
            f"--mapping is for a format of your own, and not for {format_!r}", hint="leave one of them out"
        )
    return replace(base, format=MAPPING, mapping=read_mapping(mapping))


def configured(settings: Settings[KindSection, NotifierSection], log: str | None) -> Manner:
    """Return how a configuration judges one of its query logs.

    Raises ConfigError when it has none of that name, or several and none is named.
    """
    names = [it.name for it in settings.query_logs]
    if not names:
        raise ConfigError("the configuration has no `query-logs`", hint="leave --config out, or describe a log there")
    if log is None and len(names) > 1:
        raise ConfigError("the configuration has several query logs", hint=f"choose with --log: {', '.join(names)}")
    it = next((it for it in settings.query_logs if log in {None, it.name}), None)
    if it is None:
        raise ConfigError(f"no query log is called {log!r}", hint=f"the configuration names {', '.join(names)}")
    return Manner(
        log=it.name,
        format=it.format,
        mapping=it.mapping,
        detectors=it.detectors,
        segments={name: segment.clients for name, segment in it.segments.items()},
        tickets_per_week=settings.log_tickets_per_week / len(names),
        pages_per_year=settings.log_pages_per_year / len(names),
        warm_up=it.warm_up,
    )


def read_mapping(file: Path) -> Mapping[str, str]:
    """Return the mapping in a YAML file: a path into a line for each field of a request.

    Raises ConfigError that says what is wrong with it.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{file} cannot be read: {exc.strerror}", hint="name a YAML file") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file} is no YAML", hint="write one `field: path.in.a.line` on each line") from exc
    if not isinstance(found, dict) or not all(isinstance(it, str) for pair in found.items() for it in pair):
        raise ConfigError(f"{file} is no mapping", hint="write one `field: path.in.a.line` on each line")
    for name, path in found.items():
        if name not in _KNOWN:
            raise ConfigError(f"{file}: no field is called {name!r}", hint=f"there are {', '.join(_KNOWN)}")
        try:
            path_of(path)
        except ValueError as exc:
            raise ConfigError(f"{file}: {name}: {exc}", hint="write a path as in messages.-1.content") from exc
    if "at" not in found:
        raise ConfigError(f"{file} has no `at`", hint="say where a line has its time: at: timestamp")
    return found
