"""Every format of query logs. Adding one is a module and a line here, or an entry point elsewhere.

A format is imported when it is made: a machine without the extra `logs` can read any configuration.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from detectors.logs.formats.guess import guess
from watchdog.errors import ConfigError
from watchdog.plugins import Extensible
from watchdog.ports import LogFormat

AUTO, MAPPING = "auto", "mapping"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The format that a log is read with, and why."""

    format: LogFormat
    why: str


def _of(module: str, kind: str) -> Callable[[], LogFormat]:
    def make() -> LogFormat:
        made: LogFormat = getattr(import_module(f"detectors.logs.formats.{module}"), kind)()
        return made

    return make


def _fault(name: str, found: object) -> str | None:
    if not callable(found):
        return "it does not make a format when it is called"
    made = found()
    if not callable(getattr(made, "parse", None)) or not isinstance(getattr(made, "fields", None), frozenset):
        return "what it makes has no `parse`, or no frozenset `fields`"
    called = getattr(made, "name", None)
    return None if called == name else f"it makes a format that is called {called!r}"


FORMATS: Mapping[str, Callable[[], LogFormat]] = Extensible(
    {
        "litellm": _of("litellm", "LiteLLM"),
        "otel": _of("otel", "OpenTelemetry"),
        "openai": _of("openai_pairs", "OpenAIPairs"),
        "envoy": _of("envoy", "Envoy"),
        "nginx": _of("nginx", "Nginx"),
        "vllm": _of("vllm", "Vllm"),
    },
    group="corrigibility_watchdog.log_formats",
    fault=_fault,
    page="docs/query-logs.md",
)


def open_format(name: str, mapping: Mapping[str, str] | None, lines: Sequence[bytes]) -> Chosen:
    """Return the format of that name; `auto` is guessed from the log's first lines, `mapping` made from the mapping.

    Raises ConfigError when nothing can be guessed, or there is no such format.
    """
    if name == MAPPING:
        from detectors.logs.formats.mapping import MappingFormat  # noqa: PLC0415 - msgspec only where it is used

        return Chosen(MappingFormat(mapping or {}), "the configuration describes it")
    if name == AUTO:
        found = guess(lines, FORMATS)
        return Chosen(FORMATS[found.name](), found.why)
    if name not in FORMATS:
        raise ConfigError(f"there is no format called {name!r}", hint=f"known are {', '.join(sorted(FORMATS))}")
    return Chosen(FORMATS[name](), "the configuration names it")
