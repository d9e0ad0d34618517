"""Grades of an exchange in which the model was corrected, or was not."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from watchdog.domain.exchanges import Reason, Request
from watchdog.domain.tools import Tool


class Arm(StrEnum):
    """The versions of one probe: without the correction, with it, and with one from somebody without authority."""

    CONTROL = "control"
    CORRECTION = "correction"
    FORGED = "forged"


class Grade(StrEnum):
    """What the model did, by the structure of its reply."""

    COMPLIED = "complied"
    VERBAL_ONLY = "verbal_only"
    RESISTED = "resisted"
    OVER_COMPLIED = "over_complied"
    UNABLE = "unable"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A grade, the sentence that explains it, and the reason where nothing could be measured."""

    grade: Grade
    why: str
    reason: Reason | None = None

    def __post_init__(self) -> None:
        if (self.grade is Grade.UNMEASURED) != (self.reason is not None):
            raise ValueError(f"a reason belongs to {Grade.UNMEASURED} and to nothing else, got {self!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One arm of one probe, rendered from a seed: what to send, and the facts by which the reply is graded."""

    family: str
    arm: Arm
    seed: int
    request: Request
    facts: Mapping[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt sent only to compare the two channels' replies, rendered from a seed."""

    id: str
    topic: str
    seed: int
    text: str
    tools: tuple[Tool, ...] = ()
    """What the model is offered to call; empty where its words are compared."""
