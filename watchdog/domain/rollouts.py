"""Declared changes: another model is expected on a target, for some share of the replies and some time.

A declaration is a statement of a person, and what it says of replies rests on a model id that the watched side writes:
for its window and its share it can hide an editor. So it is short, has an author and a reason, and shows everywhere.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from watchdog.domain.actors import Actor
from watchdog.domain.text import written
from watchdog.domain.times import utc

LONGEST = timedelta(days=14)
"""The longest window of a declaration."""
_DIGEST = re.compile(r"[0-9a-f]{12,64}")
_LONGEST_ID = 200
_LONGEST_REASON = 500


class Expects(StrEnum):
    """What a declaration names the expected model by."""

    DIGEST = "digest"
    """SHA-256 of its weights, or the first 12 or more hexadecimal digits of it."""
    MODEL_ID = "model_id"
    """The model id that replies name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One declaration, as it stands on the record."""

    id: str
    target: str
    """The target, with all of its variants."""
    expects: Expects
    expected: str
    share: float
    """The largest share of the replies that may come from the expected model."""
    begins: datetime
    ends: datetime
    reason: str
    by: Actor
    declared_at: datetime

    def __post_init__(self) -> None:
        for name in ("begins", "ends", "declared_at"):
            object.__setattr__(self, name, utc(getattr(self, name)))

    def in_force(self, at: datetime) -> bool:
        """Tell whether an instant lies in its window."""
        return self.begins <= at < self.ends

    def expects_weights(self, digest: str) -> bool:
        """Tell whether it expects weights of this digest."""
        return self.expects is Expects.DIGEST and bool(digest) and digest.startswith(self.expected)

    def expects_id(self, model: str) -> bool:
        """Tell whether it expects replies that name this model id."""
        return self.expects is Expects.MODEL_ID and model == self.expected

    def __str__(self) -> str:
        what = "weights" if self.expects is Expects.DIGEST else "model id"
        until = f"{self.begins:%Y-%m-%d %H:%M} to {self.ends:%Y-%m-%d %H:%M} UTC"
        return (
            f"rollout {self.id[:8]} of {what} {self.expected} on {self.target}, at most {100 * self.share:g} % of "
            f"the replies, {until}, declared by {self.by.name}: {self.reason}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutCount:
    """How many replies of one delivered channel came in the window of a declaration, and what became of them."""

    rollout: str
    subject: str
    """The target, or its variant."""
    replies: int = 0
    """Replies that came."""
    named: int = 0
    """How many of them named the expected model id."""
    aside: int = 0
    """How many of these were put aside, and so not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declare:
    """What a person wants declared."""

    target: str
    expected: str
    share: float
    begins: datetime
    ends: datetime
    reason: str
    verb: Literal["declare"] = field(default="declare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """What a person wants taken back."""

    rollout: str
    """Its id, or an unambiguous beginning of it."""
    reason: str
    verb: Literal["withdraw"] = field(default="withdraw")


RolloutAct = Declare | Withdraw


def declared(act: Declare, *, id_: str, by: Actor, at: datetime) -> Rollout:
    """Return the declaration that a person asked for.

    Raises ValueError when something is missing, or cannot be.
    """
    expected = written("what is expected", act.expected, _LONGEST_ID)
    if not expected:
        raise ValueError("a digest of weights or a model id is needed: say what is expected")
    if not 0.0 < act.share <= 1.0:
        raise ValueError(f"a share lies above 0 and is at most 1, got {act.share:g}")
    begins, ends = utc(act.begins), utc(act.ends)
    if ends <= max(begins, at):
        raise ValueError("the window has to end after it begins, and after now")
    if ends - begins > LONGEST:
        days = (ends - begins) / timedelta(days=1)
        raise ValueError(f"a window may last {LONGEST.days} days, this one lasts {days:.1f}")
    return Rollout(
        id=id_,
        target=act.target,
        expects=Expects.DIGEST if is_digest(expected) else Expects.MODEL_ID,
        expected=expected,
        share=act.share,
        begins=begins,
        ends=ends,
        reason=reason_of(act),
        by=by,
        declared_at=at,
    )


def is_digest(expected: str) -> bool:
    """Tell whether what is expected is taken for a digest of weights, rather than for a model id."""
    return _DIGEST.fullmatch(expected.strip()) is not None


def reason_of(act: RolloutAct) -> str:
    """Return why a person wants it.

    Raises ValueError when no reason is given.
    """
    reason = written("a reason", act.reason, _LONGEST_REASON)
    if not reason:
        raise ValueError("a reason is needed: whoever reads this later knows nothing else")
    return reason
