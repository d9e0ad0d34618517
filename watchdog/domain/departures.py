"""In what way replies depart from the model that scored them: read off the spans of many replies together. Pure."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from watchdog.domain.comparisons import Change, Span
from watchdog.domain.decisions import Compared

_OPENING = 8
"""Words by which replies to different questions are taken for the same text."""


_MOST_OF_IT = 0.9
"""Share of the direct reply's words after which something that follows was put there once the model had answered."""


class Departure(StrEnum):
    """In what way delivered replies are not the scoring model's."""

    NONE = "none"
    WORDS = "words"
    """They part from the model and meet it again: words differ, and the model goes on with the rest."""
    AFTER = "after"
    """The model had answered, and then something was done to the whole: a text appended, an end cut off, a refusal put
    in place of every answer."""
    WHOLE = "whole"
    """They leave the model and do not come back to it."""


def departure(compared: Sequence[Compared]) -> Departure:
    """Return how the flagged ones among these replies depart, as most of them do."""
    flagged = [it for it in compared if it.comparison is not None and it.comparison.flagged and not it.declared]
    if not flagged:
        return Departure.NONE
    seen = [(it, _departure(it, it.comparison.spans)) for it in flagged if it.comparison is not None]
    votes = Counter(how for _, how in seen)
    if votes[Departure.WORDS] + votes[Departure.AFTER] > votes[Departure.WHOLE]:
        return Departure.AFTER if votes[Departure.AFTER] > votes[Departure.WORDS] else Departure.WORDS
    lost = [it.delivered_reply for it, how in seen if how is Departure.WHOLE]
    # Where no vote was cast, every reply began as the model's own, and its end could be held against nothing.
    return Departure.WHOLE if lost and not _is_canned(lost) else Departure.AFTER


def call_departure(compared: Sequence[Compared]) -> Departure:
    """Return how the flagged tool calls among these depart, as most of them do: in places, or as a whole."""
    partly = [it.calls.partly for it in compared if it.calls is not None and it.calls.flagged and not it.declared]
    if not partly:
        return Departure.NONE
    return Departure.WORDS if sum(partly) * 2 > len(partly) else Departure.WHOLE


def _departure(it: Compared, spans: Sequence[Span]) -> Departure | None:
    """Return how one flagged reply departs; None when it cannot be told from this reply alone."""
    end = len(it.delivered_reply.rstrip())
    alone = spans[0] if len(spans) == 1 else None
    if alone is not None and alone.start > 0 and alone.end >= end and alone.change is not Change.REPLACED:
        if alone.change is not Change.UNRESOLVED or _is_whole(it, alone.start):
            return Departure.AFTER
        if it.direct_reply is None and alone.start * 2 >= end:
            return None
    return Departure.WHOLE if not spans or _is_lost(spans) else Departure.WORDS


def _is_whole(it: Compared, upto: int) -> bool:
    """Say whether a reply up to a place is about all that the direct model said.

    Another engine says as much in other words where two of them were nearly as likely, so words are counted.
    """
    if it.direct_reply is None:
        return False
    said = len(it.delivered_reply[:upto].split())
    return said >= _MOST_OF_IT * len(it.direct_reply.split())


def _is_lost(spans: Sequence[Span]) -> bool:
    return any(span.change is Change.UNRESOLVED for span in spans)


def _is_canned(replies: Sequence[str]) -> bool:
    """Say whether most replies to different questions are one of a few texts, as refusals out of a drawer are."""
    openings = Counter(" ".join(reply.split()[:_OPENING]) for reply in replies)
    repeated = sum(count for count in openings.values() if count > 1)
    return repeated * 2 > len(replies)
