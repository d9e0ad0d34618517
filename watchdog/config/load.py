"""YAML to settings. Every fault is reported at once, each with its file, line, key and what was expected."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from watchdog.config import query_logs
from watchdog.config.faults import faults
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.config.sources import APPENDED, HINT, read_sources
from watchdog.config.tree import child, values, where
from watchdog.config.words import nearest
from watchdog.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and the digest of the bytes they were read from."""

    settings: Settings[KindSection, NotifierSection]
    digest: str
    """SHA-256 in hex: of the file where there is one; else of the files' own, one a line."""


def load(
    paths: Sequence[Path],
    shape: type[Settings[KindSection, NotifierSection]],
    *,
    probes: Collection[str] | None = None,
    detectors: Collection[str] | None = None,
    log_formats: Collection[str] | None = None,
    lacking: Callable[[], str] = query_logs.lacking,
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """Read configuration files and folders into settings of the given shape.

    `probes`, `detectors` and `log_formats` are the names that are known; `lacking` says what query logs need and is not
    installed.

    Relative paths are relative to the file they stand in. Raises ConfigError that names everything that is wrong.
    """
    sources = read_sources(paths, environ)
    wrong = [*sources.faults, *(it for key in APPENDED for it in _repeated_names(sources.tree, key))]
    wrong += _faults_of_logs(sources.tree, lacking)
    known = {"probes": probes, "detectors": detectors, "log_formats": log_formats}
    try:
        settings = shape.model_validate(values(sources.tree), context=known)
    except ValidationError as exc:
        raise ConfigError("\n".join([*wrong, *faults(sources.tree, exc, shape)]), hint=HINT) from exc
    if wrong:
        raise ConfigError("\n".join(wrong), hint=HINT)
    return Loaded(_anchored(settings, sources.tree), sources.digest)


def _repeated_names(tree: yaml.Node, key: str) -> list[str]:
    """Find names that are used again. Looked for in the tree, so that it is told together with every other fault."""
    first: dict[str, yaml.Node] = {}
    wrong = []
    for _, name in _each(tree, key, "name"):
        earlier = first.setdefault(name.value, name)
        if earlier is not name:
            wrong.append(f"{where(name)}: {key}: the name {name.value!r} is used already at {where(earlier)}")
    return wrong


def _faults_of_logs(tree: yaml.Node, lacking: Callable[[], str]) -> list[str]:
    """Find what is wrong with query logs beyond their own sections: unknown targets, and what is not installed."""
    logs = child(tree, "query-logs")
    if logs is None:
        return []
    names = {named.value for _, named in _each(tree, "targets", "name")}
    wrong = [f"{where(logs[1])}: query-logs: {said}" for said in [lacking()] if said]
    for at, target in _each(tree, "query-logs", "target"):
        if target.value not in names and not target.tag.endswith(":null"):
            said = f"there is no target called {target.value!r}{nearest(target.value, names)}"
            wrong.append(f"{where(target)}: query-logs[{at}].target: {said}")
    return wrong


def _each(tree: yaml.Node, key: str, inner: str) -> Iterator[tuple[int, yaml.ScalarNode]]:
    """Yield one value of each section in a list, with the section's number."""
    found = child(tree, key)
    for at, it in enumerate(found[0].value if found is not None and isinstance(found[0], yaml.SequenceNode) else ()):
        value = child(it, inner)
        if value is not None and isinstance(value[0], yaml.ScalarNode):
            yield at, value[0]


def _anchored(
    settings: Settings[KindSection, NotifierSection], tree: yaml.Node
) -> Settings[KindSection, NotifierSection]:
    """Make every path relative to the folder of its own file, not to wherever the program was started."""
    anchored: dict[str, Any] = {}
    for name, info in type(settings).model_fields.items():
        key = info.alias or name
        found = child(tree, key)
        if found is None:
            continue
        value, node = getattr(settings, name), found[0]
        if key in APPENDED:
            anchored[name] = tuple(_anchor(it, _folder(at)) for it, at in zip(value, node.value, strict=True))
        else:
            anchored[name] = _anchor(value, _folder(node))
    return settings.model_copy(update=anchored)


def _folder(node: yaml.Node) -> Path:
    return Path(node.start_mark.name).parent


def _anchor(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_anchor(part, folder) for part in value)
    if isinstance(value, Mapping):
        return {key: _anchor(part, folder) for key, part in value.items()}
    if isinstance(value, BaseModel):
        values = {name: _anchor(getattr(value, name), folder) for name in type(value).model_fields}
        return value.model_copy(update=values)
    return value
