"""Ask on every channel, and turn what came back into comparisons and verdicts."""

import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from queue import SimpleQueue
from threading import Event

from watchdog import budget
from watchdog.domain.comparisons import Examined, SideCheck
from watchdog.domain.decisions import Compared, Judged, RoundDone
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Reason, Request, Speaker
from watchdog.domain.exhibits import Code
from watchdog.domain.text import printable
from watchdog.domain.verdicts import Case, Grade, Question, Verdict
from watchdog.errors import ChannelError
from watchdog.exhibiting import comparison_exhibit, verdict_exhibit
from watchdog.looking import Answer, Look, look, look_at_calls, side_check
from watchdog.ports import Channel, Clock, Probe
from watchdog.provenance import running_code
from watchdog.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one sitting sends."""

    id: str
    seed: int
    questions: tuple[Question, ...]
    cases: tuple[tuple[Probe, Case], ...]
    ask_direct: bool
    """Whether questions go to our own channels too: for the controls, and the view side by side."""
    ask_logprobs: bool = False
    """Whether the delivered channel is asked to list the tokens of its replies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a plan."""

    compared: list[Compared]
    judged: list[Judged]
    tokens: int
    """What it cost on the channels that cost tokens."""


_CALL_TOKENS = 128
"""What a call may have at least: one that is cut off says nothing."""

_Leg = tuple[ChannelRole, str]
"""A channel, and the key of what it was asked."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """Carries out a plan. One request at a time per channel; the channels work at the same time."""

    now: Clock
    tick: Callable[[], None] = field(default=lambda: None)
    """Called after every exchange, for a progress display."""
    apart_s: float = 0.0
    """The longest that one channel waits after the other began, so that the two legs of a question lie apart."""
    code: Code = field(default_factory=running_code)
    """What every exhibit names as the code that it was made with."""

    def measure(
        self,
        target: Target,
        plan: Plan,
        *,
        tau: float,
        baseline: Baseline | None = None,
        reference_tau: float = 0.0,
        logprob_tau: float | None = None,
    ) -> Measured:
        """Ask everything in the plan and judge the answers; failures become named reasons, never replies.

        `baseline` is what the comparisons will be held against, if there is one already; `reference_tau` is the
        threshold under the reference, where that one is not the yardstick, `logprob_tau` that of log probabilities.
        """
        requests = {it.id: request_of(it, target.reply_tokens) for it in plan.questions}
        worded = {key for key, it in requests.items() if not it.tools}
        jobs = {it.role: _queue(target, it.role, plan, requests) for it in target.channels}
        asked = {(role, key): request for role, queue in jobs.items() for key, request in queue}
        answers: dict[_Leg, Answer] = {}
        looks: dict[str, Look] = {}
        sides: dict[str, list[SideCheck]] = {key: [] for key in requests}
        for leg, answer in self._ask_all(target.channels, jobs, head_starts(target.channels, plan.seed)):
            answers[leg] = answer
            role, key = leg
            # Scored while the channels go on answering: it is the direct model's idle time that is used.
            if role is ChannelRole.DELIVERED and key in worded:
                looks[key] = look(target, requests[key], answer, tau, logprob_tau)
            elif key in worded:
                of_role = (it for it in target.sides if it.of is role)
                limits = ((it, tau if it.under is target.yardstick else reference_tau) for it in of_role)
                sides[key] += [side_check(target, it, requests[key], answer, limit) for it, limit in limits]
        looks |= _look_at_calls(target, [key for key in requests if key not in worded], answers, tau)
        compared = [
            self._compared(target, plan, it, looks[it.id], answers, baseline, tuple(sides[it.id]))
            for it in plan.questions
        ]
        judged = [
            self._judge(target, plan, probe, case, answers[channel.role, _key(case)], channel.role)
            for probe, case in plan.cases
            for channel in target.channels
        ]
        tokens = sum(budget.used(asked[leg], answer) for leg, answer in answers.items() if leg[0] in target.hosts)
        return Measured(compared=compared, judged=judged, tokens=tokens)

    def _ask_all(
        self,
        channels: Sequence[Channel],
        jobs: Mapping[ChannelRole, Sequence[tuple[str, Request]]],
        waits: Mapping[ChannelRole, float],
    ) -> Iterator[tuple[_Leg, Answer]]:
        """Yield answers as they come; one thread for each channel, and no further request once nobody listens."""
        answered: SimpleQueue[tuple[_Leg, Answer] | None] = SimpleQueue()
        abandoned = Event()

        def work(channel: Channel) -> None:
            try:
                abandoned.wait(self.apart_s * waits[channel.role])
                for key, request in jobs[channel.role]:
                    if abandoned.is_set():
                        break
                    answered.put(((channel.role, key), self._ask(channel, request)))
            finally:
                answered.put(None)

        with ThreadPoolExecutor(max_workers=len(channels), thread_name_prefix="leg") as pool:
            workers = [pool.submit(work, channel) for channel in channels]
            try:
                for _ in workers:
                    yield from iter(answered.get, None)
            finally:
                abandoned.set()
            for worker in workers:
                worker.result()

    def _ask(self, channel: Channel, request: Request) -> Answer:
        try:
            return channel.ask(request)
        except ChannelError as exc:
            return exc
        finally:
            self.tick()

    def _compared(
        self,
        target: Target,
        plan: Plan,
        question: Question,
        found: Look,
        answers: Mapping[_Leg, Answer],
        baseline: Baseline | None,
        sides: tuple[SideCheck, ...],
    ) -> Compared:
        examined = found.outcome if isinstance(found.outcome, Examined) else None
        delivered = answers[ChannelRole.DELIVERED, question.id]
        direct = answers.get((ChannelRole.DIRECT, question.id))
        return Compared(
            id=str(uuid.uuid4()),
            round_id=plan.id,
            at=self.now(),
            target=target.name,
            question=question.id,
            seed=question.seed,
            prompt=question.text,
            direct_reply=target.as_delivered(direct.reply) if isinstance(direct, Exchange) else None,
            delivered_reply=delivered.reply if isinstance(delivered, Exchange) else "",
            model=delivered.model if isinstance(delivered, Exchange) else "",
            comparison=None if examined is None else examined.comparison,
            reason=found.outcome if isinstance(found.outcome, Reason) else None,
            exhibit=None
            if examined is None or isinstance(delivered, ChannelError)
            else comparison_exhibit(examined, delivered, found.listed, baseline=baseline, code=self.code),
            sides=sides,
            logprobs=None if found.listed is None else found.listed.comparison,
            calls=found.calls,
        )

    def _judge(self, target: Target, plan: Plan, probe: Probe, case: Case, answer: Answer, role: ChannelRole) -> Judged:
        if isinstance(answer, ChannelError):
            verdict = Verdict(grade=Grade.UNMEASURED, why=answer.problem, reason=answer.reason)
        elif answer.incomparable is Reason.UNASKED_CALL:
            name = printable(answer.tool_calls[0].name, 80)
            why = f"The reply calls {name!r}, and no tool was offered."
            verdict = Verdict(grade=Grade.UNMEASURED, why=why, reason=Reason.UNASKED_CALL)
        else:
            verdict = probe.grade(case, answer)
        return Judged(
            id=str(uuid.uuid4()),
            round_id=plan.id,
            at=self.now(),
            target=target.name,
            channel=role,
            family=case.family,
            arm=case.arm,
            seed=case.seed,
            model="" if isinstance(answer, ChannelError) else answer.model,
            reply="" if isinstance(answer, ChannelError) else answer.reply,
            verdict=verdict,
            exhibit=None
            if isinstance(answer, ChannelError) or verdict.reason is Reason.UNASKED_CALL
            else verdict_exhibit(case, answer, code=self.code),
        )


def cases_of(probes: Sequence[Probe], seed: int) -> tuple[tuple[Probe, Case], ...]:
    """Render every arm of every probe from one seed."""
    return tuple((probe, probe.render(arm, seed)) for probe in probes for arm in probe.arms)


def head_starts(channels: Sequence[Channel], seed: int) -> dict[ChannelRole, float]:
    """Draw which channel begins, and what share of the longest wait each of the others takes."""
    draw = random.Random(f"{seed}/legs")  # noqa: S311 - to be reproduced from the recorded seed
    first, *others = draw.sample([it.role for it in channels], len(channels))
    return {first: 0.0} | {role: draw.uniform(0.2, 1.0) for role in others}


def tally(
    target: Target, plan: Plan, measured: Measured, *, started_at: datetime, at: datetime, enrolment: bool = False
) -> RoundDone:
    """Count what came of a plan."""
    compared, judged = measured.compared, measured.judged
    return RoundDone(
        id=plan.id,
        at=at,
        target=target.name,
        started_at=started_at,
        seed=plan.seed,
        compared=sum(it.dark is None for it in compared),
        flagged=sum(it.flagged for it in compared),
        judged=sum(it.verdict.reason is None for it in judged),
        unmeasured=sum(it.dark is not None for it in compared) + sum(it.verdict.reason is not None for it in judged),
        tokens=measured.tokens,
        enrolment=enrolment,
    )


def request_of(question: Question, max_tokens: int) -> Request:
    """Return what is sent for a question; a reply that is a call may be longer than others."""
    most = max(max_tokens, _CALL_TOKENS) if question.tools else max_tokens
    message = Message(speaker=Speaker.USER, text=question.text)
    return Request(messages=(message,), max_tokens=most, tools=question.tools)


def most_tokens(target: Target, plan: Plan) -> int:
    """Return what a plan can cost at most, on the channels that cost tokens."""
    requests = {it.id: request_of(it, target.reply_tokens) for it in plan.questions}
    return sum(budget.most(request for _, request in _queue(target, role, plan, requests)) for role in target.hosts)


def _queue(target: Target, role: ChannelRole, plan: Plan, requests: dict[str, Request]) -> list[tuple[str, Request]]:
    """Return what one channel is asked, in its own order: so the two legs of a question do not meet."""
    asked = role is ChannelRole.DELIVERED or (plan.ask_direct and role in target.questioned)
    lists = plan.ask_logprobs and role is ChannelRole.DELIVERED
    calls = target.calls is not None and role in {ChannelRole.DELIVERED, target.calls.against}
    queue = [(key, replace(it, logprobs=lists)) for key, it in requests.items() if asked and not it.tools]
    queue += [(key, it) for key, it in requests.items() if calls and it.tools]
    queue += [(_key(case), case.request) for _, case in plan.cases]
    random.Random(f"{plan.seed}/{role}").shuffle(queue)  # noqa: S311 - to be reproduced from the recorded seed
    return queue


def _look_at_calls(
    target: Target, keys: Iterable[str], answers: Mapping[_Leg, Answer], tau: float
) -> Iterator[tuple[str, Look]]:
    """Yield what the replies to questions about tools come to; both channels have been asked by now."""
    if target.calls is not None:
        for key in keys:
            delivered, ours = answers[ChannelRole.DELIVERED, key], answers.get((target.calls.against, key))
            yield key, look_at_calls(target.calls, delivered, ours, tau)


def _key(case: Case) -> str:
    return f"{case.family}/{case.arm}/{case.seed}"
