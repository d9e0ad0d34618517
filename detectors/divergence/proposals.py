"""Propose which edits may have led to the first word that the model would not have written."""

from collections.abc import Iterator
from dataclasses import dataclass

from detectors.divergence.attempts import Attempt, Edit, Proposal
from detectors.divergence.continuation import Continuation, continuations
from detectors.divergence.tokenisations import Draft, Reader, Reading
from detectors.divergence.words import Word

_REMOVED = {1: (1, 0, 2), 2: (1, 2, 0)}
"""How many edited words of the reply the model's next one or two words may stand for; among equals the first wins."""
_Change = tuple[int, int, tuple[str, ...]]
"""First edited word of the reply, one past the last, and the model's words with the white space before each."""
_SENTENCE_ENDS = (".", "!", "?", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposer:
    """Undoes small edits at and before the first excess of an attempt."""

    reader: Reader
    reply: tuple[Word, ...]
    draft: Draft
    """The whole reply as it was delivered."""
    horizon: int
    """Words after an edit by which it is judged at first; a whole long reply for each proposal would take too long."""
    lookback: int = 4
    """Words before the first excess at which an edit may have begun."""
    rivals: int = 2
    """Near tokens of the model that are followed at one place."""

    def whole(self, proposal: Proposal) -> Proposal:
        """Return the proposal with the rest of the reply in it."""
        text = proposal.draft.text + self.draft.text[self.reply[proposal.upto - 1].stop :]
        draft = Draft(text=text, ended=self.draft.ended, settled=proposal.draft.settled)
        return Proposal(edits=proposal.edits, draft=draft, upto=len(self.reply), shift=proposal.shift)

    def proposals(self, attempt: Attempt, added: int) -> list[Proposal]:
        """Return the ways to go on from an attempt, each text once, with one or two words of the model's added.

        Those that only remove words come with the first word.
        """
        anchors = self._anchors(attempt)
        unique: dict[bytes, Proposal] = {}
        removals = self._removals(anchors) if added == 1 else ()
        for change in (*self._replacements(attempt, anchors, added), *removals):
            first, last, pieces = self._trimmed(*change)
            if first < last or pieces:
                proposal = self._proposal(attempt, first, last, pieces)
                unique.setdefault(proposal.draft.text, proposal)
        return list(unique.values())

    def _anchors(self, attempt: Attempt) -> list[int]:
        """Return the words at which the edit may begin: that of the excess, and likely words shortly before it.

        The model's own token was near its first choice. So an edit that begins with a likely word begins where two
        tokens are near, and nowhere else.
        """
        word = attempt.explained
        earlier = range(word - 1, max(attempt.next, word - self.lookback) - 1, -1)
        return [word, *(anchor for anchor in earlier if self._rivals(attempt, self._row(attempt, anchor)))]

    def _rivals(self, attempt: Attempt, row: int) -> list[int]:
        """Return the tokens that the model might have taken at a row instead of the one that is there."""
        reading = attempt.reading
        taken = reading.ids[row : row + 1]
        return [token for token in self.reader.near(reading, row) if (token,) != taken][: self.rivals]

    def _replacements(self, attempt: Attempt, anchors: list[int], added: int) -> Iterator[_Change]:
        places = [(anchor, *place) for anchor in anchors for place in self._places(attempt, anchor)]
        said = continuations(self.reader, [(ids, row) for _, ids, row in places], count=added, tokens=4 * added)
        for (anchor, _, row), continuation in zip(places, said, strict=True):
            pieces = self._from_anchor(attempt, anchor, row, continuation)
            for removed in _REMOVED[added]:
                if added == len(pieces) and anchor + removed <= len(self.reply):
                    yield anchor, anchor + removed, pieces
            if continuation.ended:
                yield anchor, len(self.reply), pieces

    def _removals(self, anchors: list[int]) -> Iterator[_Change]:
        for anchor in anchors:
            ends = (n + 1 for n in range(anchor, len(self.reply)) if self.reply[n].text.endswith(_SENTENCE_ENDS))
            for last in (anchor + 1, anchor + 2, next(ends, len(self.reply))):
                if anchor < last <= len(self.reply):
                    yield anchor, last, ()

    def _places(self, attempt: Attempt, anchor: int) -> Iterator[tuple[tuple[int, ...], int]]:
        """Yield beginnings of the reply that end with a token of the model's own, and the row of the anchor."""
        reading, row = attempt.reading, self._row(attempt, anchor)
        rows = {row} if reading.excess is None or anchor < attempt.explained else {reading.excess, row}
        for at in sorted(rows, reverse=True):
            yield from (((*reading.ids[:at], token), row) for token in self._rivals(attempt, at))

    def _from_anchor(self, attempt: Attempt, anchor: int, row: int, said: Continuation) -> tuple[str, ...]:
        """Return the model's words from the anchor on; none when its tokens do not meet at the anchor."""
        partial = attempt.proposal.draft.text[attempt.reading.start(row) : self._byte(attempt, anchor)]
        before = partial.decode(errors="replace")
        if not said.pieces or not said.pieces[0].startswith(before):
            return ()
        return (said.pieces[0][len(before) :], *said.pieces[1:])

    def _proposal(self, attempt: Attempt, first: int, last: int, pieces: tuple[str, ...]) -> Proposal:
        at = self._byte(attempt, first)
        head = attempt.proposal.draft.text[:at]
        upto = min(last + self.horizon, len(self.reply))
        start = self.reply[last].at if last < len(self.reply) else self.reply[-1].stop
        stop = self.reply[upto - 1].stop if upto < len(self.reply) else len(self.draft.text)
        middle = "".join(pieces).encode()
        text = head + middle + self.draft.text[start:stop]
        stripped = len(text) - len(text.lstrip()) if not head.strip() else 0
        # Where the reply ends too early, nothing says how far the model would have gone on.
        cut_short = first == len(self.reply)
        ended = self.draft.ended and upto == len(self.reply) and not cut_short
        row = self._row(attempt, first)
        return Proposal(
            edits=(*attempt.proposal.edits, self._edit(attempt.reading, row, first, last, pieces)),
            draft=Draft(text=text[stripped:], ended=ended, settled=() if stripped else attempt.reading.ids[:row]),
            upto=upto,
            shift=at + len(middle) - start - stripped,
        )

    def _edit(self, reading: Reading, row: int, first: int, last: int, pieces: tuple[str, ...]) -> Edit:
        expected = "".join(pieces).strip()
        known = (expected, self.reply[first].text if first < last else "")
        likely = (self.reader.scorer.vocabulary[token] for token in reading.scores.top_ids[row])
        others = dict.fromkeys(token.decode(errors="ignore").strip() for token in likely)
        shown = [word for word in others if word.isprintable() and not any(k.startswith(word) for k in known)]
        return Edit(
            first=first,
            last=last,
            expected=expected,
            added=len(pieces),
            reading=reading,
            alternatives=tuple(shown[:4]),
        )

    def _trimmed(self, first: int, last: int, pieces: tuple[str, ...]) -> tuple[int, int, tuple[str, ...]]:
        """Leave out words that the edit did not change."""
        while first < last and pieces and self.reply[first].piece == pieces[0]:
            first, pieces = first + 1, pieces[1:]
        while first < last and pieces and self.reply[last - 1].piece == pieces[-1]:
            last, pieces = last - 1, pieces[:-1]
        return first, last, pieces

    def _byte(self, attempt: Attempt, word: int) -> int:
        """Return where a word of the reply, with the white space before it, begins in the attempt's draft."""
        at = self.reply[word].at if word < len(self.reply) else self.reply[-1].stop
        return at + attempt.proposal.shift

    def _row(self, attempt: Attempt, word: int) -> int:
        """Return the row of the token with which a word begins."""
        at = self._byte(attempt, word)
        return sum(end <= at for end in attempt.reading.ends)
