"""The findings about tool calls: the names of the rules, and what people read. Pure."""

from collections.abc import Sequence
from datetime import datetime

from watchdog.attribution import Signs, attribute
from watchdog.domain.calls import CallComparison
from watchdog.domain.comparisons import Change, Span
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.departures import call_departure
from watchdog.domain.evidence import Stream
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.findings import Finding, Severity, Suspect
from watchdog.domain.text import printable

TOOL_CALL = "divergence.tool_call"
"""Tool calls that are not the direct model's own, in more replies than when enrolled."""

UNASKED = "divergence.unasked_call"
"""A delivered reply that calls a tool, although none was offered."""

_MOST_SPANS = 12
_SHOWN = 80


def call_finding(target: str, compared: Sequence[Compared], stream: Stream, promise: str, at: datetime) -> Finding:
    """Conclude that tool calls are edited on the way, from the replies of this round."""
    flagged = [(it, it.calls) for it in compared if it.calls is not None and it.calls.flagged]
    who = attribute(Signs(calls=call_departure(compared)))
    first = f"; first: {flagged[0][1].differences[0]}" if flagged else ""
    against = flagged[0][1].against if flagged else ChannelRole.DIRECT
    return Finding(
        rule=TOOL_CALL,
        subject=target,
        severity=Severity.CRITICAL,
        summary=(
            f"{target}: {stream.hits} of {stream.trials} delivered replies call tools as the {against} model does not"
            f"{first}"
        ),
        attribution=who.sentence,
        suspect=who.suspect,
        promise=promise,
        next_step=(
            "Read the names and arguments that differ, keep agents away from this path, then ask its owner (gateway, "
            "router, reseller) what changed since the first flagged call."
        ),
        spans=spans_of(compared),
        evidence_value=stream.evidence,
        evidence=tuple(it.id for it, _ in flagged),
        since=stream.first_hit_at or at,
        seen_at=at,
    )


def spans_of(compared: Sequence[Compared]) -> tuple[Span, ...]:
    """Return the differences of flagged calls as the words that people are shown, the first few."""
    flagged = [it.calls for it in compared if it.calls is not None and it.calls.flagged]
    return tuple(_span(it, n) for it in flagged for n in range(len(it.differences)))[:_MOST_SPANS]


def is_unasked(it: Compared | Judged) -> bool | None:
    """Tell whether a delivered reply calls a tool that nobody offered; None where there is no such reply to look at."""
    if isinstance(it, Compared):
        reason = it.reason
    elif it.channel is ChannelRole.DELIVERED:
        reason = it.verdict.reason
    else:
        return None
    return None if reason not in {None, Reason.UNASKED_CALL} else reason is Reason.UNASKED_CALL


def unasked_finding(
    target: str, found: Sequence[Compared | Judged], stream: Stream, promise: str, at: datetime
) -> Finding:
    """Conclude that somebody on the way puts calls of tools into replies."""
    calls = [call for it in found if isinstance(it, Compared) and it.calls is not None for call in it.calls.delivered]
    first = f"; the first calls {printable(calls[0].name, _SHOWN)!r}" if calls else ""
    return Finding(
        rule=UNASKED,
        subject=target,
        severity=Severity.CRITICAL,
        summary=(
            f"{target}: {stream.hits} of {stream.trials} delivered replies call a tool, and none was offered{first}"
        ),
        attribution=(
            "Whatever stands between the model server and its users: a server takes a reply for a call only where "
            "tools were offered to the model."
        ),
        suspect=Suspect.WRAPPER,
        promise=promise,
        next_step=(
            "Keep agents away from this path: a client may carry such a call out. Then ask the owner of the delivered "
            "path where it comes from."
        ),
        spans=(),
        evidence_value=1.0,
        evidence=tuple(it.id for it in found),
        since=stream.first_hit_at or at,
        seen_at=at,
    )


def _span(calls: CallComparison, number: int) -> Span:
    """Return a difference as the words that people are shown; a call has no place in the text of the reply."""
    it = calls.differences[number]
    return Span(
        start=0,
        end=0,
        delivered=f"{it.path}: {it.delivered}",
        expected=it.direct,
        alternatives=(),
        gap=calls.gap or 0.0,
        change=Change.REPLACED,
    )
