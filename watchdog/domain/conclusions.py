"""What a person concluded about an incident: the record's answer to "what was it, and what was done"."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from watchdog.domain.actors import Actor
from watchdog.domain.text import written
from watchdog.domain.times import utc

LONGEST = 4000
"""Characters of the longest of its texts."""
_LONGEST = {"root_cause": LONGEST, "corrective_action": LONGEST, "affected": 1000}
_LONGEST_REFERENCE = 500
_MOST_REFERENCES = 20
SHOWN_DIGEST = 12
"""Characters of a proposal's digest that people are shown, and give back."""
_NEEDED_WHEN_TRUE = ("corrective_action", "affected_from", "affected_to", "known_at")


class Disposition(StrEnum):
    """What an incident turned out to be."""

    TRUE = "true"
    """What the finding says did happen, and should not have."""
    FALSE_ALARM = "false_alarm"
    """Nothing of the kind happened."""
    EXPECTED_CHANGE = "expected_change"
    """It happened, and was meant to."""
    DRILL = "drill"
    """It was made to happen, to see whether it is found."""
    UNDETERMINED = "undetermined"
    """Nobody could find out."""

    @classmethod
    def parse(cls, text: str) -> "Disposition":
        """Read a disposition as people type it, with `-` or `_`.

        Raises ValueError that names the known ones.
        """
        try:
            return cls(text.strip().lower().replace("-", "_"))
        except ValueError:
            known = ", ".join(it.replace("_", "-") for it in cls)
            raise ValueError(f"{text!r} is no disposition; known are {known}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """How a person closed an incident, or proposes to. What is empty or None was not stated.

    A `true` one needs what was done, and all three times: a report to others is made from them.
    """

    disposition: Disposition
    root_cause: str
    corrective_action: str = ""
    affected_from: datetime | None = None
    """Since when somebody was affected."""
    affected_to: datetime | None = None
    known_at: datetime | None = None
    """When the operator knew of it."""
    affected: str = ""
    """Estimate of what was affected, in words: "about 1,200 requests of 3 customers"."""
    references: tuple[str, ...] = ()
    """Tickets, reports, messages."""
    by: Actor
    concluded_at: datetime
    approved_by: Actor | None = None
    """The second person; None where none was needed, or none has approved yet."""

    def __post_init__(self) -> None:
        for name, limit in _LONGEST.items():
            text = written(f"the {_words(name)}", getattr(self, name), limit, lines=True)
            object.__setattr__(self, name, text)
        if len(self.references) > _MOST_REFERENCES:
            raise ValueError(f"{_MOST_REFERENCES} references are the most, got {len(self.references)}")
        references = (written("a reference", it, _LONGEST_REFERENCE) for it in self.references)
        object.__setattr__(self, "references", tuple(it for it in references if it))
        object.__setattr__(self, "concluded_at", utc(self.concluded_at))
        self._set_times()
        if not self.root_cause:
            raise ValueError("a conclusion needs a root cause, even if it is that none was found")
        missing = [_words(it) for it in _NEEDED_WHEN_TRUE if not getattr(self, it)]
        if self.disposition is Disposition.TRUE and missing:
            raise ValueError(f"a conclusion of `true` also needs: {', '.join(missing)}")

    def _set_times(self) -> None:
        for name in ("affected_from", "affected_to", "known_at"):
            at: datetime | None = getattr(self, name)
            if at is None:
                continue
            at = utc(at)
            if at > self.concluded_at:
                raise ValueError(f"{_words(name)} lies after the conclusion itself: {at.isoformat()}")
            object.__setattr__(self, name, at)
        if self.affected_from and self.affected_to and self.affected_from > self.affected_to:
            raise ValueError(
                f"affected from {self.affected_from.isoformat()} lies after affected to {self.affected_to.isoformat()}"
            )

    @property
    def digest(self) -> str:
        """Name what is proposed by the SHA-256 of it, in hex; the same before and after somebody approves."""
        stated = replace(self, approved_by=None).row()
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()

    def proposed(self) -> dict[str, object]:
        """Return it for programs while nobody has approved it: with what an approval has to name."""
        return self.row() | {"digest": self.digest}

    def row(self) -> dict[str, object]:
        """Return it for programs, as plain JSON values."""
        return {
            "disposition": self.disposition.value,
            "root_cause": self.root_cause,
            "corrective_action": self.corrective_action,
            "affected_from": _iso(self.affected_from),
            "affected_to": _iso(self.affected_to),
            "known_at": _iso(self.known_at),
            "affected": self.affected,
            "references": list(self.references),
            "by": str(self.by),
            "concluded_at": _iso(self.concluded_at),
            "approved_by": None if self.approved_by is None else str(self.approved_by),
        }


def _words(name: str) -> str:
    return name.replace("_", " ")


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
