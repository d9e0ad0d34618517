"""Whether the watchdog can look: the day's budget before a round, and what a round says about being blind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from watchdog import blind_findings, blindness, budget, downgrades, fitting, rules
from watchdog.asides import Asides
from watchdog.blindness import Seen
from watchdog.domain.abilities import Ability
from watchdog.domain.decisions import Compared, Judged, RoundSkipped
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import Recovery
from watchdog.fitting import Unfit
from watchdog.measuring import Plan, most_tokens
from watchdog.ports import Ledger
from watchdog.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookout:
    """Keeps count in the ledger, so that a restart forgets neither what was spent nor for how long all is dark."""

    ledger: Ledger
    hosts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The hosts that each watched target needs, to tell a target's fault from the watchdog's own link."""

    def spent(self, target: Target, at: datetime) -> int:
        """Return what the target has cost since its day began; 0 when nothing limits it."""
        return 0 if target.budget is None else self.ledger.tokens_spent(target.name, budget.day_of(at))

    def refuse(
        self, target: Target, plan: Plan, what: Literal["round", "re_ask"], *, spent: int, at: datetime
    ) -> RoundSkipped | None:
        """Return why a plan cannot be sent today; None when it can."""
        if target.budget is None:
            return None
        needed = most_tokens(target, plan)
        if spent + needed <= target.budget:
            return None
        return RoundSkipped(
            at=at, round_id=plan.id, target=target.name, what=what, needed=needed, spent=spent, budget=target.budget
        )

    def budget(self, target: Target, skipped: RoundSkipped | None, at: datetime) -> Seen:
        """Say what it means that a round was within its budget, or was not."""
        before = self.ledger.sight(budget.RULE, target.name)
        after = replace(before, told=skipped is not None)
        return Seen(
            sights=() if after == before else (after,),
            finding=None if skipped is None else budget.spent_finding(skipped),
            recoveries=(budget.within_again(target.name, at),) if before.told and skipped is None else (),
        )

    def round(self, target: Target, compared: Sequence[Compared], judged: Sequence[Judged], at: datetime) -> Seen:
        """Say what a round that was sent means for being blind."""
        before = self.ledger.sight(blind_findings.BLIND, target.name)
        after = blindness.look(before, compared, judged, remote=frozenset(target.hosts), at=at)
        offline = self.ledger.offline() | {target.name} if after.offline else frozenset[str]()
        around = blind_findings.Surroundings(hosts=self.hosts, offline=offline, threshold=target.failure_threshold)
        link = self.ledger.sight(blind_findings.LINK, blind_findings.WATCHDOG)
        reachable = bool(target.hosts) and not after.offline
        return blindness.conclude(before, after, link, around, reachable=reachable, at=at)

    def allowed(self, target: Target, compared: Sequence[Compared], at: datetime) -> Seen:
        """Say what a round that was sent means for the tests that the delivered channel allows."""
        before = self.ledger.abilities(target.name)
        after = downgrades.step(before, compared, threshold=target.failure_threshold, at=at)
        return _seen(after)

    def enrolled(self, target: Target, compared: Sequence[Compared], at: datetime) -> Seen:
        """Take down what the delivered channel does while it is trusted; whatever was wrong with a baseline is over."""
        seen = _seen(downgrades.enrol(target.name, self.ledger.abilities(target.name), compared, at))
        before = self.ledger.sight(blind_findings.BASELINE, target.name)
        if not before.told:
            return seen
        anew = Recovery(rule=blind_findings.BASELINE, subject=target.name, by=fitting.ENROLLED_ANEW, seen_at=at)
        return replace(seen, sights=(replace(before, told=False),), recoveries=(*seen.recoveries, anew))

    def other_model(self, target: Target, at: datetime) -> Unfit | None:
        """Say whether a model that scores is another than the one that the target was enrolled with."""
        pairs = self._models(target)
        enrolled = {it: baseline for it, (baseline, _) in pairs.items()}
        return fitting.of_other_model(enrolled, {it: now for it, (_, now) in pairs.items()}, at)

    def is_declared(self, target: Target, at: datetime) -> bool:
        """Tell whether other models score than were enrolled, and every one of them was declared beforehand."""
        others = {it: now for it, (enrolled, now) in self._models(target).items() if enrolled.model != now}
        declared = [it for it in self.ledger.rollouts(target.configured_as) if it.in_force(at)]
        names = {it: {now, target.files_digest if it is target.yardstick else now} for it, now in others.items()}
        return bool(others) and all(
            any(rollout.expects_weights(name) for rollout in declared for name in either) for either in names.values()
        )

    def _models(self, target: Target) -> dict[ChannelRole, tuple[Baseline, str]]:
        """Return what was enrolled with each model that scores, and the digest that it has now."""
        subject = rules.channel_subject(target.name, ChannelRole.DIRECT)
        streams = {target.yardstick: (rules.EDITED, target.name, target.comparator)}
        if target.under_reference is not None:
            streams[ChannelRole.REFERENCE] = (rules.REFERENCE, subject, target.under_reference)
        found = {role: (self.ledger.baseline(rule, of), it) for role, (rule, of, it) in streams.items()}
        return {
            role: (baseline, it.digest)
            for role, (baseline, it) in found.items()
            if baseline is not None and it is not None
        }

    def baseline(self, target: Target, unfit: Unfit | None, compared: Sequence[Compared], at: datetime) -> Seen:
        """Say what a round means for what its replies are held against; `unfit` is what was wrong before it began."""
        enrolled = self.ledger.baseline(rules.EDITED, target.name)
        if enrolled is not None and unfit is None:
            over = fitting.after_rollout(enrolled, self.ledger.rollouts(target.configured_as), compared, at)
            unfit = over or fitting.stale(enrolled, target.baseline_max_age, at)
        before = self.ledger.sight(blind_findings.BASELINE, target.name)
        after = replace(before, told=unfit is not None)
        again = Recovery(rule=blind_findings.BASELINE, subject=target.name, by=fitting.FITS_AGAIN, seen_at=at)
        return Seen(
            sights=() if after == before else (after,),
            finding=None if unfit is None else fitting.unfit_finding(target.name, unfit, at),
            recoveries=(again,) if before.told and unfit is None else (),
        )

    def asides(self, target: Target) -> Asides:
        """Return what puts those replies of a sitting aside that name a declared model."""
        declared = self.ledger.rollouts(target.configured_as)
        return Asides(declared, {it.id: self.ledger.rollout_count(it.id, target.name) for it in declared})

    def asks_logprobs(self, target: Target) -> bool:
        """Tell whether a round asks for log probabilities: where every reply had them when the target was enrolled."""
        known = self.ledger.abilities(target.name)
        return target.logprobs is not None and known is not None and known.enrolled(Ability.TOKEN_LOGPROBS)


def _seen(it: downgrades.Stepped) -> Seen:
    return Seen(abilities=it.abilities, finding=it.finding, recoveries=() if it.recovery is None else (it.recovery,))
