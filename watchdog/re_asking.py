"""What a round asks again at once after a flagged reply, and when that has told enough. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watchdog import rules
from watchdog.call_findings import TOOL_CALL
from watchdog.domain.decisions import Compared
from watchdog.domain.departures import Departure, departure
from watchdog.ports import Questions
from watchdog.targets import Target

RE_ASKS = 2
"""Batches of fresh questions at most that one round asks at once after a flagged reply."""
RE_ASK_FACTOR = 4
"""How many times a round's questions one such batch holds: a flag is rare, and then an answer is wanted soon."""
_TELLING = 8
"""Flagged replies after which no more are asked for to see who changed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pursuit:
    """What is asked again after a hit of one rule."""

    rule: str
    questions: Questions
    per_batch: int
    seen: Callable[[Compared], bool | None]
    """Whether a comparison is a hit of the rule; None where it says nothing about it."""


def pursuits(target: Target, questions: Questions) -> list[Pursuit]:
    """Return what may be asked again on a target."""
    found = [(rules.EDITED, questions, target.questions_per_round, _flagged)]
    if target.calls is not None:
        found.append((TOOL_CALL, target.calls.questions, target.calls.per_round, _called_otherwise))
    return [
        Pursuit(rule=rule, questions=asked, per_batch=RE_ASK_FACTOR * per_round, seen=seen)
        for rule, asked, per_round, seen in found
    ]


def is_plain(compared: Sequence[Compared]) -> bool:
    """Tell whether it shows who changed the replies, as far as replies alone can show it.

    Refusals out of a drawer of three may all be different in three replies, and look like another model's.
    """
    return departure(compared) is not Departure.WHOLE or sum(bool(_flagged(it)) for it in compared) >= _TELLING


def _flagged(it: Compared) -> bool | None:
    return None if it.comparison is None or it.declared else it.comparison.flagged


def _called_otherwise(it: Compared) -> bool | None:
    return None if it.calls is None or it.declared or it.calls.reason is not None else it.calls.flagged
