"""A round: ask, compare, grade, weigh, and report; the same steps every time."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog import rules
from watchdog.attributing import Sitting, attributed
from watchdog.blindness import Seen
from watchdog.call_findings import TOOL_CALL
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
from watchdog.lines import Line, lines_of
from watchdog.listing_findings import LOGPROBS
from watchdog.lookout import Lookout
from watchdog.measuring import Measured, Measuring, Plan, cases_of, tally
from watchdog.outcome import Outcome
from watchdog.ports import Clock, Comparator, FindingSink, Ledger, Questions
from watchdog.re_asking import RE_ASKS, Pursuit, is_plain, pursuits
from watchdog.targets import Target
from watchdog.weighing import Moved, weigh


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
    unfit: str = ""
    """Why no reply was held against anything: it was enrolled with another model; empty when it was not."""

    @property
    def blind(self) -> str:
        """Why nothing at all could be measured, or replies be held against anything; empty when it was done."""
        if self.unfit:
            return self.unfit
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
        """Run one round and report it in one transaction; where another model scores now, nothing is compared.

        Raises ConfigError when the target was not enrolled.
        """
        started_at = self.now()
        unfit = self.lookout.other_model(target, started_at)
        target = target if unfit is None else target.uncompared
        baseline = self._baseline(target, rules.EDITED, target.name, target.comparator)
        self._require_calls(target)
        plan = self._plan(target, baseline)
        outcome = self._measure(target, plan, baseline, self.lookout.spent(target, started_at))
        lines = lines_of(target.name, [*outcome.compared, *outcome.judged])
        done = tally(target, plan, outcome.measured, started_at=started_at, at=self.now())
        weighed = [it for line in lines if (it := self._weighed(target, line, done.at)) is not None]
        report = RoundReport(
            done=done,
            compared=tuple(outcome.compared),
            judged=tuple(outcome.judged),
            streams=tuple(it.stream for it in weighed),
            findings=self._findings(target, outcome, weighed),
            recoveries=tuple(it.recovery for it in weighed if it.recovery is not None),
            skipped=outcome.skipped,
            unfit="" if unfit is None else unfit.why,
        )
        decisions: list[Decision] = [*report.compared, *report.judged, *outcome.asides.decisions(done.at)]
        decisions += [Weighed(at=done.at, stream=it) for it in report.streams]
        decisions += [done] if outcome.asked else []
        seen = [self.lookout.budget(target, outcome.skipped, done.at)]
        if outcome.asked:
            seen.append(self.lookout.round(target, outcome.compared, outcome.judged, done.at))
            seen.append(self.lookout.allowed(target, outcome.compared, done.at))
            seen.append(self.lookout.baseline(target, unfit, outcome.compared, done.at))
        return self._report(report, decisions, seen)

    def _findings(self, target: Target, outcome: Outcome, weighed: Sequence[Moved]) -> tuple[Finding, ...]:
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
            questions=(
                *self.questions.draw(seed, 0 if baseline is None else target.questions_per_round),
                *(() if target.calls is None else target.calls.questions.draw(seed, target.calls.per_round)),
            ),
            cases=cases_of(target.probes, seed),
            ask_direct=True,
            ask_logprobs=self.lookout.asks_logprobs(target),
        )

    def _measure(self, target: Target, plan: Plan, baseline: Baseline | None, spent: int) -> Outcome:
        """Carry out the plan, as far as the day's budget holds it."""
        outcome = Outcome(baseline=baseline, spent=spent, asides=self.lookout.asides(target))
        outcome.skipped = self.lookout.refuse(target, plan, "round", spent=spent, at=self.now())
        if outcome.skipped is not None:
            return outcome
        subject = rules.channel_subject(target.name, ChannelRole.DIRECT)
        reference = self._baseline(target, rules.REFERENCE, subject, target.under_reference)
        outcome.take(self._ask(target, plan, outcome, reference))
        for pursuit in pursuits(target, self.questions):
            self._re_ask(target, plan, pursuit, outcome)
        return outcome

    def _re_ask(self, target: Target, plan: Plan, pursuit: Pursuit, outcome: Outcome) -> None:
        """After a flagged reply, ask fresh questions at once, until it is decided who did it, or a batch is clean."""
        stream = self.ledger.stream(pursuit.rule, target.name)
        baseline = self.ledger.baseline(pursuit.rule, target.name)
        if baseline is None or stream.alarmed or outcome.skipped is not None:
            return
        batch = list(outcome.compared)
        for _ in range(RE_ASKS):
            looked = [(it, hit) for it in batch if (hit := pursuit.seen(it)) is not None]
            for it, hit in looked:
                stream = target.evidence.weigh(stream, baseline, hit=hit, at=it.at)
            if not any(hit for _, hit in looked) or (stream.alarmed and is_plain(outcome.compared)):
                break
            seed = self.draw_seed()
            questions = pursuit.questions.draw(seed, pursuit.per_batch)
            fresh = replace(plan, seed=seed, questions=questions, cases=(), ask_direct=False)
            spent = outcome.spent + outcome.measured.tokens
            outcome.skipped = self.lookout.refuse(target, fresh, "re_ask", spent=spent, at=self.now())
            if outcome.skipped is not None:
                break
            measured = self._ask(target, fresh, outcome)
            outcome.take(measured)
            batch = measured.compared

    def _require_calls(self, target: Target) -> None:
        """Raise ConfigError when tool calls are to be compared, and were not enrolled with the model at hand."""
        if target.calls is None:
            return
        baseline = self.ledger.baseline(TOOL_CALL, target.name)
        if baseline is None or baseline.model != target.calls.check.digest:
            how = "without tool calls" if baseline is None else "with another model to score its calls"
            raise _not_enrolled(target, f"enrolled {how}")

    def _ask(self, target: Target, plan: Plan, outcome: Outcome, reference: Baseline | None = None) -> Measured:
        """Carry out a plan at the thresholds of the baselines; what names a declared model is put aside."""
        lists = self.ledger.baseline(LOGPROBS, target.name)
        measured = self.measuring.measure(
            target,
            plan,
            tau=_tau(outcome.baseline) or 0.0,
            baseline=outcome.baseline,
            reference_tau=_tau(reference) or 0.0,
            logprob_tau=_tau(lists),
        )
        return replace(measured, compared=outcome.asides.sift(measured.compared))

    def _weighed(self, target: Target, line: Line, at: datetime) -> Moved | None:
        before = self.ledger.stream(line.rule, line.subject)
        return weigh(line, before, self.ledger.baseline(line.rule, line.subject), target.evidence, at)

    def _baseline(self, target: Target, rule: str, subject: str, comparator: Comparator | None) -> Baseline | None:
        """Return what a comparison is held against; None when this target does not make it.

        Raises ConfigError when it was not enrolled.
        """
        if comparator is None:
            return None
        baseline = self.ledger.baseline(rule, subject)
        if baseline is None:
            beside = "" if rule == rules.EDITED else " with its reference"
            raise _not_enrolled(target, f"not enrolled{beside} yet")
        return baseline


def _tau(baseline: Baseline | None) -> float | None:
    return None if baseline is None else baseline.tau


def _not_enrolled(target: Target, how: str) -> ConfigError:
    enrol = f"corrigibility-watchdog baseline --target {target.name}"
    return ConfigError(
        f"{target.name}: the target was {how}", hint=f"run `{enrol}` while you trust the delivered channel"
    )
