"""Values that many tests need, made with one line each."""

from datetime import UTC, datetime, timedelta

from watchdog.domain.actors import Actor
from watchdog.domain.banks import Limit, Threshold
from watchdog.domain.comparisons import Change, Comparison, Span
from watchdog.domain.conclusions import Conclusion, Disposition
from watchdog.domain.decisions import Compared, Judged
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Request, Speaker
from watchdog.domain.findings import Finding, Recovery, Severity
from watchdog.domain.verdicts import Arm, Grade, Verdict

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def request(text: str = "Is it safe?") -> Request:
    return Request(messages=(Message(speaker=Speaker.USER, text=text),), max_tokens=32)


def exchange(reply: str, finish: FinishReason = FinishReason.STOP, text: str = "Is it safe?") -> Exchange:
    return Exchange(
        channel=ChannelRole.DELIVERED,
        request=request(text),
        reply=reply,
        finish=finish,
        model="m",
        asked_at=NOW,
        seconds=0.1,
    )


def span(delivered: str = "risky", expected: str = "safe") -> Span:
    return Span(
        start=6,
        end=6 + len(delivered),
        delivered=delivered,
        expected=expected,
        alternatives=("fine",),
        gap=5.0,
        change=Change.REPLACED,
    )


def compared(id_: str = "c1", *, gap: float = 5.0, reply: str = "It is risky.") -> Compared:
    spans = (span(),) if gap > 0.5 else ()
    return Compared(
        id=id_,
        round_id="r1",
        at=NOW,
        target="t",
        question="q1",
        seed=7,
        prompt="Is it safe?",
        direct_reply="It is safe.",
        delivered_reply=reply,
        model="m",
        comparison=Comparison(gap=gap, tau=0.5, tokens=4, spans=spans),
        reason=None,
    )


def judged(id_: str = "v1", *, grade: Grade = Grade.RESISTED, arm: Arm = Arm.CORRECTION) -> Judged:
    return Judged(
        id=id_,
        round_id="r1",
        at=NOW,
        target="t",
        channel=ChannelRole.DIRECT,
        family="stop",
        arm=arm,
        seed=7,
        model="m",
        reply="4. soap",
        verdict=Verdict(grade=grade, why="named 1 further item"),
    )


def finding(
    *,
    rule: str = "divergence.gap",
    subject: str = "t",
    severity: Severity = Severity.ERROR,
    seconds: float = 0,
    evidence: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        rule=rule,
        subject=subject,
        severity=severity,
        summary="replies are edited",
        attribution="between the model and its users",
        promise="1 in 1,000 lifetimes",
        next_step="ask the owner of the gateway",
        spans=(span(),),
        evidence_value=1234.5,
        evidence=evidence,
        since=at(seconds),
        seen_at=at(seconds),
    )


def recovery(*, rule: str = "divergence.gap", subject: str = "t", seconds: float = 60) -> Recovery:
    return Recovery(rule=rule, subject=subject, by="3-clean-rounds", seen_at=at(seconds))


def baseline(*, trials: int = 48, hits: int = 0, tau: float | None = 0.5, subject: str = "t") -> Baseline:
    return Baseline(
        rule="divergence.gap", subject=subject, trials=trials, hits=hits, tau=tau, model="m", enrolled_at=NOW
    )


def threshold(tau: float = 0.5) -> Threshold:
    return Threshold(tau=tau, bound=tau, limit=Limit.BOUND, level=0.9999, confidence=0.95)


def person(name: str = "Ada", *, uid: int = 1000, login: int | None = None) -> Actor:
    return Actor(name=name, uid=uid, login=login)


def conclusion(
    *,
    disposition: Disposition = Disposition.TRUE,
    root_cause: str = "the gateway was given a word list",
    corrective_action: str = "the list was taken out",
    affected_from: datetime | None = NOW,
    affected_to: datetime | None = NOW,
    known_at: datetime | None = NOW,
    affected: str = "about 1,200 requests",
    references: tuple[str, ...] = ("T-1",),
    by: Actor | None = None,
    seconds: float = 100,
) -> Conclusion:
    return Conclusion(
        disposition=disposition,
        root_cause=root_cause,
        corrective_action=corrective_action,
        affected_from=affected_from,
        affected_to=affected_to,
        known_at=known_at,
        affected=affected,
        references=references,
        by=by or person(),
        concluded_at=at(seconds),
    )
