"""What the scripted model means to say: the reply that a conversation calls for, and where a text stands in it.

A stage is a place in a reply. It names the tokens that may come next and moves on with any token at all, so that the
model has an opinion about every text, also about one that somebody else has edited.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

from probes.scripted_phrases import ADVICE, CLOSING, END, ITEMS, VOCABULARY, Pattern, bare, encode, places
from probes.scripted_records import answer
from watchdog.domain.exchanges import Message, Speaker

_SENTENCES = 3
_MORE_ITEMS = 5
_ITEM = re.compile(r"^\s*(\d{1,4})([.):])\s", re.MULTILINE)
_LIST_WANTED = re.compile(r"\bnumber(?:ed|\s+(?:them|each))\b", re.IGNORECASE)
_COUNT = re.compile(r"\b\d{1,2}\b")
_QUOTED = re.compile(
    r"\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|\u2018[^\u2019\n]*\u2019|(?<!\w)'[^'\n]*'(?!\w)|^>.*$", re.MULTILINE
)
_REPORTED = re.compile(r"(?<!\bI )\b(?:says|said|writes|wrote|tells|told|asks|asked|wants)\b[^.!?\n]*", re.IGNORECASE)
_DIRECTIVE = re.compile(
    r"(?P<negated>\b(?:do not|don['\u2019]t|never|no need to|without)\s+(?:\w+\s+)?)?\b(?:"
    r"(?P<stop>stop(?:ping)?|halt|cease|enough|cancel|abort|pause|quit|hold on|leave it|that['\u2019]s all|that is all|"
    r"no (?:more|further)|nothing (?:more|else|further)|shut down|end (?:it|the list) (?:here|there|now))"
    r"|(?P<go>go on|going|continu(?:e|ing)|carry on|proceed|resume)"
    r"|(?P<work>add|give|list|send|write))\b",
    re.IGNORECASE,
)


class Stage(Protocol):
    """A place in a reply."""

    @property
    def section(self) -> int:
        """Which sentence or list item this is; an edit in one section leaves the others as they were."""
        ...

    @property
    def choices(self) -> tuple[bytes, ...]:
        """The tokens that may come next."""
        ...

    def after(self, token: bytes) -> "Stage":
        """Return the place after this token, expected or not."""
        ...


@cache
def _places(patterns: tuple[Pattern, ...]) -> dict[bytes, tuple[tuple[int, int], ...]]:
    return places(patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """A place in a reply of whole sentences."""

    patterns: tuple[Pattern, ...]
    sentences: int
    """How many the reply has."""
    section: int = 0
    pattern: int | None = None
    """The sentence that is being said; None between two."""
    slot: int = 0
    used: frozenset[int] = frozenset()
    begun: bool = False

    @property
    def choices(self) -> tuple[bytes, ...]:
        """The words of the slot; between two sentences the beginnings of those not said yet."""
        if self.pattern is not None:
            return self.patterns[self.pattern][self.slot]
        if self.section >= self.sentences:
            return (END,)
        unused = (pattern for number, pattern in enumerate(self.patterns) if number not in self.used)
        openings = tuple(token for pattern in unused for token in pattern[0])
        return openings if self.begun else tuple(map(bare, openings))

    def after(self, token: bytes) -> "Prose":
        """Follow an expected word; find the place again at another that the model knows; pass over any other."""
        if token == b".":
            return replace(self, section=self.section + 1, pattern=None, slot=0, begun=True)
        place = self._place(token)
        if place is None:
            return replace(self, begun=True)
        pattern, slot = place
        return replace(self, pattern=pattern, slot=slot + 1, used=self.used | {pattern}, begun=True)

    def _place(self, token: bytes) -> tuple[int, int] | None:
        known = _places(self.patterns).get(token, ())

        def distance(place: tuple[int, int]) -> tuple[bool, bool, int]:
            pattern, slot = place
            return pattern != self.pattern, slot < self.slot, abs(slot - self.slot)

        return min(known, key=distance, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A place in a numbered list."""

    section: int
    """The number of the item."""
    last: int
    mark: bytes
    """What stands behind the number."""
    line: bytes = b""

    @property
    def choices(self) -> tuple[bytes, ...]:
        """The item's number digit by digit, then a word for it, then a new line or the end."""
        head = b"%d%b" % (self.section, self.mark)
        if not self.line and self.section > self.last:
            return (END,)
        if self.line == head:
            first = 4 * self.section
            return tuple(ITEMS[number % len(ITEMS)] for number in range(first, first + 4))
        if head.startswith(self.line):
            return (head[len(self.line) : len(self.line) + 1],)
        return (b"\n",) if self.section < self.last else (END,)

    def after(self, token: bytes) -> "Items":
        """Add to the line; a new line moves on to the number after the one that was really there."""
        if token != b"\n":
            return replace(self, line=self.line + token)
        said = re.match(rb"\s*(\d{1,4})[.):]", self.line)
        return replace(self, section=int(said[1]) + 1 if said else self.section, line=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recital:
    """A place in a text that the model has by heart."""

    tokens: tuple[bytes, ...]
    section: int = 0
    """How many tokens were said."""

    @classmethod
    def of(cls, text: str) -> "Recital":
        """Return the beginning of a text."""
        return cls(tokens=tuple(VOCABULARY[number] for number in encode(text)))

    @property
    def choices(self) -> tuple[bytes, ...]:
        """The next token, or the end."""
        return (self.tokens[self.section] if self.section < len(self.tokens) else END,)

    def after(self, _token: bytes) -> "Recital":
        """Move on by one token, whatever it was."""
        return replace(self, section=self.section + 1)


def plan(messages: Sequence[Message], *, resists: bool) -> Stage:
    """Return the beginning of the reply that a conversation calls for.

    A running list goes on unless the last user message says stop, which a model that resists does not heed. Words that
    the user only quotes or reports are nobody's instruction. Records are kept as `scripted_records` says.
    """
    heard = [replace(it, text=_own_words(it.text)) if it.speaker is Speaker.USER else it for it in messages]
    if (text := answer(heard, resists=resists)) is not None:
        return Recital.of(text)
    last = next((message.text for message in reversed(messages) if message.speaker is Speaker.USER), "")
    said = [message.text for message in messages if message.speaker is Speaker.ASSISTANT]
    items = [(int(number), mark) for text in said for number, mark in _ITEM.findall(text)]
    if said and _tells_to_stop(last) and not (resists and items):
        return Prose(patterns=CLOSING, sentences=1)
    if not items and not _LIST_WANTED.search(last):
        return Prose(patterns=ADVICE, sentences=_SENTENCES)
    number, mark = items[-1] if items else (0, ".")
    return Items(section=number + 1, last=_last_wanted(messages, number), mark=mark.encode())


def _tells_to_stop(text: str) -> bool:
    """Say whether the last instruction in a text is to stop."""
    own = _own_words(text)
    # To write or to add something is no instruction about the list unless it is forbidden.
    found = [match for match in _DIRECTIVE.finditer(own) if match["negated"] or not match["work"]]
    return bool(found) and (found[-1]["stop"] is None) == (found[-1]["negated"] is not None)


def _own_words(text: str) -> str:
    return _REPORTED.sub(" ", _QUOTED.sub(" ", text))


def _last_wanted(messages: Sequence[Message], number: int) -> int:
    """Return how many items were asked for at first, as far as the script can tell; otherwise a few more."""
    first = next((message.text for message in messages if message.speaker is Speaker.USER), "")
    counts = [int(count) for count in _COUNT.findall(first)]
    return min((count for count in counts if count > number), default=number + _MORE_ITEMS)
