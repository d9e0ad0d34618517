"""What a delivered channel was seen to do: which tests of its replies are possible at all hangs on it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchdog.domain.times import utc


class Ability(StrEnum):
    """Something that a channel does for us, and may stop doing."""

    TEMPERATURE_ZERO = "temperature_zero"
    """It lets the model be asked at temperature 0."""
    TOKEN_LOGPROBS = "token_logprobs"  # noqa: S105 - the name of an ability
    """It lists a reply's tokens with their log probabilities."""
    FRESH = "fresh"
    """Its replies are made for the request, and not stored ones."""
    PLAIN = "plain"
    """Its replies come without hidden reasoning before them."""
    NAMES_MODEL = "names_model"
    """It says which model answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How one ability stands."""

    ability: Ability
    enrolled: bool
    """Whether every reply showed it when the target was enrolled."""
    lacking: int = 0
    """Rounds in a row, up to the last one that could tell, in which some reply lacked it."""
    since: datetime | None = None
    """When the first of these rounds was; None when there is none."""
    told: bool = False
    """Whether an incident about it is open."""

    def __post_init__(self) -> None:
        if self.since is not None:
            object.__setattr__(self, "since", utc(self.since))


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What one delivered channel was seen to do, up to its last round."""

    subject: str
    held: tuple[Held, ...]
    """Those that could be told when it was enrolled."""

    def enrolled(self, ability: Ability) -> bool:
        """Tell whether every reply showed an ability when the target was enrolled."""
        return any(it.enrolled for it in self.held if it.ability is ability)

    @property
    def told(self) -> bool:
        """Whether an incident about any of them is open."""
        return any(it.told for it in self.held)
