"""The state of a repair: which words are taken to be edited, and how far the reply is explained by that."""

from dataclasses import dataclass, field

from detectors.divergence.tokenisations import Draft, Reading
from detectors.divergence.words import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit taken to have been made: words of the reply, and what the model said instead."""

    first: int
    last: int
    """One past the last edited word of the reply; equal to `first` where words are missing."""
    expected: str
    """The model's words."""
    added: int
    """How many they are."""
    reading: Reading = field(repr=False, compare=False)
    """The reply as repaired before it; its first excess is why an edit is looked for here."""
    alternatives: tuple[str, ...]
    """Beginnings of other words that the model finds likely here."""

    @property
    def gap(self) -> float:
        """How far the token that led here lies below the model's first choice."""
        return self.reading.worst

    @property
    def cost(self) -> int:
        """How many words it changes; an inserted sentence is one decision, however long, and costs as much as three."""
        return max(min(self.last - self.first, 3), self.added)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A reply with some edits undone, not read yet."""

    edits: tuple[Edit, ...]
    draft: Draft
    upto: int
    """One past the last word of the reply that is in the draft; later ones are left out to save time."""
    shift: int
    """Bytes by which the draft is ahead of the reply after the last edit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A proposal and its reading."""

    proposal: Proposal
    reading: Reading
    reply: tuple[Word, ...] = field(repr=False)

    @property
    def next(self) -> int:
        """The word of the reply after the last edit."""
        edits = self.proposal.edits
        return edits[-1].last if edits else 0

    @property
    def explained(self) -> int:
        """How many words of the reply the model would have written, or were edited."""
        if self.reading.excess is None:
            return self.proposal.upto
        at = self.reading.reach - self.proposal.shift
        done = sum(at >= word.stop for word in self.reply[: self.proposal.upto])
        return max(done, self.next - 1)

    @property
    def stuck(self) -> bool:
        """Whether the model would not even have written what the last edit puts there."""
        return self.explained < self.next

    @property
    def finished(self) -> bool:
        """Whether it explains the reply to its end."""
        return self.reading.excess is None and self.proposal.upto == len(self.reply)

    @property
    def merit(self) -> float:
        """The words it leaves alone and explains, less a price for those it changes, and more for reaching the end."""
        edits = self.proposal.edits
        left_alone = self.explained - sum(edit.last - edit.first for edit in edits)
        end = 0.0 if not self.finished else ENDED if self.proposal.draft.ended else 1.0
        return left_alone + end - PRICE * sum(edit.cost for edit in edits)


PRICE = 0.75
"""Words that must be explained for each that is changed: one is enough, so that edits may lie close together."""
ENDED = 3.0
"""Words that the end is worth where the model, too, would have ended its turn there: that is hard to hit by chance."""
