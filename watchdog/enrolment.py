"""Enrolment: measure what a target looks like while its owner trusts it. Everything later is held against this."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from watchdog import benign
from watchdog.baselines import correction_baselines, edit_baseline, logprob_baselines, side_baselines
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
from watchdog.domain.exchanges import Reason
from watchdog.domain.findings import HARD, Finding
from watchdog.domain.verdicts import Grade
from watchdog.enrolled_calls import call_baseline, call_problem, enrolled_calls, standing_calls
from watchdog.errors import ChannelError, ConfigError
from watchdog.lines import counted, lines_of
from watchdog.lookout import Lookout
from watchdog.measuring import Measured, Measuring, Plan, cases_of, tally
from watchdog.ports import Clock, FindingSink, Questions
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
        lists = logprob_baselines(target, measured.compared, self.now())
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
        baselines = correction_baselines(target, judged, self.now())
        bank, heard = None, engines.heard
        if target.comparator is not None:
            heard = (*engines.heard, benign.delivered([it for it in compared if it.calls is None]))
            bank = benign.bank_of(target, target.comparator, engines, heard[-1], self.now())
            edits = edit_baseline(target.comparator, compared, bank, self.now())
            baselines = [edits, *side_baselines(target, edits, compared, self.now()), *lists, *baselines]
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
