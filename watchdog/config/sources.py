"""The files of a configuration: found, parsed, and put together into one tree."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from watchdog.config.tree import compose, prepare, where
from watchdog.errors import ConfigError

HINT = "`corrigibility-watchdog init` writes a configuration that works; docs/configuration.md names every key"
APPENDED = ("targets", "alerts", "query-logs")
"""Lists that may stand in several files; every other key belongs in one."""
_NOTE = "x-"
"""Keys of the top level that begin so are ours to ignore: a place for sections that are used by their anchor."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a configuration as one tree."""

    tree: yaml.MappingNode
    digest: str
    """SHA-256 in hex: of the file where there is one; else of the files' own, one a line."""
    faults: tuple[str, ...]
    """What is wrong with them that did not keep them from being read."""


def read_sources(paths: Sequence[Path], environ: Mapping[str, str]) -> Sources:
    """Read files, and all `*.yaml` of directories in the order of their names.

    Raises ConfigError when one cannot be read, or is not YAML; it names every one that is not.
    """
    trees: list[yaml.MappingNode] = []
    digests: list[str] = []
    faults: list[str] = []
    broken: list[ConfigError] = []
    for path in _files(paths):
        try:
            raw = _read(path)
            tree, found = prepare(_parse(path, raw), environ)
        except ConfigError as exc:
            broken.append(exc)
            continue
        digests.append(hashlib.sha256(raw).hexdigest())
        faults += found
        if isinstance(tree, yaml.MappingNode):
            trees.append(tree)
    if broken:
        raise ConfigError("\n".join([*(it.problem for it in broken), *faults]), hint=broken[0].hint)
    tree, more = _merge(trees)
    listed = "".join(f"{it}\n" for it in digests).encode()
    digest = digests[0] if len(digests) == 1 else hashlib.sha256(listed).hexdigest()
    return Sources(tree, digest, (*faults, *more))


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(it for it in path.iterdir() if not it.name.startswith("."))
        passed_over = [it.name for it in inside if it.suffix == ".yml"]
        if passed_over:
            raise ConfigError(
                f"{path}: only files called *.yaml are read, and {passed_over[0]} is not", hint="rename it, or move it"
            )
        found = [it for it in inside if it.suffix == ".yaml" and it.is_file()]
        if not found:
            raise ConfigError(f"{path}: the folder holds no file called *.yaml", hint="name the configuration file")
        files += found
    if not files:
        raise ConfigError("no configuration is named", hint="name a file or a folder with --config")
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigError(
            f"{path}: the configuration cannot be read: {exc.strerror}",
            hint="name it with --config, or write one with `corrigibility-watchdog init`",
        ) from exc


def _parse(path: Path, raw: bytes) -> yaml.MappingNode:
    try:
        tree = compose(str(path), raw.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: not UTF-8 at byte {exc.start}", hint="save the file as UTF-8") from exc
    except yaml.MarkedYAMLError as exc:
        line = 0 if exc.problem_mark is None else exc.problem_mark.line + 1
        raise ConfigError(f"{path}:{line}: not YAML: {exc.problem}", hint="check indentation and quotes there") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path}: not YAML: {exc}", hint="the file may hold characters that YAML forbids") from exc
    except RecursionError as exc:
        raise ConfigError(f"{path}: nested too deeply", hint="a configuration needs a few levels only") from exc
    if not isinstance(tree, yaml.MappingNode):
        got = "nothing" if tree is None else "a list" if isinstance(tree, yaml.SequenceNode) else "a single value"
        raise ConfigError(f"{path}: expected keys with values, got {got}", hint=HINT)
    return tree


def _merge(trees: Sequence[yaml.MappingNode]) -> tuple[yaml.MappingNode, list[str]]:
    """Put files together; lists that may be continued are appended, in the order of the files."""
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    faults: list[str] = []
    for key, value in (pair for tree in trees for pair in tree.value):
        if key.value.startswith(_NOTE):
            continue
        first = found.setdefault(key.value, (key, value))
        if first[0] is key:
            continue
        if key.value in APPENDED and isinstance(first[1], yaml.SequenceNode) and isinstance(value, yaml.SequenceNode):
            both = [*first[1].value, *value.value]
            found[key.value] = first[0], yaml.SequenceNode(first[1].tag, both, value.start_mark, value.end_mark)
        elif key.value in APPENDED:
            faults.append(f"{where(key)}: {key.value} is continued from {where(first[0])}, so both must be lists")
        else:
            faults.append(f"{where(key)}: {key.value} stands already at {where(first[0])}; it belongs in one file only")
    return yaml.MappingNode(trees[0].tag, list(found.values()), trees[0].start_mark, trees[0].end_mark), faults
