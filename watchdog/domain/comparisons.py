"""What the delivered reply looks like to the direct model."""

from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """How one span differs from what the direct model would have said."""

    REPLACED = "replaced"
    INSERTED = "inserted"
    DELETED = "deleted"
    UNRESOLVED = "unresolved"
    """The texts part here and do not meet again: everything after this place is in doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the delivered reply that the direct model did not say."""

    start: int
    """First character of the span in the delivered reply."""
    end: int
    """One past its last character; equal to `start` where words are missing."""
    delivered: str
    expected: str
    """What the direct model says in its place."""
    alternatives: tuple[str, ...]
    """Further words that the direct model finds likely here, most likely first."""
    gap: float
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The gap test of one delivered reply at temperature 0."""

    gap: float
    """The largest gap in nats between the model's first choice and the delivered token, at the best tokenisation."""
    tau: float
    """Gaps up to this one are numeric noise of another engine or precision."""
    tokens: int
    spans: tuple[Span, ...]

    @property
    def flagged(self) -> bool:
        """Whether no tokenisation makes the reply one that the direct model could have given."""
        return self.gap > self.tau
