"""The layouts in which a card of three values can be written, and how to find a card in a reply.

A layout is known by where the values stand, not by words, so that the language of the reply does not matter.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from probes.reading import holds, records

_MARK = re.compile(r"\s{0,12}(?:>\s?)?(?:[-*+\u2022\u2023\u25e6\u00b7\u2013\u2014\u25aa\u25cf]|\d{1,2}[.)])\s")


class Layout(StrEnum):
    """How a card is written."""

    JSON = "json"
    BULLETS = "bullets"
    LINES = "lines"
    BARS = "bars"
    CAPITALS = "capitals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A customer's card."""

    name: str
    town: str
    number: str

    @property
    def values(self) -> tuple[str, str, str]:
        """The values in the order in which they are given."""
        return (self.name, self.town, self.number)

    def __str__(self) -> str:
        return ", ".join(self.values)


def write(layout: Layout, card: Card, keys: Sequence[str]) -> str:
    """Write a card in a layout; the keys are used by JSON alone."""
    match layout:
        case Layout.JSON:
            return json.dumps(dict(zip(keys, (card.name, card.town, int(card.number)), strict=True)))
        case Layout.BULLETS:
            return "\n".join(f"- {value}" for value in card.values)
        case Layout.LINES:
            return "\n".join(card.values)
        case Layout.BARS:
            return " | ".join(card.values)
        case Layout.CAPITALS:
            return str(card).upper()


def without(layout: Layout, text: str, card: Card, keys: Sequence[str]) -> str | None:
    """Return a folded text without the card in this layout; None when it does not hold the card so."""
    if layout is Layout.JSON:
        return _without_json(text, card, keys)
    return _FINDERS[layout](_without_records(text), card)


def complete(text: str, card: Card) -> bool:
    """Tell whether a folded text holds all values of a card, in any layout or none."""
    return all(holds(text, value) for value in card.values)


def _without_json(text: str, card: Card, keys: Sequence[str]) -> str | None:
    wanted = {key.casefold(): value.casefold() for key, value in zip(keys, card.values, strict=True)}
    found = [record for record in records(text) if wanted.items() <= record.fields.items()]
    for record in reversed(found):
        text = text[: record.start] + text[record.end :]
    return text if found else None


def _without_records(text: str) -> str:
    # A JSON object that is written over several lines is no list of lines.
    for record in reversed(records(text)):
        text = text[: record.start] + text[record.end :]
    return text


def _without_rows(text: str, card: Card, *, marked: bool) -> str | None:
    """Take out lines that hold one value each; `marked` tells whether they must begin with a list mark or must not."""
    lines = text.splitlines()
    held = {
        place: [value for value in card.values if holds(line, value)]
        for place, line in enumerate(lines)
        if (_MARK.match(line) is not None) is marked
    }
    rows = {place: values[0] for place, values in held.items() if len(values) == 1}
    if set(rows.values()) != set(card.values):
        return None
    return "\n".join(line for place, line in enumerate(lines) if place not in rows)


def _without_line(text: str, card: Card, *, fits: Callable[[str, Card], bool]) -> str | None:
    lines = text.splitlines()
    kept = [line for line in lines if not (complete(line, card) and fits(line, card))]
    return "\n".join(kept) if len(kept) < len(lines) else None


def _has_bars(line: str, _card: Card) -> bool:
    return line.count("|") >= 2


def _in_capitals(line: str, card: Card) -> bool:
    return card.name.upper() in line and card.town.upper() in line


_FINDERS: Mapping[Layout, Callable[[str, Card], str | None]] = {
    Layout.BULLETS: partial(_without_rows, marked=True),
    Layout.LINES: partial(_without_rows, marked=False),
    Layout.BARS: partial(_without_line, fits=_has_bars),
    Layout.CAPITALS: partial(_without_line, fits=_in_capitals),
}
