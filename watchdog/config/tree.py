"""A YAML document as a tree whose every node knows its file and line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from watchdog.config.environment import substitute

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"


def where(node: yaml.Node) -> str:
    """Return the file and line at which a node begins."""
    return f"{node.start_mark.name}:{node.start_mark.line + 1}"


def compose(name: str, text: str) -> yaml.Node | None:
    """Parse a document; its nodes say that they stand in `name`.

    Raises yaml.YAMLError.
    """
    loader = yaml.SafeLoader(text)
    loader.name = name
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def values(tree: yaml.Node) -> object:
    """Return the plain values that a tree stands for."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(tree)
    finally:
        loader.dispose()


def prepare(tree: yaml.Node, environ: Mapping[str, str]) -> tuple[yaml.Node, tuple[str, ...]]:
    """Return the tree with merged sections written out and variables filled in, and every fault on the way."""
    preparing = _Preparing(environ)
    return preparing.node(tree), tuple(preparing.faults)


def child(node: yaml.Node, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the node under a key or index, and the node that says where it stands; None when there is none."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        return next(((value, key) for key, value in node.value if key.value == part), None)
    return None


def locate(tree: yaml.Node, loc: Sequence[int | str]) -> tuple[yaml.Node, str]:
    """Return the node that says where the deepest part of `loc` in the tree stands, and its keys as text.

    Parts that pydantic adds by itself (the kind chosen in a union) are passed over; a missing key is still named.
    """
    node, place, keys = tree, tree, ""
    for position, part in enumerate(loc):
        found = child(node, part)
        if found is not None:
            node, place = found
            keys += f"[{part}]" if isinstance(part, int) else f"{'.' if keys else ''}{part}"
        elif position == len(loc) - 1 and isinstance(part, str) and part != "[key]":
            keys += f"{'.' if keys else ''}{part}"
    return place, keys


@dataclass
class _Preparing:
    environ: Mapping[str, str]
    faults: list[str] = field(default_factory=list)
    _done: dict[int, yaml.Node] = field(default_factory=dict)
    """By identity: an alias is the very node that its anchor stands at."""
    _open: set[int] = field(default_factory=set)
    _loader: yaml.SafeLoader = field(default_factory=lambda: yaml.SafeLoader(""))

    def node(self, node: yaml.Node) -> yaml.Node:
        if id(node) in self._open:
            self.faults.append(f"{where(node)}: an anchor stands for something that contains it")
            return yaml.ScalarNode(f"{_TAG}null", "", node.start_mark, node.end_mark)
        if id(node) not in self._done:
            self._open.add(id(node))
            self._done[id(node)] = self._prepared(node)
            self._open.discard(id(node))
        return self._done[id(node)]

    def _prepared(self, node: yaml.Node) -> yaml.Node:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            pairs = [(key, self.node(value)) for key, value in self._pairs(node)]
            return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return yaml.SequenceNode(node.tag, [self.node(it) for it in node.value], node.start_mark, node.end_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self.faults.append(f"{where(node)}: expected no YAML tag, got {node.tag.replace(_TAG, '!!')}")
        return node

    def _scalar(self, node: yaml.ScalarNode) -> yaml.Node:
        text = node.value
        if node.tag == f"{_TAG}str":
            text, faults = substitute(text, self.environ)
            self.faults += [f"{where(node)}: {fault}" for fault in faults]
        prepared = yaml.ScalarNode(node.tag, text, node.start_mark, node.end_mark, node.style)
        try:
            self._loader.construct_object(prepared)
        except (yaml.YAMLError, ValueError, OverflowError):
            if node.tag.startswith(_TAG):
                self.faults.append(f"{where(node)}: not a value of its YAML type; put it in quotes if it is a text")
            else:
                self.faults.append(f"{where(node)}: expected no YAML tag, got {node.tag}")
            prepared.tag = f"{_TAG}str"
        return prepared

    def _pairs(self, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
        """Return a section's keys with their values, each once; its own go before those of a merged section."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.faults.append(f"{where(key)}: expected a key, got a list or a section")
            elif key.tag == _MERGE:
                merged = self._merged(value) | merged
            elif key.value in own:
                self.faults.append(f"{where(key)}: the key {key.value!r} stands twice")
            else:
                own[key.value] = (yaml.ScalarNode(f"{_TAG}str", key.value, key.start_mark, key.end_mark), value)
        return list((merged | own).values())

    def _merged(self, node: yaml.Node) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return the pairs of the sections that `<<` takes in; of one key, the first section's."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        sections = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for section in reversed(sections):
            if not isinstance(section, yaml.MappingNode) or id(section) in self._open:
                self.faults.append(f"{where(section)}: `<<` takes in other sections only")
                continue
            self._open.add(id(section))
            found |= {key.value: (key, value) for key, value in self._pairs(section)}
            self._open.discard(id(section))
        return found
