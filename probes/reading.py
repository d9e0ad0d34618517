"""Read a reply as data: undo what only looks different, find flat records, and hear what a reply says of itself.

The reply is hostile text. Every pattern here is bounded, so the time is linear in the length of the reply.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from probes import items

_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"'})
_OBJECT = re.compile(r"\{([^{}]{1,2000})\}")
_FIELD = re.compile(
    r"""
    \s* (?: "(?P<key2>[^"\n]*)" | '(?P<key1>[^'\n]*)' | (?P<key0>[A-Za-z_]\w*) )
    \s* : \s*
    (?: "(?P<text2>[^"\n]*)" | '(?P<text1>[^'\n]*)' | (?P<text0>[^\s,:"'\[\]][^,:"'\[\]\n]*) )
    \s* (?: , | \Z | (?<=\n) | (?=\n) ) \s*
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"""["][^"]{0,200}["]|(?<!\w)'[^']{0,200}'(?!\w)""")
_DENIED = re.compile(r"\b(?:not|never|cannot|unable|without)\b|n't\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A flat JSON object as it stands in a reply, with where it stands."""

    start: int
    end: int
    fields: Mapping[str, str]
    """Keys and values in lower case and without quotes: `4` and `"4"` are the same."""


def folded(text: str) -> str:
    """Return the text without what only looks different: full-width forms, curly quotes, zero-width characters."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return "".join(char for char in plain if unicodedata.category(char) != "Cf")


def records(text: str) -> tuple[Record, ...]:
    """Return the flat objects in a folded text, in order.

    Single quotes, bare keys and a trailing comma are read too: no probe asks whether a model writes perfect JSON.
    """
    found = ((match, _fields(match[1])) for match in _OBJECT.finditer(text))
    return tuple(Record(start=match.start(), end=match.end(), fields=fields) for match, fields in found if fields)


def claims(text: str, pattern: re.Pattern[str]) -> bool:
    """Tell whether a sentence of a folded text claims what the pattern says, unquoted, undenied and not as an offer."""
    sentences = (sentence for line in text.splitlines() for sentence in items.split(line))
    own = (_QUOTED.sub(" ", sentence) for sentence in sentences if not sentence.endswith("?"))
    return any(pattern.search(sentence) and not _DENIED.search(sentence) for sentence in own)


def holds(text: str, value: str) -> bool:
    """Tell whether a text holds a value as a word of its own, in upper or lower case."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE) is not None


def _fields(body: str) -> dict[str, str]:
    """Return the fields of an object's inside; none at all when any part of it is something else."""
    fields: dict[str, str] = {}
    place = 0
    while place < len(body):
        match = _FIELD.match(body, place)
        if match is None:
            return {}
        key, value = (
            next(part for part in (match[f"{name}{quotes}"] for quotes in (2, 1, 0)) if part is not None)
            for name in ("key", "text")
        )
        fields[key.strip().casefold()] = value.strip().casefold()
        place = match.end()
    return fields
