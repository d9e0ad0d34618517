"""YAML to settings. Every fault is reported at once, each with its file, line, key and what was expected."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from watchdog.config.faults import faults
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.config.sources import APPENDED, HINT, read_sources
from watchdog.config.tree import child, values, where
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
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """Read configuration files and folders into settings of the given shape; `probes` are the names that are known.

    Relative paths are relative to the file they stand in. Raises ConfigError that names everything that is wrong.
    """
    sources = read_sources(paths, environ)
    wrong = [*sources.faults, *(it for key in APPENDED for it in _repeated_names(sources.tree, key))]
    try:
        settings = shape.model_validate(values(sources.tree), context={"probes": probes})
    except ValidationError as exc:
        raise ConfigError("\n".join([*wrong, *faults(sources.tree, exc, shape)]), hint=HINT) from exc
    if wrong:
        raise ConfigError("\n".join(wrong), hint=HINT)
    return Loaded(_anchored(settings, sources.tree), sources.digest)


def _repeated_names(tree: yaml.Node, key: str) -> list[str]:
    """Find names that are used again. Looked for in the tree, so that it is told together with every other fault."""
    found = child(tree, key)
    first: dict[str, yaml.Node] = {}
    wrong = []
    for it in found[0].value if found is not None and isinstance(found[0], yaml.SequenceNode) else ():
        named = child(it, "name")
        if named is None or not isinstance(named[0], yaml.ScalarNode):
            continue
        name = named[0]
        earlier = first.setdefault(name.value, name)
        if earlier is not name:
            wrong.append(f"{where(name)}: {key}: the name {name.value!r} is used already at {where(earlier)}")
    return wrong


def _anchored(
    settings: Settings[KindSection, NotifierSection], tree: yaml.Node
) -> Settings[KindSection, NotifierSection]:
    """Make every path relative to the folder of its own file, not to wherever the program was started."""
    anchored: dict[str, Any] = {}
    for name, info in type(settings).model_fields.items():
        found = child(tree, info.alias or name)
        if found is None:
            continue
        value, node = getattr(settings, name), found[0]
        if name in APPENDED:
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
