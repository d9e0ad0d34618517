"""Cut a text into words, the units in which an edit is found and shown."""

import re
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*|(?:[^\w\s]|_)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word or a run of punctuation, together with the white space before it."""

    text: str
    """Without the white space."""
    space: str
    start: int
    """First character of `text` in the whole text; the white space lies before it."""
    at: int
    """First byte of the white space in the UTF-8 of the whole text."""
    stop: int
    """One past the last byte of the word."""

    @property
    def end(self) -> int:
        """One past the last character."""
        return self.start + len(self.text)

    @property
    def piece(self) -> str:
        """The word as it is written after the one before it."""
        return self.space + self.text


def words(text: str) -> tuple[Word, ...]:
    """Return the words of a text in their order; white space after the last one belongs to none."""
    found: list[Word] = []
    end = at = 0
    for match in _WORD.finditer(text):
        space = text[end : match.start()]
        stop = at + len((space + match.group()).encode())
        found.append(Word(text=match.group(), space=space, start=match.start(), at=at, stop=stop))
        end, at = match.end(), stop
    return tuple(found)
