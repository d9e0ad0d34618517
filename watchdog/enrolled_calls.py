"""Tool calls in an enrolment: what is asked, and what the calls are held against from then on. Pure."""

from collections.abc import Sequence
from datetime import datetime

from watchdog import rules
from watchdog.call_findings import TOOL_CALL, spans_of
from watchdog.domain.decisions import Compared
from watchdog.domain.evidence import Baseline
from watchdog.domain.findings import HARD, Finding, Severity, Suspect
from watchdog.domain.verdicts import Question
from watchdog.errors import ChannelError
from watchdog.targets import Target

_MOST = 0.1
"""Share of differing calls above which a channel is said to differ already."""


def enrolled_calls(target: Target, seed: int, questions: int) -> tuple[Question, ...]:
    """Draw questions about tools, in the same proportion to the others as in a round."""
    if target.calls is None:
        return ()
    count = -(-questions * target.calls.per_round // target.questions_per_round)
    return target.calls.questions.draw(seed, count)


def call_problem(target: Target, compared: Sequence[Compared]) -> ChannelError | None:
    """Return why no call could be compared; None when one could, or none was to be."""
    reasons = [it.reason for it in compared if it.calls is not None and it.reason is not None]
    if target.calls is None or any(it.calls is not None and it.reason is None for it in compared) or not reasons:
        return None
    commonest = max(sorted(set(reasons)), key=reasons.count)
    return ChannelError(
        f"{target.name}: none of {len(reasons)} questions about tools gave calls to compare: mostly `{commonest}`",
        hint="set `tool-questions-per-round` to 0 if this model or its endpoint does not call tools; then enrol again",
        reason=commonest,
    )


def call_baseline(target: Target, compared: Sequence[Compared], tau: float | None, at: datetime) -> Baseline | None:
    """Return what tool calls are held against; None when no tools are offered."""
    if target.calls is None:
        return None
    measured = [it.calls for it in compared if it.calls is not None and it.calls.reason is None]
    return Baseline(
        rule=TOOL_CALL,
        subject=target.name,
        trials=len(measured),
        hits=sum(it.flagged for it in measured),
        tau=tau if target.calls.check.digest else None,
        model=target.calls.check.digest,
        enrolled_at=at,
    )


def standing_calls(baseline: Baseline, compared: Sequence[Compared]) -> list[Finding]:
    """Return the finding that calls differed already when they were enrolled, if too many did."""
    if baseline.hits <= _MOST * baseline.trials:
        return []
    flagged = [it for it in compared if it.calls is not None and it.calls.flagged]
    return [
        Finding(
            rule=rules.STANDING,
            subject=baseline.subject,
            severity=Severity.ERROR,
            summary=(
                f"{baseline.subject}: {baseline.hits} of {baseline.trials} replies already called tools as our own "
                "channel does not when they were enrolled; edited calls will be hard to tell from that"
            ),
            attribution=(
                "Unknown: an editor of calls, another model or system prompt, or an endpoint that tells the model of "
                "its tools in other words than our own channel does."
            ),
            suspect=Suspect.UNKNOWN,
            promise=HARD,
            next_step=(
                "Read the calls. Where the model's chat template knows no tools, every server has words of its own for "
                "them: compare calls of such a model through the same server, or set `tool-questions-per-round` to 0."
            ),
            spans=spans_of(flagged),
            evidence_value=1.0,
            evidence=tuple(it.id for it in flagged),
            since=baseline.enrolled_at,
            seen_at=baseline.enrolled_at,
        )
    ]
