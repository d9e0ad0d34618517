"""How the false incidents that an installation is allowed are split over its streams of evidence. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watchdog import rules
from watchdog.call_findings import TOOL_CALL
from watchdog.config.model import Settings
from watchdog.domain.decisions import SharesAllotted
from watchdog.domain.evidence import Baseline, Share, Stream
from watchdog.domain.exchanges import ChannelRole
from watchdog.listing_findings import LOGPROBS
from watchdog.ports import Evidence

RESERVE = 0.25
"""The part of the budget that the first streams leave for those that come later."""

MOST_ALPHA = 0.01
"""No stream takes more, however few there are: where one reply in doubt was enough, it would page at three at night."""

StreamName = tuple[str, str]
"""A rule, and the subject that it watches."""


@dataclass(frozen=True, slots=True)
class PerStream:
    """Weighs each stream at its own share. Satisfies ports.Evidence."""

    tests: Mapping[StreamName, Evidence]

    def weigh(self, stream: Stream, baseline: Baseline, *, hit: bool, at: datetime) -> Stream:
        """Take one observation into the stream, at the stream's share."""
        return self.tests[stream.rule, stream.subject].weigh(stream, baseline, hit=hit, at=at)

    def promise(self, stream: Stream, baseline: Baseline) -> str:
        """Say how often an alarm of this stream would be false."""
        return self.tests[stream.rule, stream.subject].promise(stream, baseline)


def streams_of(settings: Settings[Any, Any]) -> tuple[StreamName, ...]:
    """Name every stream of evidence that a configuration has: comparisons, controls, and each probe on each channel."""
    found: list[StreamName] = []
    for target in settings.targets:
        for name, section in target.measured.items():
            if target.scoring:
                found.append((rules.EDITED, name))
            if target.scoring and section.asks_logprobs:
                found.append((LOGPROBS, name))
            if target.tool_questions_per_round:
                found.append((TOOL_CALL, name))
            found += [(rules.CONTROL, rules.channel_subject(name, role)) for role in target.scoring]
            if ChannelRole.REFERENCE in target.scoring and target.direct is not None:
                found.append((rules.REFERENCE, rules.channel_subject(name, ChannelRole.DIRECT)))
            subjects = [rules.correction_subject(name, role) for role in target.roles]
            found += [(rules.correction_rule(family), subject) for family in target.probes for subject in subjects]
    return tuple(found)


def allot(granted: Iterable[Share], wanted: Iterable[StreamName], budget: float) -> tuple[Share, ...]:
    """Return the shares in force: those granted before, each with the same part as ever, and those of newcomers.

    The first streams split all but the reserve evenly. Later, with m streams known and b newcomers, each of these gets
    1 / (m + b) of what is left: the parts never sum to more than 1, however often streams are added. A stream that is
    no longer wanted keeps its part. It may come back under its name, and the evidence it gathered has used that part.
    """
    parts = {(it.rule, it.subject): it.part for it in granted}
    new = [name for name in dict.fromkeys(wanted) if name not in parts]
    if new:
        left = 1.0 - sum(parts.values()) if parts else 1.0 - RESERVE
        parts |= dict.fromkeys(new, left / (len(parts) + len(new)))
    return tuple(
        Share(rule=rule, subject=subject, part=part, alpha=min(MOST_ALPHA, budget * part))
        for (rule, subject), part in parts.items()
    )


def allotted(before: SharesAllotted | None, settings: Settings[Any, Any], at: datetime) -> SharesAllotted:
    """Return the shares under a configuration; the very ones before when it changes nothing about them."""
    budget = settings.false_incidents_per_year
    shares = allot(() if before is None else before.shares, streams_of(settings), budget)
    after = SharesAllotted(at=at, false_incidents_per_year=budget, shares=shares)
    unchanged = before is not None and (before.false_incidents_per_year, before.shares) == (budget, shares)
    return before if before is not None and unchanged else after
