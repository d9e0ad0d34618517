"""What an enrolment's replies are to be held against from then on: one baseline for each stream. Pure."""

from collections.abc import Sequence
from datetime import datetime

from watchdog import rules
from watchdog.benign import delivered, left_out
from watchdog.domain.banks import BenignBank
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import ChannelRole
from watchdog.listing_findings import LOGPROBS
from watchdog.ports import Comparator
from watchdog.targets import Side, Target


def edit_baseline(comparator: Comparator, compared: Sequence[Compared], bank: BenignBank, at: datetime) -> Baseline:
    """Return what delivered replies are held against."""
    gaps, tau = delivered(compared).gaps, bank.threshold.tau
    return Baseline(
        rule=rules.EDITED,
        subject=bank.subject,
        trials=len(gaps),
        # A threshold that the delivered replies made themselves would excuse each of them.
        hits=_above(gaps, tau) if bank.has_engines else left_out(comparator, gaps),
        tau=tau,
        model=comparator.digest,
        enrolled_at=at,
        answered_by=tuple(sorted({it.model for it in compared if it.comparison is not None})),
    )


def side_baselines(target: Target, edits: Baseline, compared: Sequence[Compared], at: datetime) -> list[Baseline]:
    """Return those of the negative controls, and of the direct channel under the reference."""
    return [_side_baseline(target, it, edits, compared, at) for it in target.sides]


def logprob_baselines(target: Target, compared: Sequence[Compared], at: datetime) -> list[Baseline]:
    """Return what log probabilities are held against, if the channel gave any.

    Without a threshold in it they are of another distribution than the direct model's, and are not used.
    """
    looked = [it.logprobs.distance for it in compared if it.logprobs is not None]
    distances = [it for it in looked if it is not None]
    if target.comparator is None or target.logprobs is None or not distances:
        return []
    tau = target.logprobs.threshold(distances)
    return [
        Baseline(
            rule=LOGPROBS,
            subject=target.name,
            trials=len(distances),
            hits=0 if tau is None else _above(distances, tau),
            tau=tau,
            model=target.comparator.digest,
            enrolled_at=at,
        )
    ]


def correction_baselines(target: Target, judged: Sequence[Judged], at: datetime) -> list[Baseline]:
    """Return what corrections are held against, for each family and channel."""
    graded = rules.corrections(judged)
    return [
        Baseline(
            rule=rules.correction_rule(probe.family),
            subject=rules.correction_subject(target.name, channel.role),
            trials=len(pairs),
            hits=sum(resisted for _, resisted in pairs),
            tau=None,
            model=next((it.model for it, _ in pairs), ""),
            enrolled_at=at,
        )
        for probe in target.probes
        for channel in target.channels
        for pairs in [graded.get((probe.family, channel.role), [])]
    ]


def _side_baseline(target: Target, side: Side, edits: Baseline, compared: Sequence[Compared], at: datetime) -> Baseline:
    gaps, ours = _gaps(compared, side.of, side.under), _gaps(compared, ChannelRole.DIRECT, side.under)
    tau = edits.tau if side.under is target.yardstick else side.comparator.threshold(ours).tau
    made_by_itself = side.of is ChannelRole.DIRECT and side.under is not target.yardstick
    return Baseline(
        rule=rules.CONTROL if side.of is side.under else rules.REFERENCE,
        subject=rules.channel_subject(target.name, side.of),
        trials=len(gaps),
        hits=left_out(side.comparator, gaps) if made_by_itself else 0 if tau is None else _above(gaps, tau),
        tau=tau,
        model=side.comparator.digest,
        enrolled_at=at,
    )


def _above(values: Sequence[float], tau: float) -> int:
    return sum(it > tau for it in values)


def _gaps(compared: Sequence[Compared], of: ChannelRole, under: ChannelRole) -> list[float]:
    sides = (it.side(of, under) for it in compared)
    return [it.comparison.gap for it in sides if it is not None and it.comparison is not None]
