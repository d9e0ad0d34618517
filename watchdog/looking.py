"""What one reply comes to: held against the direct model by its words, its tool calls, and the list of its tokens."""

from dataclasses import dataclass, replace

from watchdog.domain.calls import CallComparison
from watchdog.domain.comparisons import Examined, SideCheck
from watchdog.domain.exchanges import Exchange, Reason, Request, Unsaid
from watchdog.domain.logprobs import LogprobsExamined
from watchdog.errors import ChannelError, ScoringError
from watchdog.ports import Comparator
from watchdog.targets import Calls, Side, Target

Answer = Exchange | ChannelError
"""What came of a request."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a delivered reply looked like."""

    outcome: Examined | Reason | None
    """Of the words; None where tool calls were compared in their place."""
    listed: LogprobsExamined | None = None
    """None when the channel was not asked to list its tokens."""
    calls: CallComparison | None = None
    """None when no tool was offered, and none was called."""


def look(target: Target, request: Request, answer: Answer, tau: float, logprob_tau: float | None) -> Look:
    """Return what a delivered reply comes to: by the words, and by the list of its tokens where there should be one."""
    outcome = _compare(target.comparator, request, answer, tau)
    if outcome is Reason.UNASKED_CALL and isinstance(answer, Exchange):
        return Look(outcome, calls=CallComparison(delivered=answer.tool_calls, direct=(), reason=outcome))
    if isinstance(answer, ChannelError) or target.logprobs is None or answer.tokens_said is Unsaid.NOT_ASKED:
        return Look(outcome)
    examined = outcome if isinstance(outcome, Examined) else None
    return Look(outcome, target.logprobs.examine(request, answer, examined, tau=logprob_tau))


def look_at_calls(calls: Calls, delivered: Answer, ours: Answer | None, tau: float) -> Look:
    """Return what the tool calls of a delivered reply come to, beside those of our own channel."""
    if isinstance(delivered, Exchange) and isinstance(ours, Exchange):
        found = calls.check.examine(delivered, ours, tau=tau)
    else:
        reason = delivered.reason if isinstance(delivered, ChannelError) else Reason.DIRECT_SILENT
        said = [it.tool_calls if isinstance(it, Exchange) else () for it in (delivered, ours)]
        found = CallComparison(delivered=said[0], direct=said[1], against=calls.against, reason=reason)
    return Look(found.reason, calls=found)


def _compare(comparator: Comparator | None, request: Request, answer: Answer, tau: float) -> Examined | Reason:
    """Return the comparison of a reply, or why there is none."""
    if isinstance(answer, ChannelError):
        return answer.reason
    if comparator is None and answer.incomparable is not Reason.UNASKED_CALL:
        return Reason.UNSCORABLE
    if comparator is None or answer.incomparable is not None:
        return answer.incomparable or Reason.UNSCORABLE
    try:
        return comparator.compare(request, answer, tau=tau)
    except ScoringError as exc:
        return exc.reason


def side_check(target: Target, side: Side, request: Request, answer: Answer, tau: float) -> SideCheck:
    """Compare a reply of our own as if it had been delivered: through the same pipe, by the same comparator."""
    shown = answer if isinstance(answer, ChannelError) else replace(answer, reply=target.as_delivered(answer.reply))
    outcome = _compare(side.comparator, request, shown, tau)
    if isinstance(outcome, Reason):
        return SideCheck(of=side.of, under=side.under, comparison=None, reason=outcome)
    return SideCheck(of=side.of, under=side.under, comparison=outcome.comparison, reason=None)
