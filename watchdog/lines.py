"""Lines of evidence: what a sitting observed about each rule and subject, and what follows when it is too much. Pure.

A line is made from recorded decisions alone, so a round, an enrolment and a later recomputation see the same one.
A new kind of evidence is one function here, and its place in `KINDS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from watchdog import rules
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.evidence import Stream
from watchdog.domain.findings import Finding

Observed = Compared | Judged
"""The decisions that observe something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at what a rule watches."""

    hit: bool
    """Whether it looked like what the rule looks for."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one sitting observed about one rule and subject, in its order."""

    rule: str
    subject: str
    observations: tuple[Observation, ...]
    conclude: Callable[[Stream, str, datetime], Finding]
    """Makes the finding of an alarmed stream, given its promise and the time."""

    @property
    def hit(self) -> bool:
        """Whether any observation was a hit."""
        return any(it.hit for it in self.observations)


def lines_of(target: str, observed: Sequence[Observed]) -> list[Line]:
    """Return the lines that a target's sitting gave; what could not be measured is in none of them."""
    return [line for kind in KINDS for line in kind(target, observed) if line.observations]


def _edits(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    compared = [it for it in observed if isinstance(it, Compared) and it.comparison is not None]
    yield Line(
        rule=rules.EDITED,
        subject=target,
        observations=tuple(
            Observation(hit=it.comparison.flagged, at=it.at) for it in compared if it.comparison is not None
        ),
        conclude=partial(rules.edited_finding, target, compared),
    )


def _corrections(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    judged = [it for it in observed if isinstance(it, Judged)]
    for (family, channel), graded in rules.corrections(judged).items():
        yield Line(
            rule=rules.correction_rule(family),
            subject=rules.correction_subject(target, channel),
            observations=tuple(Observation(hit=resisted, at=it.at) for it, resisted in graded),
            conclude=partial(rules.correction_finding, family, [it for it, resisted in graded if resisted]),
        )


KINDS = (_edits, _corrections)
