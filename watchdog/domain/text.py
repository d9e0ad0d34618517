"""Text that somebody hostile may have written, made safe to show to a person."""

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that move the cursor, reorder the line, or are no characters at all."""
_NO_TEXT = frozenset({"Cc", "Cs"})
"""Control characters and halves of surrogate pairs: nobody types them, and some files cannot hold them."""


def printable(text: str, limit: int = 400) -> str:
    """Return the text on one line, without control, bidi or surrogate characters, cut to `limit` characters."""
    shown = "".join(" " if char in "\n\r\t" else char for char in text[: limit * 2])
    shown = "".join(
        char if unicodedata.category(char) not in _INVISIBLE else "\N{REPLACEMENT CHARACTER}" for char in shown
    )
    return shown if len(shown) <= limit and len(text) <= limit * 2 else shown[: limit - 1] + "…"


def written(what: str, text: str, limit: int, *, lines: bool = False) -> str:
    """Return what a person wrote for the record, without blanks around it; `lines` allows more than one line.

    Raises ValueError when it is too long, or holds a character that has no place in a text.
    """
    text = text.strip()
    if len(text) > limit:
        raise ValueError(f"{what} may have {limit:,} characters, this has {len(text):,}")
    allowed = "\n\t" if lines else ""
    for char in text:
        if unicodedata.category(char) in _NO_TEXT and char not in allowed:
            raise ValueError(f"{what} holds U+{ord(char):04X}, which is no character of a text")
    return text
