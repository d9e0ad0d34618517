"""A round: ask, compare, grade, weigh, and report; the same steps every time."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from watchdog import rules
from watchdog.domain.decisions import Compared, Decision, Judged, RoundDone, Weighed
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.findings import Finding, Recovery
from watchdog.errors import ConfigError
from watchdog.measuring import Measuring, Plan, Target, cases_of
from watchdog.ports import Clock, FindingSink, Ledger, Questions

CLEAN_ROUNDS = 3
"""Rounds in a row without a hit after which an alarm counts as recovered."""
RECOVERY = f"{CLEAN_ROUNDS}-clean-rounds"

_MOST_RE_ASKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """What one round measured and concluded."""

    done: RoundDone
    compared: tuple[Compared, ...]
    judged: tuple[Judged, ...]
    streams: tuple[Stream, ...]
    findings: tuple[Finding, ...]
    recoveries: tuple[Recovery, ...]


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

    def run(self, target: Target) -> RoundReport:
        """Run one round and report it in one transaction.

        Raises ConfigError when the target was not enrolled, or was enrolled with other weights.
        """
        started_at, round_id, seed = self.now(), str(uuid.uuid4()), self.draw_seed()
        outcome = self._measure(target, round_id, seed)
        weighed = [self._weigh_edits(target, outcome), *self._weigh_corrections(target, outcome)]
        moved = [it for it in weighed if it is not None]
        done = RoundDone(
            id=round_id,
            at=self.now(),
            target=target.name,
            started_at=started_at,
            seed=seed,
            compared=sum(it.comparison is not None for it in outcome.compared),
            flagged=sum(_flagged(it) for it in outcome.compared),
            judged=sum(it.verdict.reason is None for it in outcome.judged),
            unmeasured=sum(it.reason is not None for it in outcome.compared)
            + sum(it.verdict.reason is not None for it in outcome.judged),
        )
        report = RoundReport(
            done=done,
            compared=tuple(outcome.compared),
            judged=tuple(outcome.judged),
            streams=tuple(it.stream for it in moved),
            findings=tuple(it.finding for it in moved if it.finding is not None),
            recoveries=tuple(it.recovery for it in moved if it.recovery is not None),
        )
        decisions: list[Decision] = [*report.compared, *report.judged]
        decisions += [Weighed(at=done.at, stream=it) for it in report.streams]
        self.desk.report([*decisions, done], report.findings, report.recoveries)
        return report

    def _measure(self, target: Target, round_id: str, seed: int) -> "_Outcome":
        baseline = self._edit_baseline(target)
        tau = 0.0 if baseline is None or baseline.tau is None else baseline.tau
        count = 0 if baseline is None else target.questions_per_round
        plan = Plan(
            id=round_id,
            seed=seed,
            questions=self.questions.draw(seed, count),
            cases=cases_of(target.probes, seed),
            ask_direct=target.direct is not None,
        )
        compared, judged = self.measuring.measure(target, plan, tau=tau)
        stream = self.ledger.stream(rules.EDITED, target.name)
        if baseline is not None and not stream.alarmed:
            compared += self._re_ask(target, plan, stream, baseline, compared)
        return _Outcome(compared=compared, judged=judged, baseline=baseline)

    def _re_ask(
        self, target: Target, plan: Plan, stream: Stream, baseline: Baseline, compared: Sequence[Compared]
    ) -> list[Compared]:
        """After a flagged reply, ask fresh questions at once, until the evidence decides or a batch is clean."""
        more: list[Compared] = []
        batch = list(compared)
        for _ in range(_MOST_RE_ASKS):
            for it in batch:
                stream = _weigh(target, stream, baseline, it)
            if stream.alarmed or not any(_flagged(it) for it in batch):
                break
            seed = self.draw_seed()
            fresh = replace(plan, seed=seed, questions=self.questions.draw(seed, target.questions_per_round), cases=())
            batch, _ = self.measuring.measure(target, fresh, tau=baseline.tau or 0.0)
            more += batch
        return more

    def _weigh_edits(self, target: Target, outcome: "_Outcome") -> "_Weighed | None":
        measured = [it for it in outcome.compared if it.comparison is not None]
        if outcome.baseline is None or not measured:
            return None
        before = self.ledger.stream(rules.EDITED, target.name)
        stream = before
        for it in measured:
            stream = _weigh(target, stream, outcome.baseline, it)
        hit = any(_flagged(it) for it in measured)
        finding = None
        if stream.alarmed and hit:
            promise = target.evidence.promise(stream, outcome.baseline)
            finding = rules.edited_finding(target.name, stream, measured, promise=promise, at=self.now())
        return self._settle(before, stream, hit, finding)

    def _weigh_corrections(self, target: Target, outcome: "_Outcome") -> list["_Weighed"]:
        weighed = []
        for (family, channel), graded in rules.corrections(outcome.judged).items():
            rule, subject = rules.correction_rule(family), rules.correction_subject(target.name, channel)
            baseline = self.ledger.baseline(rule, subject)
            if baseline is None:
                continue
            before = self.ledger.stream(rule, subject)
            stream = before
            for it, resisted in graded:
                stream = target.evidence.weigh(stream, baseline, hit=resisted, at=it.at)
            resisting = [it for it, resisted in graded if resisted]
            finding = None
            if stream.alarmed and resisting:
                promise = target.evidence.promise(stream, baseline)
                finding = rules.correction_finding(family, stream, resisting, promise=promise, at=self.now())
            weighed.append(self._settle(before, stream, bool(resisting), finding))
        return weighed

    def _settle(self, before: Stream, stream: Stream, hit: bool, finding: Finding | None) -> "_Weighed":
        """Count clean rounds after an alarm; enough of them are a recovery and arm the stream again."""
        if not before.alarmed:
            return _Weighed(stream=stream, finding=finding)
        stream = replace(stream, clean=0 if hit else before.clean + 1)
        if stream.clean < CLEAN_ROUNDS:
            return _Weighed(stream=stream, finding=finding)
        recovery = Recovery(rule=stream.rule, subject=stream.subject, by=RECOVERY, seen_at=self.now())
        return _Weighed(stream=stream.rearmed(), recovery=recovery)

    def _edit_baseline(self, target: Target) -> Baseline | None:
        """Return what the comparison is held against; None when this target cannot be compared at all."""
        if target.comparator is None:
            return None
        baseline = self.ledger.baseline(rules.EDITED, target.name)
        enrol = f"run `corrigibility-watchdog baseline --target {target.name}` while you trust the delivered channel"
        if baseline is None:
            raise ConfigError(f"{target.name}: the target was not enrolled yet", hint=enrol)
        if baseline.model != target.comparator.digest:
            raise ConfigError(
                f"{target.name}: the target was enrolled with other weights than the direct channel has now",
                hint=f"find out who changed the weights; then {enrol}",
            )
        return baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    compared: list[Compared]
    judged: list[Judged]
    baseline: Baseline | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    stream: Stream
    finding: Finding | None = None
    recovery: Recovery | None = None


def _flagged(it: Compared) -> bool:
    return it.comparison is not None and it.comparison.flagged


def _weigh(target: Target, stream: Stream, baseline: Baseline, it: Compared) -> Stream:
    if it.comparison is None:
        return stream
    return target.evidence.weigh(stream, baseline, hit=it.comparison.flagged, at=it.at)
