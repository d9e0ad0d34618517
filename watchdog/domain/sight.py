"""What could not be looked at, and for how long: the running state of the rules about being blind."""

from dataclasses import dataclass
from datetime import datetime

from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.times import utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Dark:
    """One thing on one channel that could not be measured, for some rounds in a row."""

    name: str
    """A probe family, or what the comparison looks at."""
    channel: ChannelRole
    rounds: int
    since: datetime
    reason: Reason
    """The commonest reason in the last of these rounds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", utc(self.since))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How well one subject can be looked at, by one rule."""

    rule: str
    subject: str
    dark: tuple[Dark, ...] = ()
    """What its last round could not measure; empty when everything was."""
    offline: bool = False
    """Whether no endpoint that it needs could be reached in its last round."""
    told: bool = False
    """Whether an incident about it is open."""

    @property
    def rounds(self) -> int:
        """Rounds in a row of the part that has been dark for longest."""
        return max((it.rounds for it in self.dark), default=0)

    @property
    def since(self) -> datetime | None:
        """When the part that has been dark for longest went dark; None when nothing is."""
        return min((it.since for it in self.dark), default=None)
