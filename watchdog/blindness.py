"""The rules about not being able to look: what counts as dark, and when people are told. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.blind_findings import (
    ANSWERED_AGAIN,
    BLIND,
    CALLS,
    CONTROL,
    EVERYTHING,
    LINK,
    MEASURED_AGAIN,
    REPLIES,
    TOLD_BY_LINK,
    UNDER_REFERENCE,
    WATCHDOG,
    Surroundings,
    blind_finding,
    late_parts,
    link_finding,
)
from watchdog.domain.abilities import Abilities
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.sight import Dark, Sight
from watchdog.domain.verdicts import Arm

_LINK_REASONS = frozenset({Reason.UNREACHABLE, Reason.TIMED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a round changes about being blind, or about seeing less."""

    sights: tuple[Sight, ...] = ()
    """Those that changed."""
    abilities: Abilities | None = None
    """What the delivered channel does, where that changed."""
    finding: Finding | None = None
    recoveries: tuple[Recovery, ...] = ()


def is_blind(rule: str) -> bool:
    """Tell whether a rule is about not being able to look, rather than about what was seen."""
    return rule == BLIND or rule.startswith(f"{BLIND}.")


def look(
    before: Sight,
    compared: Sequence[Compared],
    judged: Sequence[Judged],
    *,
    remote: frozenset[ChannelRole],
    at: datetime,
) -> Sight:
    """Take one round into a target's sight; `remote` are the channels that need the network."""
    earlier = {(it.name, it.channel): it for it in before.dark}
    dark = []
    for key, reason in _outcomes(compared, judged).items():
        if reason is None:
            continue
        was = earlier.get(key)
        name, channel = key
        dark.append(
            Dark(
                name=name,
                channel=channel,
                rounds=1 if was is None else was.rounds + 1,
                since=at if was is None else was.since,
                reason=reason,
            )
        )
    return replace(before, dark=tuple(dark), offline=_is_offline(compared, judged, remote))


def conclude(before: Sight, after: Sight, link: Sight, around: Surroundings, *, reachable: bool, at: datetime) -> Seen:
    """Say what a round means for the incidents about being blind; `reachable` if an endpoint answered in it."""
    sight, told_link, finding, recoveries = after, link.told, None, []
    late = late_parts(after, around.threshold)
    if late and around.own_link:
        finding, told_link = link_finding(after, around, at), True
        if after.told:
            recoveries.append(Recovery(rule=BLIND, subject=after.subject, by=TOLD_BY_LINK, seen_at=at))
        sight = replace(after, told=False)
    elif late:
        finding, sight = blind_finding(after, around, at), replace(after, told=True)
    elif after.told:
        recoveries.append(Recovery(rule=BLIND, subject=after.subject, by=MEASURED_AGAIN, seen_at=at))
        sight = replace(after, told=False)
    if told_link and reachable:
        recoveries.append(Recovery(rule=LINK, subject=WATCHDOG, by=ANSWERED_AGAIN, seen_at=at))
        told_link = False
    changed = [now for was, now in ((before, sight), (link, replace(link, told=told_link))) if was != now]
    return Seen(sights=tuple(changed), finding=finding, recoveries=tuple(recoveries))


def _outcomes(compared: Sequence[Compared], judged: Sequence[Judged]) -> dict[tuple[str, ChannelRole], Reason | None]:
    """Return why each thing on each channel, and each channel as a whole, was dark; None for what was measured.

    A probe family needs both its control and its correction: without either, nothing about the correction counts.
    """
    groups: dict[tuple[str, ChannelRole, Arm | None], list[Reason | None]] = defaultdict(list)
    for it in compared:
        asked_for = REPLIES if it.calls is None or it.reason is Reason.UNASKED_CALL else CALLS
        groups[asked_for, ChannelRole.DELIVERED, None].append(it.dark)
        groups[EVERYTHING, ChannelRole.DELIVERED, None].append(it.dark)
        for side in it.sides:
            groups[CONTROL if side.of is side.under else UNDER_REFERENCE, side.of, None].append(side.reason)
            groups[EVERYTHING, side.of, None].append(side.reason)
    for verdict in judged:
        groups[EVERYTHING, verdict.channel, None].append(verdict.verdict.reason)
        if verdict.arm is not Arm.FORGED:
            groups[verdict.family, verdict.channel, verdict.arm].append(verdict.verdict.reason)
    outcomes: dict[tuple[str, ChannelRole], Reason | None] = {}
    for (name, channel, _), reasons in groups.items():
        told = [it for it in reasons if it is not None]
        commonest = max(sorted(set(told)), key=told.count) if len(told) == len(reasons) else None
        outcomes[name, channel] = outcomes.get((name, channel)) or commonest
    return outcomes


def _is_offline(compared: Sequence[Compared], judged: Sequence[Judged], remote: frozenset[ChannelRole]) -> bool:
    reasons = [it.reason for it in compared if ChannelRole.DELIVERED in remote]
    reasons += [side.reason for it in compared for side in it.sides if side.of in remote]
    reasons += [it.verdict.reason for it in judged if it.channel in remote]
    return bool(reasons) and all(it in _LINK_REASONS for it in reasons)
