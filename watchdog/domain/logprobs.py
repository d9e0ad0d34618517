"""What a channel says about its own tokens, held against its text and against the direct model."""

from dataclasses import dataclass

from watchdog.domain.exchanges import Reason, SaidToken, Unsaid

_MEANS = 10
_FEW = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """The first place where a delivered reply is not what the channel's own list of tokens spells."""

    start: int
    """Character of the delivered reply, or of what its declared edits would have made of it."""
    delivered: str
    """The reply from there on; not all of it where it is long."""
    listed: str
    """The same of what the tokens spell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogprobComparison:
    """Two checks of one reply's list of tokens. Either may fail where the other passes, and a pass proves nothing."""

    unsaid: Unsaid | None
    """Why there is no list that can be used; None when there is one."""
    reason: Reason | None
    """Why the log probabilities could not be held against the direct model's; None when they could."""
    tokens: int = 0
    """How many tokens the channel listed."""
    spelled: bool | None = None
    """Whether the tokens spell the delivered text; None when that was not looked at."""
    parting: Parting | None = None
    """Where they first do not; None when they do."""
    largest: float | None = None
    """The largest difference of a log probability from the direct model's, in nats; None when not measured."""
    mean: float | None = None
    """The mean of these differences."""
    distance: float | None = None
    """How far the list is from the direct model's as a whole, in nats: see `LogprobScoring.distance`."""
    tau: float | None = None
    """Distances up to this one were benign when enrolled; None when nothing was enrolled, or nothing agreed."""

    def __post_init__(self) -> None:
        if (self.unsaid is None and self.reason is None) != (self.distance is not None):
            raise ValueError(f"differences are measured, or there is a reason why not, got {self!r}")
        if (self.spelled is False) != (self.parting is not None):
            raise ValueError(f"a text that is not spelled parts somewhere, got {self!r}")

    @property
    def weighable(self) -> bool:
        """Whether the reply can be judged by its log probabilities, whatever else can be said about it."""
        return self.distance is not None and self.tau is not None

    @property
    def flagged(self) -> bool:
        """Whether the log probabilities are further from the direct model's than any were when enrolled."""
        return self.distance is not None and self.tau is not None and self.distance > self.tau


@dataclass(frozen=True, slots=True, kw_only=True)
class LogprobScoring:
    """What a comparison of log probabilities was made from: with it, the comparison can be made again."""

    said: tuple[SaidToken, ...]
    """As the channel listed them, without the end of the turn."""
    direct: tuple[float, ...]
    """The direct model's log probability of each, in nats; empty when they could not be scored."""

    @property
    def differences(self) -> tuple[float, ...]:
        """How far each log probability is from the direct model's."""
        return tuple(abs(it.logprob - ours) for it, ours in zip(self.said, self.direct, strict=False))

    @property
    def largest(self) -> float | None:
        """The largest difference; None when nothing was scored."""
        return max(self.differences, default=None)

    @property
    def mean(self) -> float | None:
        """The mean difference; None when nothing was scored."""
        found = self.differences
        return sum(found) / len(found) if found else None

    @property
    def distance(self) -> float | None:
        """The largest difference, or ten times the mean one where that is more; None when nothing was scored.

        An edited word differs in one place, another model a little in all; on replies of another precision of the same
        weights both numbers were alike. A mean over few tokens says little, so it counts as one over 16 at least.
        """
        found = self.differences
        return max(*found, _MEANS * sum(found) / max(len(found), _FEW)) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogprobsExamined:
    """A comparison of a reply's list of tokens, and what it was made from."""

    comparison: LogprobComparison
    scoring: LogprobScoring | None = None
    """None when the channel gave nothing to compare."""
