"""Lines of evidence: what a sitting observed about each rule and subject, and what follows when it is too much. Pure.

A line is made from recorded decisions alone, so a round, an enrolment and a later recomputation see the same one.
A new kind of evidence is one function here, and its place in `KINDS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from watchdog import call_findings, listing_findings, rules
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.evidence import Stream
from watchdog.domain.exchanges import ChannelRole, Reason
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
    hard: bool = False
    """Whether one hit is enough: nothing is weighed then, and nothing has to be enrolled."""
    rare: bool = False
    """Whether nothing is recorded of it before its first hit, because on most targets there never is one."""

    @property
    def hit(self) -> bool:
        """Whether any observation was a hit."""
        return any(it.hit for it in self.observations)


def counted(stream: Stream, line: Line) -> Stream:
    """Take a hard line into its stream: the first hit alarms."""
    for it in line.observations:
        stream = stream.counted(hit=it.hit, at=it.at)
    return stream


def lines_of(target: str, observed: Sequence[Observed]) -> list[Line]:
    """Return the lines that a target's sitting gave; what could not be measured is in none of them."""
    return [line for kind in KINDS for line in kind(target, observed) if line.observations]


def _counted(observed: Sequence[Observed]) -> list[Compared]:
    """Return the comparisons but for those that were put aside as declared: these say nothing about our model."""
    return [it for it in observed if isinstance(it, Compared) and not it.declared]


def _edits(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    compared = [it for it in _counted(observed) if it.comparison is not None]
    yield Line(
        rule=rules.EDITED,
        subject=target,
        observations=tuple(
            Observation(hit=it.comparison.flagged, at=it.at) for it in compared if it.comparison is not None
        ),
        conclude=partial(rules.edited_finding, target, compared),
    )


def _unspellable(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    looked = [(it, it.reason is Reason.UNSPELLABLE) for it in _counted(observed)]
    told = [(it, hit) for it, hit in looked if hit or it.comparison is not None]
    yield Line(
        rule=rules.UNSPELLABLE,
        subject=target,
        observations=tuple(Observation(hit=hit, at=it.at) for it, hit in told),
        conclude=partial(rules.unspellable_finding, target, [it for it, hit in told if hit]),
        hard=True,
        rare=True,
    )


def _controls(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    for channel in (ChannelRole.DIRECT, ChannelRole.REFERENCE):
        checked = _checked(observed, channel, channel)
        yield Line(
            rule=rules.CONTROL,
            subject=rules.channel_subject(target, channel),
            observations=tuple(Observation(hit=hit, at=it.at) for it, hit in checked),
            conclude=partial(rules.control_finding, target, channel, [it for it, hit in checked if hit]),
        )


def _references(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    checked = _checked(observed, ChannelRole.DIRECT, ChannelRole.REFERENCE)
    yield Line(
        rule=rules.REFERENCE,
        subject=rules.channel_subject(target, ChannelRole.DIRECT),
        observations=tuple(Observation(hit=hit, at=it.at) for it, hit in checked),
        conclude=partial(rules.reference_finding, target, [it for it, hit in checked if hit]),
    )


def _checked(observed: Sequence[Observed], of: ChannelRole, under: ChannelRole) -> list[tuple[Compared, bool]]:
    """Return what was measured of one channel's replies under one channel's model, and whether it was flagged."""
    sides = ((it, it.side(of, under)) for it in observed if isinstance(it, Compared))
    return [(it, side.flagged) for it, side in sides if side is not None and side.comparison is not None]


def _logprobs(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    compared = [it for it in observed if isinstance(it, Compared) and it.logprobs is not None]
    looked = [(it, it.logprobs) for it in compared if it.logprobs is not None]
    yield Line(
        rule=listing_findings.LOGPROBS,
        subject=target,
        observations=tuple(
            Observation(hit=found.flagged, at=it.at) for it, found in looked if found.weighable and not it.declared
        ),
        conclude=partial(listing_findings.logprob_finding, target, compared),
    )
    yield Line(
        rule=listing_findings.TOKEN_STREAM,
        subject=target,
        observations=tuple(
            Observation(hit=not found.spelled, at=it.at) for it, found in looked if found.spelled is not None
        ),
        conclude=partial(listing_findings.token_stream_finding, target, compared),
        hard=True,
    )


def _calls(target: str, observed: Sequence[Observed]) -> Iterator[Line]:
    compared = [it for it in _counted(observed) if it.calls is not None]
    looked = [(it, it.calls) for it in compared if it.calls is not None]
    yield Line(
        rule=call_findings.TOOL_CALL,
        subject=target,
        observations=tuple(Observation(hit=calls.flagged, at=it.at) for it, calls in looked if calls.reason is None),
        conclude=partial(call_findings.call_finding, target, compared),
    )
    told = [(it, hit) for it in observed if (hit := call_findings.is_unasked(it)) is not None]
    yield Line(
        rule=call_findings.UNASKED,
        subject=target,
        observations=tuple(Observation(hit=hit, at=it.at) for it, hit in told),
        conclude=partial(call_findings.unasked_finding, target, [it for it, hit in told if hit]),
        hard=True,
        rare=True,
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


KINDS = (_edits, _unspellable, _controls, _references, _logprobs, _calls, _corrections)
