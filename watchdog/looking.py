"""What one reply comes to: held against the direct model by its words, and by the list of its tokens."""

from dataclasses import dataclass, replace

from watchdog.domain.comparisons import Examined, SideCheck
from watchdog.domain.exchanges import Exchange, Reason, Request, Unsaid
from watchdog.domain.logprobs import LogprobsExamined
from watchdog.errors import ChannelError, ScoringError
from watchdog.ports import Comparator
from watchdog.targets import Side, Target

Answer = Exchange | ChannelError
"""What came of a request."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a delivered reply looked like."""

    outcome: Examined | Reason
    listed: LogprobsExamined | None
    """None when the channel was not asked to list its tokens."""


def look(target: Target, request: Request, answer: Answer, tau: float, logprob_tau: float | None) -> Look:
    """Return what a delivered reply comes to: by the words, and by the list of its tokens where there should be one."""
    outcome = _compare(target.comparator, request, answer, tau)
    if isinstance(answer, ChannelError) or target.logprobs is None or answer.tokens_said is Unsaid.NOT_ASKED:
        return Look(outcome, None)
    examined = outcome if isinstance(outcome, Examined) else None
    return Look(outcome, target.logprobs.examine(request, answer, examined, tau=logprob_tau))


def _compare(comparator: Comparator | None, request: Request, answer: Answer, tau: float) -> Examined | Reason:
    """Return the comparison of a reply, or why there is none."""
    if isinstance(answer, ChannelError):
        return answer.reason
    if comparator is None:
        return Reason.UNSCORABLE
    if answer.incomparable is not None:
        return answer.incomparable
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
