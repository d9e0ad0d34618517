"""A round: ask, compare, grade, weigh, and report; the same steps every time."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from watchdog import rules
from watchdog.attributing import Sitting, attributed
from watchdog.blindness import Seen
from watchdog.domain.decisions import (
    AbilitiesSeen,
    Compared,
    Decision,
    Judged,
    RoundDone,
    RoundSkipped,
    SightChanged,
    Weighed,
)
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import Finding, Recovery
from watchdog.errors import ConfigError
from watchdog.lines import HARD, Line, counted, lines_of
from watchdog.listing_findings import LOGPROBS
from watchdog.lookout import Lookout
from watchdog.measuring import Measured, Measuring, Plan, cases_of, tally
from watchdog.outcome import Outcome
from watchdog.ports import Clock, Comparator, FindingSink, Ledger, Questions
from watchdog.targets import Target

CLEAN_ROUNDS = 3
"""Rounds in a row without a hit after which an alarm counts as recovered."""
RECOVERY = f"{CLEAN_ROUNDS}-clean-rounds"

RE_ASKS = 2
"""Batches of fresh questions at most that one round asks at once after a flagged reply."""
RE_ASK_FACTOR = 4
"""How many times a round's questions one such batch holds: a flag is rare, and then an answer is wanted soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """What one round measured and concluded."""

    done: RoundDone
    """What it came to; recorded unless the round was skipped."""
    compared: tuple[Compared, ...]
    judged: tuple[Judged, ...]
    streams: tuple[Stream, ...]
    findings: tuple[Finding, ...]
    recoveries: tuple[Recovery, ...]
    skipped: RoundSkipped | None = None
    """Why the round, or the questions again in it, were not sent; None when all was."""

    @property
    def blind(self) -> str:
        """Why nothing at all could be measured; empty when something was."""
        if self.done.compared or self.done.judged:
            return ""
        if self.skipped is not None:
            return f"the budget is spent: {self.skipped.spent:,} of {self.skipped.budget:,} tokens today (UTC)"
        reasons = [it.reason for it in self.compared] + [it.verdict.reason for it in self.judged]
        return "nothing could be measured: " + ", ".join(sorted({it for it in reasons if it is not None}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Runs rounds on targets."""

    questions: Questions
    ledger: Ledger
    desk: FindingSink
    measuring: Measuring
    now: Clock
    draw_seed: Callable[[], int]
    """Unpredictable, below 2^53 so that it survives JSON; recorded with the round."""
    lookout: Lookout

    def run(self, target: Target) -> RoundReport:
        """Run one round and report it in one transaction.

        Raises ConfigError when the target was not enrolled, or was enrolled with other weights.
        """
        started_at = self.now()
        baseline = self._baseline(target, rules.EDITED, target.name, target.comparator)
        plan = self._plan(target, baseline)
        outcome = self._measure(target, plan, baseline, self.lookout.spent(target, started_at))
        lines = lines_of(target.name, [*outcome.compared, *outcome.judged])
        weighed = [it for line in lines if (it := self._weigh(target, line)) is not None]
        done = tally(target, plan, outcome.measured, started_at=started_at, at=self.now())
        report = RoundReport(
            done=done,
            compared=tuple(outcome.compared),
            judged=tuple(outcome.judged),
            streams=tuple(it.stream for it in weighed),
            findings=self._findings(target, outcome, weighed),
            recoveries=tuple(it.recovery for it in weighed if it.recovery is not None),
            skipped=outcome.skipped,
        )
        decisions: list[Decision] = [*report.compared, *report.judged]
        decisions += [Weighed(at=done.at, stream=it) for it in report.streams]
        decisions += [done] if outcome.asked else []
        seen = [self.lookout.budget(target, outcome.skipped, done.at)]
        if outcome.asked:
            seen.append(self.lookout.round(target, outcome.compared, outcome.judged, done.at))
            seen.append(self.lookout.allowed(target, outcome.compared, done.at))
        return self._report(report, decisions, seen)

    def _findings(self, target: Target, outcome: Outcome, weighed: Sequence["_Weighed"]) -> tuple[Finding, ...]:
        """Return what the alarmed streams conclude, each with what the other channels show beside it."""
        streams = {(it.stream.rule, it.stream.subject): it.stream for it in weighed}
        sitting = Sitting(
            target=target,
            observed=[*outcome.compared, *outcome.judged],
            stream=lambda rule, subject: streams.get((rule, subject)) or self.ledger.stream(rule, subject),
            baseline=self.ledger.baseline,
            weights=self.ledger.weights,
        )
        return tuple(attributed(it.finding, sitting) for it in weighed if it.finding is not None)

    def _report(self, report: RoundReport, decisions: list[Decision], seen: Sequence[Seen]) -> RoundReport:
        """Add what the round means for being blind, and record all of it in one transaction."""
        at = report.done.at
        decisions += [] if report.skipped is None else [report.skipped]
        decisions += [SightChanged(at=at, sight=sight) for it in seen for sight in it.sights]
        decisions += [AbilitiesSeen(at=at, abilities=it.abilities) for it in seen if it.abilities is not None]
        whole = replace(
            report,
            findings=report.findings + tuple(it.finding for it in seen if it.finding is not None),
            recoveries=report.recoveries + tuple(recovery for it in seen for recovery in it.recoveries),
        )
        self.desk.report(decisions, whole.findings, whole.recoveries)
        return whole

    def _plan(self, target: Target, baseline: Baseline | None) -> Plan:
        seed = self.draw_seed()
        return Plan(
            id=str(uuid.uuid4()),
            seed=seed,
            questions=self.questions.draw(seed, 0 if baseline is None else target.questions_per_round),
            cases=cases_of(target.probes, seed),
            ask_direct=True,
            ask_logprobs=self.lookout.asks_logprobs(target),
        )

    def _measure(self, target: Target, plan: Plan, baseline: Baseline | None, spent: int) -> Outcome:
        """Carry out the plan, as far as the day's budget holds it."""
        outcome = Outcome(baseline=baseline, spent=spent)
        outcome.skipped = self.lookout.refuse(target, plan, "round", spent=spent, at=self.now())
        if outcome.skipped is not None:
            return outcome
        subject = rules.channel_subject(target.name, ChannelRole.DIRECT)
        reference = self._baseline(target, rules.REFERENCE, subject, target.under_reference)
        outcome.take(self._ask(target, plan, baseline, reference))
        stream = self.ledger.stream(rules.EDITED, target.name)
        if baseline is not None and not stream.alarmed:
            self._re_ask(target, plan, stream, baseline, outcome)
        return outcome

    def _re_ask(self, target: Target, plan: Plan, stream: Stream, baseline: Baseline, outcome: Outcome) -> None:
        """After a flagged reply, ask fresh questions at once, until the evidence decides or a batch is clean."""
        batch = list(outcome.compared)
        for _ in range(RE_ASKS):
            for it in batch:
                stream = _weigh(target, stream, baseline, it)
            if stream.alarmed or not any(_flagged(it) for it in batch):
                break
            seed = self.draw_seed()
            questions = self.questions.draw(seed, RE_ASK_FACTOR * target.questions_per_round)
            fresh = replace(plan, seed=seed, questions=questions, cases=(), ask_direct=False)
            spent = outcome.spent + outcome.measured.tokens
            outcome.skipped = self.lookout.refuse(target, fresh, "re_ask", spent=spent, at=self.now())
            if outcome.skipped is not None:
                break
            measured = self._ask(target, fresh, baseline)
            outcome.take(measured)
            batch = measured.compared

    def _ask(
        self, target: Target, plan: Plan, baseline: Baseline | None, reference: Baseline | None = None
    ) -> Measured:
        """Carry out a plan at the thresholds of the baselines."""
        lists = self.ledger.baseline(LOGPROBS, target.name)
        return self.measuring.measure(
            target,
            plan,
            tau=_tau(baseline) or 0.0,
            baseline=baseline,
            reference_tau=_tau(reference) or 0.0,
            logprob_tau=_tau(lists),
        )

    def _weigh(self, target: Target, line: Line) -> "_Weighed | None":
        """Take a line into its stream; None when the stream was never enrolled, and needs to be."""
        before = self.ledger.stream(line.rule, line.subject)
        if line.hard:
            stream = counted(before, line)
            finding = line.conclude(stream, HARD, self.now()) if line.hit else None
            return self._settle(before, stream, line.hit, finding)
        baseline = self.ledger.baseline(line.rule, line.subject)
        if baseline is None:
            return None
        stream = before
        for it in line.observations:
            stream = target.evidence.weigh(stream, baseline, hit=it.hit, at=it.at)
        finding = None
        if stream.alarmed and line.hit:
            finding = line.conclude(stream, target.evidence.promise(stream, baseline), self.now())
        return self._settle(before, stream, line.hit, finding)

    def _settle(self, before: Stream, stream: Stream, hit: bool, finding: Finding | None) -> "_Weighed":
        """Count clean rounds after an alarm; enough of them are a recovery and arm the stream again."""
        if not before.alarmed:
            return _Weighed(stream=stream, finding=finding)
        stream = replace(stream, clean=0 if hit else before.clean + 1)
        if stream.clean < CLEAN_ROUNDS:
            return _Weighed(stream=stream, finding=finding)
        recovery = Recovery(rule=stream.rule, subject=stream.subject, by=RECOVERY, seen_at=self.now())
        return _Weighed(stream=stream.rearmed(), recovery=recovery)

    def _baseline(self, target: Target, rule: str, subject: str, comparator: Comparator | None) -> Baseline | None:
        """Return what a comparison is held against; None when this target does not make it.

        Raises ConfigError when it was not enrolled, or was enrolled with other weights.
        """
        if comparator is None:
            return None
        baseline = self.ledger.baseline(rule, subject)
        enrol = f"run `corrigibility-watchdog baseline --target {target.name}` while you trust the delivered channel"
        scores = target.yardstick if comparator is target.comparator else ChannelRole.REFERENCE
        if baseline is None:
            beside = "" if rule == rules.EDITED else " with its reference"
            raise ConfigError(f"{target.name}: the target was not enrolled{beside} yet", hint=enrol)
        if baseline.model != comparator.digest:
            raise ConfigError(
                f"{target.name}: the target was enrolled with other weights than the {scores} channel has now",
                hint=f"find out who changed the weights; then {enrol}",
            )
        return baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    stream: Stream
    finding: Finding | None = None
    recovery: Recovery | None = None


def _tau(baseline: Baseline | None) -> float | None:
    return None if baseline is None else baseline.tau


def _flagged(it: Compared) -> bool:
    return it.comparison is not None and it.comparison.flagged


def _weigh(target: Target, stream: Stream, baseline: Baseline, it: Compared) -> Stream:
    if it.comparison is None:
        return stream
    return target.evidence.weigh(stream, baseline, hit=it.comparison.flagged, at=it.at)
