"""What a validation found, in plain words: where it is, what was expected, and what was perhaps meant."""

from collections.abc import Sequence

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from watchdog.config.shapes import Shape
from watchdog.config.tree import locate, where
from watchdog.config.words import nearest

_REPLACED = {"false-alarm-probability": "'false-incidents-per-year', which counts for the whole installation"}
"""Keys of the top level that are no more, and what took their place."""

_TYPES = {
    "bool": "true or false",
    "dict": "keys with values",
    "float": "a number",
    "int": "a whole number",
    "is": "a text",
    "list": "a list",
    "mapping": "keys with values",
    "model": "keys with values",
    "path": "a path",
    "string": "a text",
    "tuple": "a list",
}
"""By the beginning of pydantic's name for the fault."""
_BOUNDS = {
    "greater_than_equal": ("ge", "at least {}"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "at most {}"),
    "less_than": ("lt", "less than {}"),
    "too_short": ("min_length", "at least {} of them"),
    "too_long": ("max_length", "at most {} of them"),
    "string_too_short": ("min_length", "a text of at least {} characters"),
    "string_too_long": ("max_length", "a text of at most {} characters"),
    "string_pattern_mismatch": ("pattern", "a text of the form {}"),
    "literal_error": ("expected", "{}"),
    "finite_number": ("", "a finite number"),
}
"""The value in pydantic's context that says what was expected, and the words around it."""


def faults(tree: yaml.Node, exc: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return each fault as one line: file, line, key, and what was expected there."""
    shape = Shape.of(model)
    found = []
    for error in exc.errors(include_url=False):
        if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
            continue  # a list whose items are faulty counts as short too
        place, keys = locate(tree, error["loc"])
        said = f"{where(place)}: {keys or 'the configuration'}: {_said(error, shape)}"
        found.append((place.start_mark.name, place.start_mark.line, said))
    return [said for *_, said in sorted(found)]


def _said(error: ErrorDetails, shape: Shape) -> str:
    loc, last = error["loc"], error["loc"][-1:]
    match error["type"]:
        case "extra_forbidden" if len(loc) == 1 and loc[0] in _REPLACED:
            said = f"this key was replaced by {_REPLACED[str(loc[0])]}"
        case "extra_forbidden":
            said = f"unknown key{nearest(loc[-1], shape.at(loc[:-1]).keys, what='the keys here are')}"
        case "missing":
            said = f"missing key; expected {shape.at(loc).words}"
        case "union_tag_not_found":
            said = f"missing key 'kind'; known kinds are {', '.join(shape.at(loc).kinds)}"
        case "union_tag_invalid":
            said = _unknown_kind(error["ctx"]["tag"], shape.at(loc).kinds)
        case "literal_error" if last == ("kind",):
            said = _unknown_kind(error["input"], [shape.at(loc).words])
        case "value_error":
            said = error["msg"].removeprefix("Value error, ")
        case _:
            said = f"{_expectation(error)}, got {_got(error['input'])}"
    return said


def _unknown_kind(kind: object, known: Sequence[str]) -> str:
    guess = nearest(kind, known)
    listed = "" if guess.endswith(known[-1]) else f" Known are {', '.join(known)}"
    return f"unknown kind {kind!r}{guess}{listed}"


def _expectation(error: ErrorDetails) -> str:
    bound = _BOUNDS.get(error["type"])
    if bound is not None:
        limit = error.get("ctx", {}).get(bound[0], "")
        return "expected " + bound[1].format(f"{limit:g}" if isinstance(limit, float) else limit)
    words = _TYPES.get(error["type"].split("_", 1)[0])
    return f"expected {words}" if words else error["msg"][:1].lower() + error["msg"][1:]


def _got(value: object) -> str:
    """Say what stands there instead. A text is not repeated: it may be a secret in the wrong place."""
    match value:
        case None:
            said = "nothing"
        case bool():
            said = str(value).lower()
        case int() | float():
            said = str(value)
        case str():
            said = "a text" if value else "an empty text"
        case dict():
            said = "keys with values"
        case list() | tuple():
            said = f"a list of {len(value)}"
        case _:
            said = f"a {type(value).__name__}; put it in quotes if it is a text"
    return said
