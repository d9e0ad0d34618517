"""What a configuration sends through each channel, in requests and tokens: before the first request is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from watchdog import budget
from watchdog.config.model import KindSection, TargetSettings
from watchdog.domain.evidence import ENROLLED_CORRECTIONS, ENROLLED_QUESTIONS
from watchdog.domain.exchanges import ChannelRole, Message
from watchdog.measuring import request_of
from watchdog.ports import Probe, Questions

_SAMPLE = 12
"""Seeds whose prompts are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What is sent through one channel."""

    channel: ChannelRole
    local: bool
    """Whether it is asked on this machine, and costs time only."""
    requests: float
    tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Reckons what targets cost."""

    questions: Questions
    tool_questions: Questions

    def a_day(self, settings: TargetSettings[KindSection], probes: Sequence[Probe]) -> tuple[Spending, ...]:
        """Return what a day's rounds send."""
        rounds = timedelta(days=1) / settings.every
        return self._spending(
            settings,
            probes,
            questions=rounds * settings.questions_per_round,
            calls=rounds * settings.tool_questions_per_round,
            cases=rounds,
        )

    def enrolment(self, settings: TargetSettings[KindSection], probes: Sequence[Probe]) -> tuple[Spending, ...]:
        """Return what an enrolment sends."""
        share = settings.tool_questions_per_round / settings.questions_per_round
        return self._spending(
            settings,
            probes,
            questions=ENROLLED_QUESTIONS,
            calls=ENROLLED_QUESTIONS * share,
            cases=ENROLLED_CORRECTIONS,
        )

    def _spending(
        self,
        settings: TargetSettings[KindSection],
        probes: Sequence[Probe],
        *,
        questions: float,
        calls: float,
        cases: float,
    ) -> tuple[Spending, ...]:
        """Return what so many questions, questions about tools and cases of each probe come to, channel by channel."""
        asked = questions if settings.scoring else 0
        requests = asked + cases * sum(len(probe.arms) for probe in probes)
        tokens = asked * self._question(settings) + cases * sum(_probe(probe) for probe in probes)
        return tuple(
            Spending(
                channel=role,
                local=_is_local(settings, role),
                requests=requests + called,
                tokens=tokens + called * self._call(),
            )
            for role in settings.roles
            for called in [calls if role in settings.calling else 0]
        )

    def _call(self) -> float:
        """Return the tokens of a question about a tool, and of its reply."""
        drawn = [request_of(it, 1) for seed in range(_SAMPLE) for it in self.tool_questions.draw(seed, 1)]
        return sum(it.max_tokens + budget.estimated(it) for it in drawn) / len(drawn)

    def _question(self, settings: TargetSettings[KindSection]) -> float:
        drawn = [question for seed in range(_SAMPLE) for question in self.questions.draw(seed, 1)]
        return settings.reply_tokens + sum(len(it.text) for it in drawn) / len(drawn) / budget.CHARACTERS_A_TOKEN


def _probe(probe: Probe) -> float:
    """Return the tokens of one case of every arm of a probe."""
    cases = [probe.render(arm, seed) for seed in range(_SAMPLE) for arm in probe.arms]
    return sum(it.request.max_tokens + _size(it.request.messages) for it in cases) / _SAMPLE


def _size(messages: Sequence[Message]) -> float:
    return sum(len(it.text) for it in messages) / budget.CHARACTERS_A_TOKEN


def _is_local(settings: TargetSettings[KindSection], role: ChannelRole) -> bool:
    section = {ChannelRole.DIRECT: settings.direct, ChannelRole.REFERENCE: settings.reference}.get(role)
    return section is not None and section.local
