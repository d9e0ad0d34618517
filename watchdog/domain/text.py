"""Text that somebody hostile may have written, made safe to show to a person."""

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that move the cursor, reorder the line, or are no characters at all."""


def printable(text: str, limit: int = 400) -> str:
    """Return the text on one line, without control, bidi or surrogate characters, cut to `limit` characters."""
    shown = "".join(" " if char in "\n\r\t" else char for char in text[: limit * 2])
    shown = "".join(
        char if unicodedata.category(char) not in _INVISIBLE else "\N{REPLACEMENT CHARACTER}" for char in shown
    )
    return shown if len(shown) <= limit and len(text) <= limit * 2 else shown[: limit - 1] + "…"
