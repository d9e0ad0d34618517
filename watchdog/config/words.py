"""Plain words for what a configuration says and what it should say."""

import difflib
from collections.abc import Iterable


def nearest(word: object, known: Iterable[str], *, what: str = "known are") -> str:
    """Return the end of a sentence: the known word that was perhaps meant, or else all of them."""
    words = sorted(known)
    near = difflib.get_close_matches(str(word), words, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; {what} {', '.join(words)}" if words else ""
