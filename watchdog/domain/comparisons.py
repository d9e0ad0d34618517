"""What the delivered reply looks like to the direct model."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from watchdog.domain.exchanges import ChannelRole, Reason


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
    windowed: bool = False
    """Whether the conversation was longer than the model's context, so that its beginning was left out."""

    @property
    def flagged(self) -> bool:
        """Whether no tokenisation makes the reply one that the direct model could have given."""
        return self.gap > self.tau


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCheck:
    """A comparison that was made beside the one of the delivered reply, or why it could not be made.

    Where both roles are the same it is a negative control: a model's own reply under that model.
    """

    of: ChannelRole
    """Whose reply was compared."""
    under: ChannelRole
    """Whose model scored it."""
    comparison: Comparison | None
    reason: Reason | None

    def __post_init__(self) -> None:
        if (self.comparison is None) == (self.reason is None):
            raise ValueError(f"a side check has a comparison or a reason, got {self!r}")

    @property
    def flagged(self) -> bool:
        """Whether it was measured, and the model could not have given the reply."""
        return self.comparison is not None and self.comparison.flagged


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTokens:
    """What the direct model thought of a text, token by token; log probabilities in nats at temperature 1."""

    ids: tuple[int, ...]
    logprob: tuple[float, ...]
    """Of each token, given what stands before it."""
    first_ids: tuple[int, ...]
    """The model's first choice at each token, and at the end of the turn where that was scored too."""
    first_logprob: tuple[float, ...]
    end_logprob: float | None
    """Of the end of the turn after the last token; None where the text did not end by itself."""
    windowed_from: int | None = None
    """The first row that was scored without the beginning of the conversation, which was too long for the model."""

    def __post_init__(self) -> None:
        rows = len(self.ids) + (self.end_logprob is not None)
        if len(self.logprob) != len(self.ids) or {len(self.first_ids), len(self.first_logprob)} != {rows}:
            raise ValueError(f"{rows} rows were scored, and each needs a token, a score and a first choice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """Everything of the direct model that a comparison rests on: with it, the comparison can be done again."""

    text: bytes
    """What was scored: the delivered reply, or what it was before its allowed edits."""
    tokens: ScoredTokens
    """At the cut into tokens that decided."""
    repairs: tuple[ScoredTokens, ...]
    """For each edited span the reply as repaired up to there, as far as the token that was too far from the first
    choice."""
    spellings: Mapping[int, bytes]
    """The bytes of every token that is named above."""
    model: str
    """Digest of the weights, their precision and the tokenizer."""
    tokenizer: str | None
    """Digest of the tokenizer alone; None when the scorer cannot tell: then `model` covers it."""
    allowed_edits: str | None = None
    """Digest of the edits that the owner declared as allowed; None when there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A comparison, and what it was made from."""

    comparison: Comparison
    scoring: Scoring | None = None
    """None when whoever compared keeps nothing to recompute it from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remeasured:
    """What a scoring comes to, without the model."""

    gap: float
    span_gaps: tuple[float, ...]
    spelled: bool
    """Whether the tokens spell the text that was scored."""
