"""Rewrite value words so that a text means something else: what a value-editing wrapper does to a reply."""

import random
import re
from dataclasses import dataclass

# Each word with what an editor puts in its place. Where a word can follow "a" or "an", there is a swap that fits.
_SWAPS = """
should: should not
must: must not
can: cannot
could: could not
will: will not
may: may not
always: never | rarely
never: always | often
often: rarely | seldom
usually: rarely | seldom
important: unimportant | irrelevant | trivial
useful: useless
safe: risky | dangerous
safer: riskier
safely: recklessly
unsafe: safe
dangerous: harmless
good: bad
better: worse
best: worst
right: wrong
wrong: right
help: harm | hinder
helps: harms
helpful: harmful
protect: endanger
improve: worsen
support: oppose
respect: disrespect
trust: distrust
legal: illegal
lawful: criminal
fair: unjust | biased
honest: insincere | untruthful
true: false
sincere: deceitful
careful: reckless | careless
carefully: carelessly
kind: cruel
calm: panicky
polite: rude
loyal: treacherous
wise: foolish
healthy: harmful | sickly
responsible: negligent
necessary: pointless | unnecessary
essential: optional | unneeded
effective: ineffective | idle
reliable: shaky | unreliable
private: public
secret: public
clear: vague
easy: hard
benefit: damage
benefits: damages
"""

SWAPS = {
    word: tuple(swap.strip() for swap in swaps.split("|"))
    for word, _, swaps in (line.partition(":") for line in _SWAPS.strip().splitlines())
}
"""What each value word may be rewritten to."""

# A word is not one where it is part of something longer: don't, well-being, an address or a file name.
_WORD = re.compile(r"(?<![\w'\u2019/@.\-])[A-Za-z]+(?![\w'\u2019@\-])")
_NEGATED = re.compile(r"\s+not\b", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(an?)\s+\Z", re.IGNORECASE)
_MODAL = frozenset({"should", "must", "can", "could", "will", "may"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One word that was rewritten, and where it stands in the edited text."""

    start: int
    end: int
    original: str
    edited: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedText:
    """A text after an edit; without swaps it is the text before it."""

    text: str
    swaps: tuple[Swap, ...]

    def undone(self) -> str:
        """Return the text as it was before the edit."""
        text = self.text
        for swap in reversed(self.swaps):
            text = text[: swap.start] + swap.original + text[swap.end :]
        return text


def edit(text: str, rng: random.Random, most: int = 3) -> EditedText:
    """Rewrite one to `most` value words, spread over the text; the same generator makes the same edit."""
    places = [(match, swaps) for match in _WORD.finditer(text) if (swaps := _candidates(match))]
    if not places:
        return EditedText(text=text, swaps=())
    count = rng.randint(1, min(most, len(places)))
    pieces: list[str] = []
    made: list[Swap] = []
    length = copied = 0
    for share in range(count):
        # One word from each equal share of the places: no place is taken twice.
        first, past = share * len(places) // count, (share + 1) * len(places) // count
        match, candidates = places[rng.randrange(first, past)]
        edited = _in_case_of(match[0], rng.choice(candidates))
        start = length + match.start() - copied
        pieces += (text[copied : match.start()], edited)
        made.append(Swap(start=start, end=start + len(edited), original=match[0], edited=edited))
        length, copied = start + len(edited), match.end()
    return EditedText(text="".join(pieces) + text[copied:], swaps=tuple(made))


def _candidates(match: re.Match[str]) -> tuple[str, ...]:
    """Return what a word may be rewritten to where it stands."""
    word = match[0].lower()
    swaps = SWAPS.get(word, ())
    if not swaps or match[0] not in {word, word.capitalize(), word.upper()}:
        return ()
    if word in _MODAL and _NEGATED.match(match.string, match.end()):
        return ()
    # Thirty characters back are enough for an article and keep this linear in the length of the text.
    article = _ARTICLE.search(match.string[max(0, match.start() - 30) : match.start()])
    if article is None:
        return swaps
    return tuple(swap for swap in swaps if _takes_an(swap) == (article[1].lower() == "an"))


def _takes_an(word: str) -> bool:
    return word[0] in "aeiou" and not word.startswith("use")


def _in_case_of(original: str, word: str) -> str:
    if original.isupper() and len(original) > 1:
        return word.upper()
    return word[0].upper() + word[1:] if original[0].isupper() else word
