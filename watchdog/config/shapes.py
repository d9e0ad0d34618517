"""What a place in the configuration may hold, read from the JSON schema that pydantic writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

_STRINGS = {"path": "a path", "regex": "a regular expression", "duration": "a duration, such as 15m"}
_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One place, and the schema that it is part of."""

    schema: Mapping[str, Any]
    node: Mapping[str, Any]
    """Empty where the schema does not say."""

    @classmethod
    def of(cls, model: type[BaseModel]) -> "Shape":
        """Return the shape of a whole configuration."""
        schema = model.model_json_schema()
        return cls(schema, schema).resolved()

    def at(self, loc: Sequence[int | str]) -> "Shape":
        """Follow keys, indices and kinds."""
        shape = self
        for part in loc:
            shape = replace(shape, node=shape.under(part)).resolved()
        return shape

    @property
    def keys(self) -> list[str]:
        """The keys of a section; of all kinds together where the kind is open."""
        found = set(self.node.get("properties", ()))
        for member in self.node.get("oneOf", ()):
            found |= set(replace(self, node=member).resolved().node.get("properties", ()))
        return sorted(found)

    @property
    def kinds(self) -> list[str]:
        """The kinds that a section may have."""
        return sorted(self.node.get("discriminator", {}).get("mapping", ()))

    @property
    def words(self) -> str:
        """What is expected here, in plain words."""
        choices = self.node.get("enum", [self.node["const"]] if "const" in self.node else [])
        if choices:
            return ("one of " if len(choices) > 1 else "") + ", ".join(map(str, choices))
        kind = self.node.get("type", "")
        return _STRINGS.get(self.node.get("format", ""), _TYPES.get(kind, "keys with values"))

    def under(self, part: int | str) -> Mapping[str, Any]:
        """Return the schema under one key, index or kind, with its references; empty where there is none."""
        if isinstance(part, int):
            found = self.node.get("items")
        elif part in self.node.get("properties", ()):
            found = self.node["properties"][part]
        elif part in self.kinds:
            found = {"$ref": self.node["discriminator"]["mapping"][part]}
        else:
            found = self.node.get("additionalProperties")
        return found if isinstance(found, Mapping) else {}

    def resolved(self) -> "Shape":
        """Follow references, and look through `or nothing`."""
        node = self.node
        while "$ref" in node or "anyOf" in node:
            if "$ref" in node:
                node = self.schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
            else:
                node = next((it for it in node["anyOf"] if it.get("type") != "null"), {})
        return replace(self, node=node)
