"""YAML to settings. Every fault is reported at once, each with its file, line, key and what was expected."""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.errors import ConfigError

_HINT = "`corrigibility-watchdog init` writes a configuration that works; docs/configuration.md names every key"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and the digest of the bytes they were read from."""

    settings: Settings[KindSection, NotifierSection]
    digest: str
    """SHA-256 in hex."""


def load(path: Path, shape: type[Settings[KindSection, NotifierSection]]) -> Loaded:
    """Read a configuration file into settings of the given shape.

    Relative paths in it are relative to the file. Raises ConfigError that names everything that is wrong.
    """
    raw = _read(path)
    tree = _parse(path, raw)
    try:
        settings = shape.model_validate(_Values(tree).of())
    except ValidationError as exc:
        raise ConfigError("\n".join(_faults(path, tree, exc, shape)), hint=_HINT) from exc
    return Loaded(_anchor(settings, path.parent), hashlib.sha256(raw).hexdigest())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigError(
            f"{path}: the configuration cannot be read: {exc.strerror}",
            hint="name it with --config, or write one with `corrigibility-watchdog init`",
        ) from exc


def _parse(path: Path, raw: bytes) -> yaml.Node:
    try:
        tree = yaml.compose(raw.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: not UTF-8 at byte {exc.start}", hint="save the file as UTF-8") from exc
    except yaml.MarkedYAMLError as exc:
        line = 0 if exc.problem_mark is None else exc.problem_mark.line + 1
        raise ConfigError(f"{path}:{line}: not YAML: {exc.problem}", hint="check indentation and quotes there") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path}: not YAML: {exc}", hint="the file may hold characters that YAML forbids") from exc
    if not isinstance(tree, yaml.MappingNode):
        got = "nothing" if tree is None else "a list" if isinstance(tree, yaml.SequenceNode) else "a single value"
        raise ConfigError(f"{path}: expected keys with values, got {got}", hint=_HINT)
    twice = _repeated_keys(tree)
    if twice:
        raise ConfigError("\n".join(f"{path}:{line}: the key {key!r} stands twice" for key, line in twice), hint=_HINT)
    return tree


def _repeated_keys(node: yaml.Node) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                found.append((key.value, key.start_mark.line + 1))
            seen.add(key.value)
            found += _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            found += _repeated_keys(value)
    return found


@dataclass(frozen=True, slots=True)
class _Values:
    tree: yaml.Node

    def of(self) -> object:
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_document(self.tree)
        finally:
            loader.dispose()


def _faults(path: Path, tree: yaml.Node, exc: ValidationError, shape: type[BaseModel]) -> list[str]:
    faults = []
    for error in exc.errors(include_url=False, include_input=False):
        line, keys = _locate(tree, error["loc"])
        where = f"{path}:{line}: {keys or 'the configuration'}"
        if error["type"] == "extra_forbidden":
            faults.append(f"{where}: unknown key{_nearest(keys.rsplit('.', 1)[-1], shape)}")
        else:
            faults.append(f"{where}: {error['msg'].removeprefix('Value error, ')}")
    return faults


def _locate(tree: yaml.Node, loc: Sequence[int | str]) -> tuple[int, str]:
    """Return the line, and the keys as text, of the deepest part of `loc` that stands in the file.

    Parts that pydantic adds by itself (the kind chosen in a union) are passed over; a missing key is still named.
    """
    node, line, keys = tree, tree.start_mark.line + 1, ""
    for position, part in enumerate(loc):
        child = _child(node, part)
        if child is not None:
            node, line = child
            keys += f"[{part}]" if isinstance(part, int) else f"{'.' if keys else ''}{part}"
        elif position == len(loc) - 1 and isinstance(part, str):
            keys += f"{'.' if keys else ''}{part}"
    return line, keys


def _child(node: yaml.Node, part: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return value, key.start_mark.line + 1
    return None


def _nearest(key: str, shape: type[BaseModel]) -> str:
    near = difflib.get_close_matches(key, sorted(_known_keys(shape.model_json_schema())), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _known_keys(schema: dict[str, Any]) -> set[str]:
    keys = set(schema.get("properties", {}))
    for section in schema.get("$defs", {}).values():
        keys |= set(section.get("properties", {}))
    return keys


def _anchor(section: Any, folder: Path) -> Any:
    """Make every path in a section relative to the folder of its file, not to wherever the program was started."""
    if isinstance(section, Path):
        return folder / section.expanduser()
    if isinstance(section, tuple):
        return tuple(_anchor(part, folder) for part in section)
    if isinstance(section, BaseModel):
        values = {name: _anchor(getattr(section, name), folder) for name in type(section).model_fields}
        return section.model_copy(update=values)
    return section
