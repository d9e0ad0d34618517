"""What is off already when a target is enrolled: counted, not inferred, so each is a hard rule. Pure."""

from collections.abc import Sequence

from watchdog import rules
from watchdog.attribution import Signs, attribute
from watchdog.domain.comparisons import Comparison
from watchdog.domain.decisions import Compared
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import HARD, Finding, Severity, Suspect

_MOST = 0.1
"""Share of flagged replies above which a channel is said to differ already."""
_MOST_SPANS = 12


def standing_findings(
    target: str, yardstick: ChannelRole, baselines: Sequence[Baseline], compared: Sequence[Compared]
) -> list[Finding]:
    """Return a finding for each kind of comparison that was flagged too often for an enrolment.

    A control that is flagged speaks against every comparison under the same model: it is told in their place.
    """
    off = {(it.rule, it.subject): it for it in baselines if it.tau is not None and it.hits > _MOST * it.trials}
    found = []
    for (rule, subject), baseline in off.items():
        under = yardstick if rule == rules.EDITED else ChannelRole.REFERENCE
        controlled = (rules.CONTROL, rules.channel_subject(target, under)) in off
        if rule == rules.CONTROL:
            channel = ChannelRole(subject.rpartition("/")[2])
            found.append(_control(baseline, channel, _flagged(compared, channel, channel)))
        elif rule == rules.REFERENCE and not controlled:
            flagged = _flagged(compared, ChannelRole.DIRECT, ChannelRole.REFERENCE)
            found.append(_reference(baseline, target, flagged))
        elif rule == rules.EDITED and not controlled:
            measured = [(it, it.comparison) for it in compared if it.comparison is not None]
            found.append(_edited(baseline, yardstick, measured))
    return found


_Flagged = Sequence[tuple[Compared, Comparison]]


def _flagged(compared: Sequence[Compared], of: ChannelRole, under: ChannelRole) -> _Flagged:
    sides = ((it, it.side(of, under)) for it in compared)
    return [(it, side.comparison) for it, side in sides if side is not None and side.comparison is not None]


def _edited(baseline: Baseline, yardstick: ChannelRole, measured: _Flagged) -> Finding:
    return _standing(
        baseline,
        measured,
        rule=rules.STANDING,
        summary=(
            f"{baseline.subject}: {baseline.hits} of {baseline.trials} replies already departed from the {yardstick} "
            "model when it was enrolled"
        ),
        suspect=Suspect.UNKNOWN,
        attribution="Unknown: another model, another system prompt, a sampling temperature above 0, or an editor.",
        next_step="Make sure that both channels serve the same model, system prompt and temperature 0; enrol again.",
    )


def _reference(baseline: Baseline, target: str, measured: _Flagged) -> Finding:
    return _standing(
        baseline,
        measured,
        rule=rules.STANDING,
        summary=(
            f"{target}: {baseline.hits} of {baseline.trials} replies of the direct channel already departed from the "
            "reference when it was enrolled"
        ),
        suspect=Suspect.UNKNOWN,
        attribution="Unknown: a deployed model that was changed before, or a reference that is not its original.",
        next_step="Make sure that the reference is the model that was deployed, with its system prompt; enrol again.",
    )


def _control(baseline: Baseline, channel: ChannelRole, measured: _Flagged) -> Finding:
    who = attribute(Signs(control=True))
    return _standing(
        baseline,
        measured,
        rule=rules.CONTROL,
        summary=(
            f"{baseline.subject}: the negative control was flagged in {baseline.hits} of {baseline.trials} replies of "
            f"the {channel} channel when it was enrolled: the watchdog's own test does not recognise that model"
        ),
        suspect=who.suspect,
        attribution=who.sentence,
        next_step="See that what scores and what answers are the same weights, template and precision; enrol again.",
    )


def _standing(
    baseline: Baseline,
    measured: _Flagged,
    *,
    rule: str,
    summary: str,
    suspect: Suspect,
    attribution: str,
    next_step: str,
) -> Finding:
    flagged = [(it, comparison) for it, comparison in measured if comparison.flagged]
    return Finding(
        rule=rule,
        subject=baseline.subject,
        severity=Severity.ERROR,
        summary=summary,
        attribution=attribution,
        suspect=suspect,
        promise=HARD,
        next_step=next_step,
        spans=tuple(span for _, comparison in flagged for span in comparison.spans)[:_MOST_SPANS],
        evidence_value=1.0,
        evidence=tuple(it.id for it, _ in flagged),
        since=baseline.enrolled_at,
        seen_at=baseline.enrolled_at,
    )
