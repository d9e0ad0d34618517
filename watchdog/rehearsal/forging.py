"""Make the list of a reply's tokens fit a text that was edited: what a wrapper does that covers its tracks."""

from collections.abc import Sequence
from typing import Any

from watchdog.rehearsal.editing import EditedText


def forged(listed: Sequence[dict[str, Any]], made: EditedText) -> list[dict[str, Any]]:
    """Return the tokens with each edited word in the place of those it took.

    A word keeps the log probability of the first token that it took the place of: whoever cannot ask the model knows
    no better. Raises LookupError when the tokens do not spell the text before the edit.
    """
    original = made.undone().encode()
    if b"".join(bytes(it["bytes"]) for it in listed) != original:
        raise LookupError("the tokens are not those of the text")
    tokens = list(listed)
    for start, end, word in reversed(_places(made)):
        tokens = _replaced(tokens, start, end, word)
    return tokens


def _places(made: EditedText) -> list[tuple[int, int, bytes]]:
    """Return where each word stood before the edit, in bytes, and what took its place."""
    places, shift = [], 0
    for swap in made.swaps:
        start = len(made.text[: swap.start].encode()) - shift
        word, edited = swap.original.encode(), swap.edited.encode()
        places.append((start, start + len(word), edited))
        shift += len(edited) - len(word)
    return places


def _replaced(tokens: Sequence[dict[str, Any]], start: int, end: int, word: bytes) -> list[dict[str, Any]]:
    """Put a word in the place of some bytes; the tokens that it cuts into become one with it."""
    before: list[dict[str, Any]] = []
    taken: list[dict[str, Any]] = []
    after: list[dict[str, Any]] = []
    at = first = 0
    for token in tokens:
        upto = at + len(token["bytes"])
        if upto <= start:
            before.append(token)
        elif at >= end:
            after.append(token)
        else:
            first = at if not taken else first
            taken.append(token)
        at = upto
    spelled = b"".join(bytes(it["bytes"]) for it in taken)
    new = spelled[: start - first] + word + spelled[end - first :]
    one = {**taken[0], "token": new.decode(errors="replace"), "bytes": list(new)}
    return [*before, one, *after]
