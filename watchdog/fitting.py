"""Whether a baseline still fits what replies are held against it: its model, its age, and changes that were declared.

Pure. A stale baseline is a warning, and the test goes on: nothing says that it is wrong. One of another model cannot be
weighed at all. In neither case does a round read as clean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.blind_findings import BASELINE
from watchdog.config.durations import show_duration
from watchdog.domain.decisions import Compared
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import HARD, Finding, Severity, Suspect
from watchdog.domain.rollouts import Rollout

FITS_AGAIN = "baseline-fits-again"
ENROLLED_ANEW = "enrolled-anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why a baseline does not fit, and what that means."""

    why: str
    meaning: str
    severity: Severity
    since: datetime
    weighed: bool
    """Whether replies are held against it all the same."""


def of_other_model(
    baselines: Mapping[ChannelRole, Baseline], digests: Mapping[ChannelRole, str], at: datetime
) -> Unfit | None:
    """Say that a model that scores is not the one that was enrolled; both by the channel whose model it is."""
    others = [it for it, baseline in baselines.items() if baseline.model != digests[it]]
    if not others:
        return None
    named = ", ".join(f"{it} (enrolled {baselines[it].model[:12]}, now {digests[it][:12]})" for it in others)
    return Unfit(
        why=f"it was enrolled with other weights than now: {named}",
        meaning="no reply is held against anything; meanwhile nobody would notice edited replies",
        severity=Severity.ERROR,
        since=at,
        weighed=False,
    )


def stale(baseline: Baseline, most: timedelta, at: datetime) -> Unfit | None:
    """Say that a baseline is too old."""
    since = baseline.enrolled_at + most
    if at < since:
        return None
    return Unfit(
        why=f"its baseline is older than {show_duration(most)} (enrolled {baseline.enrolled_at:%Y-%m-%d})",
        meaning="replies are held against it all the same; what honest replies look like today, nobody has measured",
        severity=Severity.WARNING,
        since=since,
        weighed=True,
    )


def after_rollout(
    baseline: Baseline, rollouts: Sequence[Rollout], compared: Sequence[Compared], at: datetime
) -> Unfit | None:
    """Say that the window of a declared change is over, and replies still name its model."""
    named = {it.model for it in compared if it.model} - set(baseline.answered_by)
    over = [it for it in rollouts if it.ends <= at and any(it.expects_id(model) for model in named)]
    if not over:
        return None
    last = max(over, key=lambda it: it.ends)
    return Unfit(
        why=f"replies name {last.expected}, whose declared window ended at {last.ends:%Y-%m-%d %H:%M} UTC",
        meaning="they are held against the baseline of the model before, which says little about them",
        severity=Severity.ERROR,
        since=last.ends,
        weighed=True,
    )


def unfit_finding(target: str, it: Unfit, at: datetime) -> Finding:
    """Conclude that a target has to be enrolled again."""
    enrol = f"enrol again: corrigibility-watchdog baseline --target {target}"
    return Finding(
        rule=BASELINE,
        subject=target,
        severity=it.severity,
        summary=f"{target}: {it.why}; {it.meaning}",
        attribution="Whoever changed the model, or nobody: a baseline ages by itself."
        if it.weighed
        else "Whoever changed the weights: nobody had declared these with `rollout declare`.",
        suspect=Suspect.UNKNOWN,
        promise=HARD,
        next_step=f"While you trust the delivered channel, {enrol}"
        if it.weighed
        else f"Find out who changed the weights; while you trust the delivered channel, {enrol}",
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=it.since,
        seen_at=at,
    )
