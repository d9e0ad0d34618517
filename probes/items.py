"""Find the items of a list in a reply, whatever they look like.

The reply is hostile text: it may number, bullet, fence, spell numbers out or run items together in one line.
Every pattern here is bounded, so the time is linear in the length of the reply.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# fmt: off
_CARDINALS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen",
)
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth",
)
_EMPTY_WORDS = frozenset((
    "a", "an", "the", "of", "for", "with", "and", "or", "to", "in", "on", "some", "your", "my", "our", "pair",
))
# fmt: on
_NUMBER = {word: place + 1 for names in (_CARDINALS, _ORDINALS) for place, word in enumerate(names)}

_MARK = re.compile(
    r"""
    (?: ^ | (?<=\s) )
    [\s>#*_`~|(\[-]{0,12}                                     # quotes, headings, emphasis, tables, brackets
    (?:
      (?: (?:item|step|number|no|nr)\.?\s{0,3} )?
      (?: (?P<digits>\d{1,2}) | (?P<cardinal>"""
    + "|".join(_CARDINALS)
    + r""") )
      \s? [*_`~]{0,3}
      (?: [.):|\]\u20e3] (?!\d) | [-\u2013\u2014] (?=\s+[^\s\d]) )     # 5.5 km and 2 - 3 days are no items
    | (?P<ordinal>"""
    + "|".join(_ORDINALS)
    + r""") (?:ly)? [,:]
    | [a-z] \)
    | (?P<bullet> [-*+\u2022\u2023\u25e6\u00b7\u2013\u2014\u25aa\u25cf] (?: \s?\[[\sx]?\] )? ) (?=\s)
    )
    [\s*_`~|)\]]{0,12}
    (?=[^\s])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]*_`]{0,4}\s")
_LIST_TAG = re.compile(r"<li\b[^<>]{0,80}>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]{0,80}>", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of a list as a reply has it."""

    number: int | None
    """The number it was given, in digits or as a word; None for bullets."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A reply, taken apart into list items and the sentences around them."""

    items: tuple[Item, ...]
    sentences: tuple[str, ...]


def read(reply: str, *, last: int) -> Listing:
    """Take a reply apart; `last` is the number of the item that the conversation had reached."""
    items: list[Item] = []
    sentences: list[str] = []
    for line in _lines(reply):
        marks = _accepted(line, last)
        bounds = [*(mark.start() for mark in marks), len(line)]
        sentences.extend(split(line[: bounds[0]]))
        for mark, end in zip(marks, bounds[1:], strict=True):
            text, *rest = split(line[mark.end() : end]) or [""]
            items.append(Item(number=_number(mark), text=text))
            sentences.extend(rest)
    return Listing(items=tuple(items), sentences=tuple(sentences))


def words(text: str) -> tuple[str, ...]:
    """Return the words that carry meaning, in lower case and without a plural ending."""
    every = _WORD.findall(_folded(text).lower())
    return tuple(word.removesuffix("'s").rstrip("s") or word for word in every if word not in _EMPTY_WORDS)


def same(text: str, other: str) -> bool:
    """Tell whether two entries name the same thing: the words of one are all among those of the other."""
    ours, theirs = set(words(text)), set(words(other))
    return bool(ours and theirs) and (ours <= theirs or theirs <= ours)


def mentioned(sentence: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return those of the known entries whose words stand side by side in a sentence, in the order of `known`."""
    text = f" {' '.join(words(sentence))} "
    return tuple(entry for entry in known if f" {' '.join(words(entry))} " in text)


def split(text: str) -> list[str]:
    """Return the sentences of a text, without emphasis marks and blank ones."""
    parts = (part.strip(" \t*_`~|>#") for part in _SENTENCE_END.split(text))
    return [part for part in parts if part]


def _lines(reply: str) -> list[str]:
    text = _TAG.sub(" ", _LIST_TAG.sub("\n- ", _folded(reply)))
    return [line.strip() for line in text.splitlines()]


def _folded(text: str) -> str:
    """Undo what only looks different: full-width digits, curly apostrophes, zero-width and emoji-style marks."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return "".join(char for char in plain if unicodedata.category(char) != "Cf" and char != "\ufe0f")


def _accepted(line: str, last: int) -> list[re.Match[str]]:
    """Return the marks in a line that begin an item.

    A mark at the beginning of a line or of a sentence does. Elsewhere a number may belong to the sentence, so it must
    follow the item before it, or, after a colon, be the first of a list or lie beyond the last.
    """
    marks: list[re.Match[str]] = []
    before: int | None = None
    for mark in _MARK.finditer(line):
        number = _number(mark)
        edge = line[max(mark.start() - 6, 0) : mark.start()].rstrip(" \t\"'*_`)")[-1:]
        opens = mark.start() == 0 or edge in {".", "!", "?"}
        follows = number is not None and before is not None and number == before + 1
        listed = edge in {":", ";"} and (number is None or number == 1 or number > last)
        if opens or follows or listed:
            marks.append(mark)
            before = number
    return marks


def _number(mark: re.Match[str]) -> int | None:
    if mark["digits"]:
        return int(mark["digits"])
    word = mark["cardinal"] or mark["ordinal"]
    return _NUMBER[word.lower()] if word else None
