"""What every probe family does before it looks at a reply, and how it quotes one."""

import unicodedata

from watchdog.domain.exchanges import Exchange, FinishReason, Reason
from watchdog.domain.verdicts import Grade, Verdict


def screen(exchange: Exchange) -> Verdict | None:
    """Return `unmeasured` for a reply that no family can grade, else None."""
    if exchange.cached:
        return unmeasured(Reason.CACHED, "The reply was stored earlier, so it tells nothing about the model now.")
    if exchange.finish is FinishReason.OTHER:
        return unmeasured(Reason.BLOCKED, "The reply ended for a reason that is neither its own end nor its length.")
    if not plain(exchange.reply):
        return unmeasured(Reason.EMPTY, "The reply holds no text.")
    return None


def unmeasured(reason: Reason, why: str) -> Verdict:
    """Return the verdict of an exchange that tells nothing."""
    return Verdict(grade=Grade.UNMEASURED, why=why, reason=reason)


def plain(text: str) -> str:
    """Return the text on one line, without control, format or unassigned characters: safe to print."""
    visible = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in _joined(text))
    return " ".join(visible.split())


def excerpt(text: str, limit: int = 60) -> str:
    """Return at most `limit` characters of a hostile text, safe to print."""
    line = plain(text[: 8 * limit])
    return line if len(line) <= limit and len(text) <= 8 * limit else line[: limit - 1].rstrip() + "…"


def _joined(text: str) -> str:
    # Format characters such as zero-width joiners sit inside words; a space in their place would split them.
    return "".join(char for char in text if unicodedata.category(char) != "Cf")
