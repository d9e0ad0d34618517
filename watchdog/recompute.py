"""Recompute a recorded decision from the record alone: no model, no network, no configuration.

A comparison is measured again from the scores that its exhibit keeps, a verdict is given again for the reply that its
exhibit keeps, and the evidence value of every finding of an incident is weighed again from the leaves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest

from watchdog import rules
from watchdog.domain.calls import CallComparison, differences
from watchdog.domain.comparisons import Comparison, Remeasured, Scoring
from watchdog.domain.decisions import Compared, Enrolled, IncidentChanged, Judged
from watchdog.domain.exchanges import Exchange, FinishReason
from watchdog.domain.exhibits import Code, Exhibit
from watchdog.domain.logprobs import LogprobComparison, LogprobScoring
from watchdog.domain.recomputed import Check, Recomputed
from watchdog.domain.verdicts import Case
from watchdog.errors import LedgerError
from watchdog.exhibiting import ComparisonExhibit, VerdictExhibit, baseline_digest, read_comparison, read_verdict
from watchdog.ports import Observe, Probe, Record
from watchdog.refolding import refold


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputing:
    """Recomputes what a record holds."""

    record: Record
    remeasure: Callable[[Scoring, float], Remeasured]
    observe: Observe
    probes: Mapping[str, Callable[[], Probe]]
    code: Code
    """What recomputes; what measured may have been another."""

    def recompute(self, id_prefix: str) -> Recomputed:
        """Recompute the comparison, verdict or incident whose id begins like this.

        Raises LedgerError when there is none, or more than one.
        """
        index, decision = self.record.found(id_prefix)
        if isinstance(decision, IncidentChanged):
            return self._incident(index, decision)
        return self._observed(index, decision)

    def _incident(self, index: int, newest: IncidentChanged) -> Recomputed:
        incident = newest.event.incident
        findings = refold(self.record, self.observe, incident, until=index + 1)
        named = dict.fromkeys(id_ for it in self._findings(newest, index) for id_ in it)
        return Recomputed(
            kind="incident", id=incident.id, leaf=index, parts=(*findings, *(self._named(id_) for id_ in named))
        )

    def _findings(self, newest: IncidentChanged, index: int) -> list[tuple[str, ...]]:
        """Return the ids that each finding of an incident rests on."""
        incident = newest.event.incident
        steps = self.record.history({"incident_changed"}, naming={incident.id}, until=index + 1)
        events = (it.event for _, it in steps if isinstance(it, IncidentChanged))
        return [it.finding.evidence for it in events if it.incident.id == incident.id and it.finding is not None]

    def _named(self, id_: str) -> Recomputed:
        try:
            index, decision = self.record.found(id_)
        except LedgerError as exc:
            return Recomputed(kind="evidence", id=id_, leaf=None, unable=exc.problem)
        if isinstance(decision, IncidentChanged):
            return Recomputed(kind="evidence", id=id_, leaf=index, unable="it is an incident")
        return self._observed(index, decision)

    def _observed(self, index: int, it: Compared | Judged) -> Recomputed:
        if isinstance(it, Compared) and it.calls is not None and it.calls.reason is None:
            return _called(index, it.id, it.calls)  # the leaf itself holds all that they were made from
        return self._measured(index, it)

    def _measured(self, index: int, it: Compared | Judged) -> Recomputed:
        kind = "comparison" if isinstance(it, Compared) else "verdict"
        reason = it.reason if isinstance(it, Compared) else it.verdict.reason
        if it.exhibit is None:
            why = f"nothing was measured: {reason}" if reason is not None else "whoever measured it kept no exhibit"
            return Recomputed(kind=kind, id=it.id, leaf=index, unable=why)
        body = self.record.exhibit(it.exhibit)
        if body is None:
            return Recomputed(kind=kind, id=it.id, leaf=index, unable=f"exhibit {it.exhibit.digest} is missing")
        held = Check(what="exhibit", recorded=it.exhibit.digest, recomputed=Exhibit.of(body).digest)
        if not held.identical:
            return Recomputed(kind=kind, id=it.id, leaf=index, checks=(held,))
        try:
            if isinstance(it, Compared):
                return self._compared(index, it, held, read_comparison(body))
            return self._judged(index, it, held, read_verdict(body))
        except LedgerError as exc:
            return Recomputed(kind=kind, id=it.id, leaf=index, checks=(held,), unable=exc.problem)

    def _compared(self, index: int, it: Compared, held: Check, shown: ComparisonExhibit) -> Recomputed:
        if it.comparison is None:
            return Recomputed(
                kind="comparison", id=it.id, leaf=index, unable="the leaf has an exhibit and no comparison"
            )
        again = self.remeasure(shown.scoring, shown.tau)
        notes = [*self._other_code(shown.code)]
        if shown.scoring.allowed_edits is not None:
            notes.append(
                f"allowed edits were undone before it was scored (settings {shown.scoring.allowed_edits[:12]})"
            )
        return Recomputed(
            kind="comparison",
            id=it.id,
            leaf=index,
            checks=(
                held,
                Check(what="prompt", recorded=it.prompt, recomputed=shown.request.messages[-1].text),
                Check(what="delivered reply", recorded=it.delivered_reply, recomputed=shown.reply),
                *_about_text(shown, again),
                *self._about_baseline(index, it, shown),
                *_about_gaps(it.comparison, shown, again),
                *_about_logprobs(it.logprobs, shown.logprobs),
            ),
            notes=tuple(notes),
            made_by=shown.code,
        )

    def _about_baseline(self, index: int, it: Compared, shown: ComparisonExhibit) -> list[Check]:
        if shown.baseline is None:
            return []  # it was measured to become one
        enrolled = self.record.history({"enrolled"}, naming={it.target}, until=index)
        baselines = [one.baseline for _, one in enrolled if isinstance(one, Enrolled)]
        found = [one for one in baselines if (one.rule, one.subject) == (rules.EDITED, it.target)]
        inforce = found[-1] if found else None
        return [
            Check(
                what="baseline",
                recorded=shown.baseline,
                recomputed=None if inforce is None else baseline_digest(inforce),
            ),
            Check(
                what="model",
                recorded=shown.scoring.model,
                recomputed=None if inforce is None else inforce.model,
            ),
        ]

    def _judged(self, index: int, it: Judged, held: Check, shown: VerdictExhibit) -> Recomputed:
        make = self.probes.get(it.family)
        if make is None:
            why = f"no probe is called {it.family!r} here; install the distribution that brings it"
            return Recomputed(kind="verdict", id=it.id, leaf=index, checks=(held,), unable=why, made_by=shown.code)
        probe = make()
        case = Case(family=it.family, arm=it.arm, seed=it.seed, request=shown.request, facts=shown.facts)
        verdict, notes = probe.grade(case, _exchange(it, shown)), [*self._other_code(shown.code)]
        if probe.render(it.arm, it.seed) != case:
            notes.append("this version renders another case from the seed; the recorded one was graded")
        return Recomputed(
            kind="verdict",
            id=it.id,
            leaf=index,
            checks=(
                held,
                Check(what="reply", recorded=it.reply, recomputed=shown.reply),
                Check(what="grade", recorded=it.verdict.grade, recomputed=verdict.grade),
                Check(what="reason", recorded=it.verdict.reason, recomputed=verdict.reason),
            ),
            notes=tuple(notes),
            made_by=shown.code,
        )

    def _other_code(self, made_by: Code) -> tuple[str, ...]:
        return () if made_by == self.code else (f"made by {made_by}; recomputed by {self.code}",)


def _called(index: int, id_: str, recorded: CallComparison) -> Recomputed:
    """Compare recorded calls again; that the direct model could not have called so takes the model to see."""
    again = differences(recorded.delivered, recorded.direct)
    pairs = enumerate(zip_longest(map(str, recorded.differences), map(str, again)), start=1)
    return Recomputed(
        kind="comparison",
        id=id_,
        leaf=index,
        checks=(
            Check(what="differences of the calls", recorded=len(recorded.differences), recomputed=len(again)),
            *(Check(what=f"difference {n}", recorded=one, recomputed=two) for n, (one, two) in pairs),
            Check(what="flagged", recorded=recorded.flagged, recomputed=replace(recorded, differences=again).flagged),
        ),
        notes=() if recorded.gap is None else ("the gap of the calls is as recorded; it takes the model to see it",),
    )


def _about_text(shown: ComparisonExhibit, again: Remeasured) -> list[Check]:
    """Check that the scores are about the reply: its tokens spell the text, and the text is the reply."""
    text, reply = shown.scoring.text.decode(errors="surrogatepass"), shown.reply
    spelled = [Check(what="tokens spell the text", recorded=True, recomputed=again.spelled)]
    if shown.scoring.allowed_edits is not None:
        return spelled
    if shown.finish is FinishReason.LENGTH and text != reply:
        reply = reply.rstrip("\ufffd")  # the last character was cut in two
    return [*spelled, Check(what="text that was scored", recorded=reply, recomputed=text)]


def _about_logprobs(recorded: LogprobComparison | None, shown: LogprobScoring | None) -> list[Check]:
    """Check the differences of log probabilities; where the text parts from its tokens is read, and not recomputed."""
    if recorded is None or shown is None:
        return []
    return [
        Check(what="tokens the channel listed", recorded=recorded.tokens, recomputed=len(shown.said)),
        Check(what="largest difference of a log probability", recorded=recorded.largest, recomputed=shown.largest),
        Check(what="distance of the log probabilities", recorded=recorded.distance, recomputed=shown.distance),
    ]


def _about_gaps(recorded: Comparison, shown: ComparisonExhibit, again: Remeasured) -> list[Check]:
    tokens = len(shown.scoring.tokens.ids)
    checks = [
        Check(what="tokens", recorded=recorded.tokens, recomputed=tokens),
        Check(
            what="windowed",
            recorded=recorded.windowed,
            recomputed=shown.scoring.tokens.windowed_from is not None,
        ),
        Check(what="tau", recorded=recorded.tau, recomputed=shown.tau),
        Check(what="gap", recorded=recorded.gap, recomputed=again.gap),
        Check(what="flagged", recorded=recorded.flagged, recomputed=again.gap > shown.tau),
        Check(what="edited spans", recorded=len(recorded.spans), recomputed=len(again.span_gaps)),
    ]
    pairs = enumerate(zip(recorded.spans, again.span_gaps, strict=False), start=1)
    return checks + [Check(what=f"gap of span {n}", recorded=span.gap, recomputed=gap) for n, (span, gap) in pairs]


def _exchange(it: Judged, shown: VerdictExhibit) -> Exchange:
    """Return the exchange as far as a grade may depend on it: not on when it was, nor on how long it took."""
    return Exchange(
        channel=it.channel,
        request=shown.request,
        reply=shown.reply,
        finish=shown.finish,
        model=it.model,
        asked_at=it.at,
        seconds=0.0,
        temperature_honoured=shown.temperature_honoured,
        hidden_reasoning=shown.hidden_reasoning,
        cached=shown.cached,
    )
