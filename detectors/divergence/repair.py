"""Find the edited words of a flagged reply, by repairing it from left to right.

What follows an edit was written after another word, so it surprises the model too: gaps alone cannot say which words
were edited. So the reply is repaired. At the first word that the model would not have written, the small edits that
could have led there are undone one by one: a word replaced, inserted, deleted, or one of these for two words; the
word before it is tried as well, because an edit may begin with a likely word. An undone edit is right when the model
would have written what follows, so each attempt is worth the words it explains less a price for the words it changes,
and the search goes on from the attempt that is worth most. What the best attempt changes are the spans.

This is a search for the cheapest explanation, not a proof: where two edits explain a reply equally well, it may name
the wrong one.
"""

import heapq
from collections.abc import Sequence

from detectors.divergence.attempts import Attempt, Edit, Proposal
from detectors.divergence.proposals import Proposer
from detectors.divergence.tokenisations import Draft, Reader, Reading
from detectors.divergence.words import words
from watchdog.domain.comparisons import Change, Span

_HORIZON = 8
_HOPELESS = 4.0
"""An attempt that is worth this many words less than the best one is given up."""


def repair(reader: Reader, reply: str, draft: Draft, readings: Sequence[Reading], *, steps: int) -> tuple[Span, ...]:
    """Return the edited spans of a reply, given its readings; none when one of them has no excess."""
    proposer = Proposer(reader=reader, reply=words(reply), draft=draft, horizon=_HORIZON)
    root = Proposal(edits=(), draft=draft, upto=len(proposer.reply), shift=0)
    best = _best(proposer, Attempt(proposal=root, reading=furthest(readings), reply=proposer.reply), steps)
    return _spans(reply, best)


def furthest(readings: Sequence[Reading]) -> Reading:
    """Return the reading that the model would have written the longest."""
    return max(readings, key=lambda reading: (reading.excess is None, reading.reach))


def _best(proposer: Proposer, root: Attempt, steps: int) -> Attempt:
    """Return the attempt that is worth most; it may leave an end of the reply unexplained."""
    best = root
    made = 0
    heap = [(-root.merit, made, root)]
    for _ in range(steps):
        if not heap:
            break
        _, _, attempt = heapq.heappop(heap)
        if attempt.finished or attempt.merit < best.merit - _HOPELESS:
            break
        for successor in _successors(proposer, attempt):
            made += 1
            heapq.heappush(heap, (-successor.merit, made, successor))
            best = max(best, successor, key=lambda attempt: attempt.merit)
    return best


def _successors(proposer: Proposer, attempt: Attempt) -> list[Attempt]:
    if attempt.reading.excess is None:
        proposals = [proposer.whole(attempt.proposal)]
    elif attempt.stuck:
        return []
    else:
        proposals = proposer.proposals(attempt)
    found = proposer.reader.read([proposal.draft for proposal in proposals])
    return [
        Attempt(proposal=proposal, reading=furthest(readings), reply=proposer.reply)
        for proposal, readings in zip(proposals, found, strict=True)
        if readings
    ]


def _spans(reply: str, best: Attempt) -> tuple[Span, ...]:
    spans = [_span(reply, best, edit) for edit in best.proposal.edits]
    excess = best.reading.excess
    if excess is not None:
        start = best.reply[best.explained].start if best.explained < len(best.reply) else len(reply)
        spans.append(
            Span(
                start=start,
                end=len(reply.rstrip()),
                delivered=reply[start:].rstrip(),
                expected="",
                alternatives=(),
                gap=float(best.reading.gaps[excess]),
                change=Change.UNRESOLVED,
            )
        )
    return tuple(spans)


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
