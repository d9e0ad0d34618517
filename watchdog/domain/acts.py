"""What a person may do about an incident, as values that can be handed to whoever holds the ledger."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from watchdog.domain.actors import Actor
from watchdog.domain.conclusions import Conclusion, Disposition


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """Somebody looks into it."""

    incident: str
    """Its id, or an unambiguous beginning of it; the same below."""
    note: str = ""
    verb: Literal["acknowledge"] = field(default="acknowledge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close it with a conclusion, or propose to where a second person has to approve."""

    incident: str
    disposition: Disposition
    root_cause: str
    corrective_action: str = ""
    affected_from: datetime | None = None
    affected_to: datetime | None = None
    known_at: datetime | None = None
    affected: str = ""
    references: tuple[str, ...] = ()
    verb: Literal["close"] = field(default="close")

    def conclude(self, by: Actor, at: datetime) -> Conclusion:
        """Make it the conclusion of a person, at an instant.

        Raises ValueError when something is missing or cannot be.
        """
        return Conclusion(
            disposition=self.disposition,
            root_cause=self.root_cause,
            corrective_action=self.corrective_action,
            affected_from=self.affected_from,
            affected_to=self.affected_to,
            known_at=self.known_at,
            affected=self.affected,
            references=self.references,
            by=by,
            concluded_at=at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Approve the closing that somebody else proposed."""

    incident: str
    proposal: str
    """The digest of the proposal that the approver read, or the beginning of it that they were shown."""
    verb: Literal["approve"] = field(default="approve")


Act = Acknowledge | Close | Approve
