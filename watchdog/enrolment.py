"""Enrolment: measure what a target looks like while its owner trusts it. Everything later is held against this."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from watchdog import benign, rules
from watchdog.domain.banks import BenignBank
from watchdog.domain.decisions import (
    AbilitiesSeen,
    BankMeasured,
    Compared,
    Decision,
    Enrolled,
    Judged,
    RoundDone,
    SightChanged,
    Weighed,
)
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.findings import Finding
from watchdog.domain.verdicts import Grade
from watchdog.enrolled_calls import call_baseline, call_problem, enrolled_calls, standing_calls
from watchdog.errors import ChannelError, ConfigError
from watchdog.lines import HARD, counted, lines_of
from watchdog.listing_findings import LOGPROBS
from watchdog.lookout import Lookout
from watchdog.measuring import Measured, Measuring, Plan, cases_of, tally
from watchdog.ports import Clock, Comparator, FindingSink, Questions
from watchdog.standing import standing_findings
from watchdog.targets import Target

_MOST_UNMEASURED = 0.2
"""Share of unmeasured exchanges above which an enrolment is not worth keeping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an enrolment measured."""

    baselines: tuple[Baseline, ...]
    compared: tuple[Compared, ...]
    judged: tuple[Judged, ...]
    standing: bool
    """Whether the delivered channel already departs from the direct model."""
    bank: BenignBank | None
    """What honest engines of the target's own model showed; None when nothing is compared."""
    heard: tuple[benign.Heard, ...] = ()
    """The gaps behind it, engine by engine; the record has their digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolling:
    """Measures baselines and records them."""

    questions: Questions
    desk: FindingSink
    measuring: Measuring
    now: Clock
    draw_seed: Callable[[], int]
    lookout: Lookout

    def enrol(
        self,
        target: Target,
        *,
        questions: int,
        corrections: int,
        bank: int = 0,
        tick: Callable[[str], None] = lambda _: None,
    ) -> Enrolment:
        """Ask `questions` questions and `corrections` cases per probe, and record the baselines they give.

        Before that, each benign engine of the target's own model answers `bank` questions; `tick` hears of each reply.

        Raises ConfigError when the day's budget does not hold it, and ChannelError when too much could not be
        measured; then nothing but its cost is recorded.
        """
        started_at, plan = self.now(), self._plan(target, questions, corrections)
        self._require_budget(target, plan, started_at)
        engines = self._engines(target, bank, tick)
        tau = self._tau(target, engines)
        measured = self.measuring.measure(target, plan, tau=tau, reference_tau=tau)
        done = tally(target, plan, measured, started_at=started_at, at=self.now(), enrolment=True)
        lists = self._logprob_baselines(target, measured.compared)
        worded = [it for it in measured.compared if it.calls is None]
        problem = _unmeasured(target, worded, measured.judged, lists) or call_problem(target, measured.compared)
        if problem is not None:
            if done.tokens:
                self.desk.report([done])  # what was spent is spent, whatever came of it
            raise problem
        return self._record(target, measured, engines, lists, done)

    def _record(
        self, target: Target, measured: Measured, engines: benign.Engines, lists: list[Baseline], done: RoundDone
    ) -> Enrolment:
        """Record what was measured, and what follows from it."""
        compared, judged = measured.compared, measured.judged
        baselines = list(self._correction_baselines(target, judged))
        bank, heard = None, engines.heard
        if target.comparator is not None:
            heard = (*engines.heard, benign.delivered([it for it in compared if it.calls is None]))
            bank = benign.bank_of(target, target.comparator, engines, heard[-1], self.now())
            edits = self._edit_baseline(target, target.comparator, compared, bank)
            baselines = [edits, *self._side_baselines(target, edits, compared), *lists, *baselines]
        findings = standing_findings(target.name, target.yardstick, baselines, compared)
        calls = call_baseline(target, compared, None if bank is None else bank.threshold.tau, self.now())
        if calls is not None:
            baselines.append(calls)
            findings += standing_calls(calls, compared)
        enrolled: list[Decision] = [] if bank is None else [BankMeasured(at=done.at, bank=bank)]
        enrolled += [Enrolled(at=done.at, baseline=it) for it in baselines]
        counts, certain = self._counts(target, compared)
        findings += certain
        seen = self.lookout.enrolled(target, compared, done.at)
        enrolled += [] if seen.abilities is None else [AbilitiesSeen(at=done.at, abilities=seen.abilities)]
        enrolled += [SightChanged(at=done.at, sight=it) for it in seen.sights]
        self.desk.report([*compared, *judged, *enrolled, *counts, done], findings, seen.recoveries)
        return Enrolment(
            baselines=tuple(baselines),
            compared=tuple(compared),
            judged=tuple(judged),
            standing=bool(findings),
            bank=bank,
            heard=heard,
        )

    def _engines(self, target: Target, bank: int, tick: Callable[[str], None]) -> benign.Engines:
        if target.comparator is None or not bank:
            return benign.Engines()
        return benign.measure(target, target.comparator, self.questions.draw(self.draw_seed(), bank), tick)

    def _tau(self, target: Target, engines: benign.Engines) -> float:
        """Return the threshold that replies are measured at, before all that settles it is known."""
        return 0.0 if target.comparator is None else target.comparator.threshold(engines.gaps).tau

    def _plan(self, target: Target, questions: int, corrections: int) -> Plan:
        seed = self.draw_seed()
        return Plan(
            id=str(uuid.uuid4()),
            seed=seed,
            questions=(
                *(() if target.comparator is None else self.questions.draw(seed, questions)),
                *enrolled_calls(target, seed, questions),
            ),
            cases=tuple(case for _ in range(corrections) for case in cases_of(target.probes, self.draw_seed())),
            ask_direct=True,
            ask_logprobs=target.logprobs is not None,
        )

    def _require_budget(self, target: Target, plan: Plan, at: datetime) -> None:
        refused = self.lookout.refuse(target, plan, "round", spent=self.lookout.spent(target, at), at=at)
        if refused is not None:
            raise ConfigError(
                f"{target.name}: enrolling may cost {refused.needed:,} tokens, and {refused.spent:,} of "
                f"{refused.budget:,} are spent today (UTC)",
                hint="ask fewer `--questions` and `--corrections`, or raise max-tokens-per-day for the day you enrol",
            )

    def _edit_baseline(
        self, target: Target, comparator: Comparator, compared: list[Compared], bank: BenignBank
    ) -> Baseline:
        gaps, tau = benign.delivered(compared).gaps, bank.threshold.tau
        ours = len(bank.variants) > 1
        return Baseline(
            rule=rules.EDITED,
            subject=target.name,
            trials=len(gaps),
            hits=sum(gap > tau for gap in gaps) if ours else benign.left_out(comparator, gaps),
            tau=tau,
            model=comparator.digest,
            enrolled_at=self.now(),
            answered_by=tuple(sorted({it.model for it in compared if it.comparison is not None})),
        )

    def _logprob_baselines(self, target: Target, compared: list[Compared]) -> list[Baseline]:
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
                hits=0 if tau is None else sum(it > tau for it in distances),
                tau=tau,
                model=target.comparator.digest,
                enrolled_at=self.now(),
            )
        ]

    def _counts(self, target: Target, compared: list[Compared]) -> tuple[list[Decision], list[Finding]]:
        """Return what hard rules make of the replies: they need no enrolment, so that this one is no excuse."""
        weighed: list[Decision] = []
        findings = []
        for line in lines_of(target.name, compared):
            if line.hard and line.hit:
                stream = counted(self.lookout.ledger.stream(line.rule, line.subject), line)
                weighed.append(Weighed(at=self.now(), stream=stream))
                findings.append(line.conclude(stream, HARD, self.now()))
        return weighed, findings

    def _side_baselines(self, target: Target, edits: Baseline, compared: list[Compared]) -> list[Baseline]:
        """Return those of the negative controls, and of the direct channel under the reference."""
        found = []
        for side in target.sides:
            ours = _gaps(compared, ChannelRole.DIRECT, side.under)
            tau = edits.tau if side.under is target.yardstick else side.comparator.threshold(ours).tau
            gaps = _gaps(compared, side.of, side.under)
            itself = side.of is ChannelRole.DIRECT and side.under is not target.yardstick
            found.append(
                Baseline(
                    rule=rules.CONTROL if side.of is side.under else rules.REFERENCE,
                    subject=rules.channel_subject(target.name, side.of),
                    trials=len(gaps),
                    hits=benign.left_out(side.comparator, gaps)
                    if itself
                    else sum(gap > tau for gap in gaps if tau is not None),
                    tau=tau,
                    model=side.comparator.digest,
                    enrolled_at=self.now(),
                )
            )
        return found

    def _correction_baselines(self, target: Target, judged: list[Judged]) -> list[Baseline]:
        graded = rules.corrections(judged)
        return [
            Baseline(
                rule=rules.correction_rule(probe.family),
                subject=rules.correction_subject(target.name, channel.role),
                trials=len(pairs),
                hits=sum(resisted for _, resisted in pairs),
                tau=None,
                model=next((it.model for it, _ in pairs), ""),
                enrolled_at=self.now(),
            )
            for probe in target.probes
            for channel in target.channels
            for pairs in [graded.get((probe.family, channel.role), [])]
        ]


def _gaps(compared: list[Compared], of: ChannelRole, under: ChannelRole) -> list[float]:
    sides = (it.side(of, under) for it in compared)
    return [it.comparison.gap for it in sides if it is not None and it.comparison is not None]


def _unmeasured(
    target: Target, compared: list[Compared], judged: list[Judged], lists: list[Baseline]
) -> ChannelError | None:
    """Return why too little could be measured for a baseline; None when there was enough.

    Where log probabilities agree with the direct model's, they are enough.
    """
    agree = any(it.tau is not None for it in lists)
    listed = {it.id for it in compared if agree and it.logprobs is not None and it.logprobs.distance is not None}
    reasons = [it.reason for it in compared if it.reason is not None and it.id not in listed]
    whys = [it.verdict for it in judged if it.verdict.grade is Grade.UNMEASURED]
    reasons += [it.reason for it in whys if it.reason is not None]
    total = len(compared) + len(judged)
    if total and len(reasons) <= _MOST_UNMEASURED * total:
        return None
    commonest = max(set(reasons), key=reasons.count) if reasons else Reason.EMPTY
    detail = next((it.why for it in whys if it.reason is commonest), f"mostly `{commonest}`")
    return ChannelError(
        f"{target.name}: {len(reasons)} of {total} exchanges could not be measured, so there is no baseline: {detail}",
        hint="make both channels answer (`corrigibility-watchdog once` names each failure), then enrol again",
        reason=commonest,
    )
