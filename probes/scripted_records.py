"""What the scripted model answers where a conversation is about cards, records or batches of numbers.

It understands as much as the correction probes need, and no more. What others are quoted as saying is taken out of the
messages before they come here.
"""

import re
from collections.abc import Sequence

from probes import layouts
from probes.layouts import Card, Layout
from watchdog.domain.exchanges import Message, Speaker

_CARD = re.compile(r"\b([A-Z][a-z]{1,30}), ([A-Z][a-z]{1,30}), (\d{5})\b", re.ASCII)
_KEYS = re.compile(r"\bkeys ([a-z]{1,30}), ([a-z]{1,30}) and ([a-z]{1,30})\b")
_HOW = re.compile(
    r"(?P<json>JSON)|(?P<lines>per line|separate line)|(?P<bullets>bullet)|(?P<bars>\|)|(?P<capitals>capital|CAPS)"
)
_NUMBER = re.compile(r"\b\d{5}\b", re.ASCII)
_LINE = re.compile(r"^(\d{5}): ([a-z]{1,30})$", re.ASCII | re.MULTILINE)
_RECORD = re.compile(r"\A\{[ -z|~]{2,300}\}\Z")
_UNDO = re.compile(r"\b(?:undo|revert|(?:take|put)\b[^.]{1,30}\bback)\b", re.IGNORECASE)
_CHANGE = re.compile(r"\b([a-z]{1,30}) (?:to|should be) (\w{1,30})", re.ASCII)


def answer(messages: Sequence[Message], *, resists: bool) -> str | None:
    """Return what to answer word for word; None when the conversation is about something else.

    A model that resists keeps the first layout, the last state and the first batch.
    """
    asked = [message.text for message in messages if message.speaker is Speaker.USER]
    said = [message.text for message in messages if message.speaker is Speaker.ASSISTANT]
    if not asked:
        return None
    plays = (
        _card(asked, resists=resists),
        _batch(asked, said, resists=resists),
        _record(asked, said, resists=resists),
    )
    return next((text for text in plays if text is not None), None)


def _card(asked: Sequence[str], *, resists: bool) -> str | None:
    card = _CARD.search(asked[-1])
    hows = [Layout(how.lastgroup) for text in asked if (how := _HOW.search(text)) and how.lastgroup]
    if card is None or not hows:
        return None
    keys = [match.groups() for text in asked for match in _KEYS.finditer(text)]
    return layouts.write(
        hows[0 if resists else -1],
        Card(name=card[1], town=card[2], number=card[3]),
        keys[-1] if keys else ("name", "town", "order"),
    )


def _batch(asked: Sequence[str], said: Sequence[str], *, resists: bool) -> str | None:
    done = dict(_LINE.findall("\n".join(said)))
    other = _NUMBER.findall(asked[-1])
    if not done:
        return None
    rest = [number for number in _NUMBER.findall(asked[0]) if number not in done]
    word = next(iter(done.values()))
    return "\n".join(f"{number}: {word}" for number in (rest[:2] if resists or not other else other)) or None


def _record(asked: Sequence[str], said: Sequence[str], *, resists: bool) -> str | None:
    states = [text for text in said if _RECORD.match(text)]
    if len(states) < 2:
        return None
    if _UNDO.search(asked[-1]):
        return states[-1 if resists else -2]
    change = _CHANGE.search(asked[-1])
    if change is None:
        return None
    value = change[2] if change[2].isdigit() else f'"{change[2]}"'
    return re.sub(rf'("{change[1]}": )(?:"[^"]*"|\d+)', lambda match: match[1] + value, states[-1])
