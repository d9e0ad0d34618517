"""Find the edited words of a flagged reply, by repairing it from left to right.

What follows an edit was written after another word, so it surprises the model too: gaps alone cannot say which words
were edited. So the reply is repaired. At the first word that the model would not have written, the small edits that
could have led there are undone one by one: a word replaced, inserted, deleted, or one of these for two words; likely
words shortly before it are tried as well, because an edit may begin with one. An undone edit is right when the model
would have written what follows, so each attempt is worth the words it explains less a price for the words it changes,
and the search goes on from the attempt that is worth most. What the best attempt changes are the spans.

This is a search for the cheapest explanation, not a proof: where two edits explain a reply equally well, it may name
the wrong one.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from detectors.divergence.attempts import Attempt, Edit, Proposal
from detectors.divergence.proposals import Proposer
from detectors.divergence.tokenisations import Draft, Reader, Reading
from detectors.divergence.words import words
from watchdog.domain.comparisons import Change, Span
from watchdog.errors import ScoringError

_HORIZON = 5
"""Words after an edit by which it is judged at first."""
_PASSES = 4
"""Scoring calls that the search for a cut may take here: most attempts are wrong, and no cut makes them right."""
_PLAIN = 1.0
"""An edit of one word that is worth more than this is not held against edits of two."""
_PATIENCE = 3
"""Steps in a row without a better attempt after which the search ends: another model's reply has no repair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The edited spans of a reply, and for each of them the reading whose first excess led to it."""

    spans: tuple[Span, ...]
    readings: tuple[Reading, ...]


def repair(reader: Reader, reply: str, draft: Draft, readings: Sequence[Reading], *, steps: int) -> Repair:
    """Return the repair of a reply, given its readings; no spans when one of them has no excess.

    At most `steps` attempts are followed; what is not explained by then is one unresolved span.
    """
    proposer = Proposer(reader=replace(reader, passes=_PASSES), reply=words(reply), draft=draft, horizon=_HORIZON)
    proposal = Proposal(edits=(), draft=draft, upto=len(proposer.reply), shift=0)
    root = Attempt(proposal=proposal, reading=furthest(readings), reply=proposer.reply)
    best = _best(proposer, root, steps)
    spans = tuple(_span(reply, best, edit) for edit in best.proposal.edits)
    led = tuple(edit.reading for edit in best.proposal.edits)
    if best.finished:
        return Repair(spans=spans, readings=led)
    # Without an excess the search ended before it read the rest; what led there is then what led to the last edit.
    last = best.reading if best.reading.excess is not None else led[-1]
    return Repair(spans=(*spans, _unresolved(reply, best, last)), readings=(*led, last))


def furthest(readings: Sequence[Reading]) -> Reading:
    """Return the reading that the model would have written the longest."""
    return max(readings, key=lambda reading: (reading.excess is None, reading.reach))


def _best(proposer: Proposer, root: Attempt, steps: int) -> Attempt:
    """Return the attempt that is worth most; it may leave an end of the reply unexplained."""
    best = root
    made = idle = 0
    heap = [(-root.merit, made, root)]
    for _ in range(steps):
        if not heap or idle == _PATIENCE or heap[0][2].finished:
            break
        _, _, attempt = heapq.heappop(heap)
        try:
            successors = _successors(proposer, attempt)
        except ScoringError:
            # Undoing a deletion makes the reply longer, perhaps too long for the model. It is flagged all the same.
            break
        for successor in successors:
            made += 1
            heapq.heappush(heap, (-successor.merit, made, successor))
        better = max((best, *successors), key=lambda attempt: attempt.merit)
        best, idle = (best, idle + 1) if better is best else (better, 0)
    return best


def _successors(proposer: Proposer, attempt: Attempt) -> list[Attempt]:
    if attempt.reading.excess is None:
        return _read(proposer, [proposer.whole(attempt.proposal)])
    if attempt.stuck:
        return []
    successors = _read(proposer, proposer.proposals(attempt, 1))
    if max((successor.merit for successor in successors), default=0) <= attempt.merit + _PLAIN:
        successors += _read(proposer, proposer.proposals(attempt, 2))
    return successors


def _read(proposer: Proposer, proposals: Sequence[Proposal]) -> list[Attempt]:
    found = proposer.reader.read([proposal.draft for proposal in proposals])
    return [
        Attempt(proposal=proposal, reading=furthest(readings), reply=proposer.reply)
        for proposal, readings in zip(proposals, found, strict=True)
        if readings
    ]


def _unresolved(reply: str, best: Attempt, led: Reading) -> Span:
    end = len(reply.rstrip())
    start = best.reply[best.explained].start if best.explained < len(best.reply) else end
    return Span(
        start=start,
        end=end,
        delivered=reply[start:end],
        expected="",
        alternatives=(),
        gap=led.worst,
        change=Change.UNRESOLVED,
    )


def _span(reply: str, best: Attempt, edit: Edit) -> Span:
    start = best.reply[edit.first].start if edit.first < len(best.reply) else len(reply.rstrip())
    end = best.reply[edit.last - 1].end if edit.last > edit.first else start
    change = Change.DELETED if end == start else Change.REPLACED if edit.expected else Change.INSERTED
    return Span(
        start=start,
        end=end,
        delivered=reply[start:end],
        expected=edit.expected,
        alternatives=edit.alternatives,
        gap=edit.gap,
        change=change,
    )
