"""Whether a channel's own list of tokens spells the reply that it delivered.

A server makes the text out of the tokens, so both are the same bytes, and whoever edits the text on the way and leaves
the list alone is seen without any model. Three things are no difference: white space around the text, which servers
trim; the token that ends the turn, which some list; and a character in several tokens, for which some list U+FFFD.
"""

import re
from collections.abc import Callable, Sequence
from itertools import zip_longest

from watchdog.domain.exchanges import Exchange, FinishReason, SaidToken
from watchdog.domain.logprobs import Parting

_END = re.compile(rb"<[|/]?[^<>\s]{1,40}>|\[/?[A-Z_]{2,12}\]")
_RUNS = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")
_LOST = "\ufffd".encode()
_SHOWN = 80
"""Characters that are shown from where the two part."""


def spoken(delivered: Exchange, said: Sequence[SaidToken]) -> tuple[SaidToken, ...]:
    """Return the tokens that add to the reply: without those at its end that add nothing, or only end the turn."""
    tokens = list(said)
    if delivered.finish is FinishReason.STOP and tokens and _END.fullmatch(tokens[-1].text):
        tokens.pop()
    while tokens and not tokens[-1].text:
        tokens.pop()
    return tuple(tokens)


def parting(delivered: Exchange, said: Sequence[SaidToken], as_delivered: Callable[[str], str] = str) -> Parting | None:
    """Return where the reply first is not what its tokens spell; None when it is, or declared edits make it so."""
    text = delivered.reply.encode(errors="surrogatepass")
    listed = b"".join(it.text for it in said)
    if delivered.finish is not FinishReason.STOP:
        text, listed = _whole(text), _whole(listed)
    if _part(text, listed) is None:
        return None
    # What is not valid Unicode never was said so by a model: it stays a difference.
    edited = as_delivered(text.decode(errors="replace")).encode(errors="surrogatepass")
    expected = as_delivered(listed.decode(errors="replace")).encode(errors="surrogatepass")
    place = _part(edited, expected)
    return None if place is None else _shown(edited, expected, *place)


def _part(text: bytes, listed: bytes) -> tuple[int, int] | None:
    """Return the bytes at which two texts part; None when they say the same."""
    at, there = len(text) - len(text.lstrip()), len(listed) - len(listed.lstrip())
    for one, other in zip_longest(_RUNS.findall(text.strip()), _RUNS.findall(listed.strip()), fillvalue=b""):
        if one != other and not (one[:1] >= b"\x80" and _LOST in other):
            common = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
            common = min(len(one), len(other)) if common is None else common
            return at + common, there + common
        at, there = at + len(one), there + len(other)
    return None


def _whole(text: bytes) -> bytes:
    """Take off a last character that was cut, in either way in which a server may write it."""
    while text.endswith(_LOST):
        text = text.removesuffix(_LOST)
    for length in range(1, min(4, len(text) + 1)):
        lead = text[-length]
        if lead & 0xC0 != 0x80:
            return text[:-length] if length < _length(lead) else text
    return text


def _length(lead: int) -> int:
    """Return how many bytes a character has that begins with this one."""
    return next((length for length, first in ((4, 0xF0), (3, 0xE0), (2, 0xC0)) if lead >= first), 1)


def _shown(text: bytes, listed: bytes, at: int, there: int) -> Parting:
    """Show where two texts part, from the beginning of the word in which they do."""
    back = min(len(re.split(rb"\s", text[:at][-_SHOWN:])[-1]), there)
    return Parting(
        start=len(text[: at - back].decode(errors="ignore")),
        delivered=text[at - back :].decode(errors="replace")[:_SHOWN],
        listed=listed[there - back :].decode(errors="replace")[:_SHOWN],
    )
