"""Spans as exporters write them, one or many a line, brought into one shape: plain attributes.

Three ways of writing are known: attributes as an object (as collectors and consoles flatten them), OTLP's JSON with its
lists of keys and values, and both again inside `resourceSpans`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from detectors.logs.formats.faults import line_error
from detectors.logs.formats.reading import Reader, keys_of

_DEEPEST = 32
"""Lists in lists of attribute values; deeper ones are cut off."""


class _Value(
    msgspec.Struct,
    gc=False,
    rename={
        "text": "stringValue",
        "whole": "intValue",
        "number": "doubleValue",
        "truth": "boolValue",
        "array": "arrayValue",
        "pairs": "kvlistValue",
    },
):
    text: str | None = None
    whole: int | str | None = None
    number: float | str | None = None
    truth: bool | None = None
    array: "_Values | None" = None
    pairs: "_Pairs | None" = None


class _KeyValue(msgspec.Struct, gc=False):
    key: str
    value: _Value | None = None


class _Values(msgspec.Struct, gc=False):
    values: list[_Value] = []


class _Pairs(msgspec.Struct, gc=False):
    values: list[_KeyValue] = []


_Attributes = dict[str, Any] | list[_KeyValue] | None


class _Event(msgspec.Struct, gc=False):
    name: str | None = None
    attributes: _Attributes = None


class _Resource(msgspec.Struct, gc=False):
    attributes: _Attributes = None


class _Context(msgspec.Struct, gc=False):
    span_id: str | None = None


class _Span(
    msgspec.Struct,
    gc=False,
    rename={"nanoseconds": "startTimeUnixNano", "id": "spanId", "resource_spans": "resourceSpans"},
):
    nanoseconds: int | float | str | None = None
    start_time: float | str | None = None
    id: str | None = None
    span_id: str | None = None
    context: _Context | None = None
    attributes: _Attributes = None
    resource: _Resource | None = None
    events: list[_Event] | None = None
    resource_spans: "list[_ResourceSpans] | None" = None


class _ScopeSpans(msgspec.Struct, gc=False):
    spans: list[_Span] = []


class _ResourceSpans(msgspec.Struct, gc=False, rename={"scopes": "scopeSpans", "older": "instrumentationLibrarySpans"}):
    resource: _Resource | None = None
    scopes: list[_ScopeSpans] = []
    older: list[_ScopeSpans] = []


@dataclass(frozen=True, slots=True)
class Span:
    """One span; its own attributes win over those of its events, and those over its resource's."""

    id: str | None
    start: float | str | None
    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any]], ...]


_READER = Reader(_Span, once=("attributes", "enduser.id", "user.id"))


def read_spans(line: bytes) -> Iterator[Span]:
    """Yield the spans in a line. Raises LineError when it is not of this shape."""
    found = _READER.read(line)
    if found is None:
        return
    if found.resource_spans is None:
        yield _plain(found, found.resource)
        return
    for it in found.resource_spans:
        for scope in (*it.scopes, *it.older):
            for span in scope.spans:
                yield _plain(span, it.resource)


def looks_like_spans(line: bytes) -> bool:
    """Tell whether a line may hold spans."""
    keys = keys_of(line).keys()
    return "resourceSpans" in keys or (
        "attributes" in keys and bool(keys & {"spanId", "span_id", "traceId", "context", "startTimeUnixNano"})
    )


def _plain(span: _Span, resource: _Resource | None) -> Span:
    events = tuple((it.name or "", _attributes(it.attributes)) for it in span.events or ())
    merged = _attributes(None if resource is None else resource.attributes)
    for _, attributes in events:
        merged |= attributes
    context = None if span.context is None else span.context.span_id
    start = span.start_time if span.nanoseconds is None else span.nanoseconds
    return Span(span.id or span.span_id or context, start, merged | _attributes(span.attributes), events)


def _attributes(found: _Attributes) -> dict[str, Any]:
    if isinstance(found, dict):
        return dict(found)
    plain = {it.key: _value(it.value) for it in found or ()}
    if found is not None and len(plain) != len(found):
        raise line_error("duplicate_key")
    return plain


def _value(it: _Value | None, depth: int = 0) -> Any:
    if it is None or depth > _DEEPEST:
        return None
    if it.array is not None:
        return [_value(inner, depth + 1) for inner in it.array.values]
    if it.pairs is not None:
        return {pair.key: _value(pair.value, depth + 1) for pair in it.pairs.values}
    for simple in (it.text, it.whole, it.number, it.truth):
        if simple is not None:
            return simple
    return None
