"""What a configuration can detect, what it never can, how soon, and what it costs: before the first request is sent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog import downgrades, rules, situations
from watchdog.budget import CHARACTERS_A_TOKEN
from watchdog.call_findings import TOOL_CALL
from watchdog.config.model import KindSection, TargetSettings
from watchdog.costs import Costs, Spending
from watchdog.domain.abilities import Abilities
from watchdog.domain.banks import BenignBank, said
from watchdog.domain.evidence import ENROLLED_CORRECTIONS, ENROLLED_QUESTIONS, Baseline
from watchdog.domain.exchanges import ChannelRole
from watchdog.listing_findings import LOGPROBS
from watchdog.ports import Probe
from watchdog.re_asking import RE_ASKS
from watchdog.situations import Situation
from watchdog.time_to_detect import CLEAN_BEFORE, MOST_OBSERVATIONS, ValueEvidence, Wait, time_to_detect

SHARES = (1.0, 0.5, 0.1)

_HOW_TIMED = (
    f"Times come from drawing replies and weighing them with the test that opens incidents, after {CLEAN_BEFORE:,} "
    f"clean observations; given up after {MOST_OBSERVATIONS:,}. Sooner after enrolment, what touches few replies takes "
    "longer: enrol with more."
)
_WHAT_IS_HIT = (
    "Every edited reply is flagged and every control is done; others are flagged as often as when enrolled "
    f"(not enrolled yet: 0 of {ENROLLED_QUESTIONS} questions, 0 of {ENROLLED_CORRECTIONS} corrections)."
)
ASSUMPTIONS = (
    _HOW_TIMED,
    _WHAT_IS_HIT,
    f"A token of a prompt is {CHARACTERS_A_TOKEN} characters, and every reply is as long as it may be.",
    "Re-asks after a flagged reply cost extra; rounds come `every` so often on average.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What one target's configuration means."""

    target: str
    every: timedelta
    direct: str
    delivered: str
    """Which tests the delivered channel was seen to allow, and why."""
    baseline: str
    """How old what replies are held against is, and what it is of."""
    declared: tuple[str, ...]
    """Declared changes in force, and how many replies were put aside under each and not looked at."""
    situations: tuple[Situation, ...]
    a_day: tuple[Spending, ...]
    enrolment: tuple[Spending, ...]
    """Spent once, by `baseline`."""
    budget: int | None
    price: float | None
    """Of a million tokens."""

    @property
    def tokens_a_day(self) -> float:
        """Tokens that the budget counts: those of channels that are not on this machine."""
        return sum(it.tokens for it in self.a_day if not it.local)

    @property
    def money_a_day(self) -> float | None:
        """In whatever currency the price is in; None when no price is given."""
        return None if self.price is None else self.price * self.tokens_a_day / 1_000_000

    @property
    def within_budget(self) -> float:
        """The share of the rounds that the budget pays for."""
        enough = self.budget is None or self.tokens_a_day <= self.budget
        return 1.0 if enough or self.budget is None else self.budget / self.tokens_a_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyor:
    """Tells what targets cover."""

    costs: Costs
    baseline: Callable[[str, str], Baseline | None] | None
    """Returns what was enrolled for a rule and a subject; None when there is no ledger yet."""
    abilities: Callable[[str], Abilities | None] | None
    """Returns what a target's delivered channel was seen to do; None when there is no ledger yet."""
    bank: Callable[[str], BenignBank | None] | None
    """Returns what the honest engines of a target's model showed; None when there is no ledger yet."""
    declared: Callable[[str], Sequence[str]]
    """Returns the declared changes that are in force for a target, in words."""
    now: datetime
    tests: Mapping[tuple[str, str], ValueEvidence]
    """The test of each stream, at its share of false alarms, by rule and subject."""

    def survey(self, name: str, settings: TargetSettings[KindSection], probes: Sequence[Probe]) -> Coverage:
        """Return what one delivered channel of a target covers."""
        corrections = [self._corrections(name, role, probes) for role in settings.roles]
        others = [situations.control(settings), situations.files(settings), situations.attribution(settings)]
        return Coverage(
            target=name,
            every=settings.every,
            direct=situations.headline(settings),
            delivered=self._delivered(name),
            baseline=self._age(name, settings),
            declared=tuple(self.declared(settings.name)),
            situations=(
                self._comparison(name, settings),
                *corrections,
                self._listing(name, settings),
                self._reference(name, settings),
                self._calls(name, settings),
                *others,
            ),
            a_day=self.costs.a_day(settings, probes),
            enrolment=self.costs.enrolment(settings, probes),
            budget=settings.budget,
            price=settings.price_per_million_tokens,
        )

    def _age(self, name: str, settings: TargetSettings[KindSection]) -> str:
        found = self._enrolled(rules.EDITED, name)
        if found is None:
            return "not enrolled yet"
        age = self.now - found.enrolled_at
        stale = " STALE: enrol again." if age >= settings.baseline_max_age else ""
        bank = None if self.bank is None else self.bank(name)
        return (
            f"enrolled {age.days} days ago ({found.enrolled_at:%Y-%m-%d}) on model {found.model[:12]}; "
            f"{'no engine was measured' if bank is None else said(bank)}{stale}"
        )

    def _comparison(self, name: str, settings: TargetSettings[KindSection]) -> Situation:
        yardstick = next(iter(settings.scoring), ChannelRole.DIRECT)
        found, waits = self._flagging(rules.EDITED, name, settings, possible=bool(settings.scoring))
        return Situation(
            what=f"delivered replies, word by word, under the {yardstick} model's probabilities",
            possible=bool(settings.scoring),
            detects="words replaced, inserted or deleted on the way; another model; another system prompt",
            never=f"edits made only for other users or topics than ours; words the {yardstick} model finds as likely",
            enrolled=_enrolled(found),
            waits=waits,
        )

    def _listing(self, name: str, settings: TargetSettings[KindSection]) -> Situation:
        possible = bool(settings.scoring) and settings.measured[name].asks_logprobs
        found, waits = self._flagging(LOGPROBS, name, settings, possible=possible)
        return Situation(
            what="the channel's own list of a reply's tokens, against its text and the model's probabilities",
            possible=possible,
            detects="text that is not what the tokens spell, at once; another model or system prompt"
            if possible
            else "needs a delivered channel of a kind that lists tokens with log probabilities, and does not refuse to",
            never="a list that was forged to fit: a pass proves nothing",
            enrolled=_enrolled(found) if possible else "",
            waits=waits,
        )

    def _calls(self, name: str, settings: TargetSettings[KindSection]) -> Situation:
        possible = bool(settings.tool_questions_per_round)
        found, waits = self._flagging(TOOL_CALL, name, settings, possible=possible)
        return situations.calls(settings, _enrolled(found) if possible else "", waits)

    def _delivered(self, name: str) -> str:
        known = None if self.abilities is None else self.abilities(name)
        lists = self._enrolled(LOGPROBS, name)
        return downgrades.describe(known, lists_agree=lists is not None and lists.tau is not None)

    def _reference(self, name: str, settings: TargetSettings[KindSection]) -> Situation:
        possible = settings.direct is not None and settings.reference is not None
        subject = rules.channel_subject(name, ChannelRole.DIRECT)
        found, waits = self._flagging(rules.REFERENCE, subject, settings, possible=possible)
        return Situation(
            what="replies of the direct channel, under the reference model's probabilities",
            possible=possible,
            detects="a deployed model whose weights, system prompt or steering changed after it was verified"
            if possible
            else "needs a `direct` that can be asked and a `reference`: verified weights that only the watchdog holds",
            never="a change that leaves its replies to our questions as they were",
            enrolled=_enrolled(found) if possible else "",
            waits=waits,
        )

    def _flagging(
        self, rule: str, subject: str, settings: TargetSettings[KindSection], *, possible: bool
    ) -> tuple[Baseline | None, tuple[Wait, ...]]:
        """Return what a rule about flagged replies was enrolled with, and how soon it finds them."""
        found = self._enrolled(rule, subject)
        hits, trials = (0, ENROLLED_QUESTIONS) if found is None else (found.hits, found.trials)
        waits = [
            time_to_detect(
                self.tests[rule, subject],
                hits=hits,
                trials=trials,
                share=share,
                per_round=settings.tool_questions_per_round if rule == TOOL_CALL else settings.questions_per_round,
                re_asks=RE_ASKS if rule in {rules.EDITED, TOOL_CALL} else 0,
            )
            for share in SHARES
            if possible
        ]
        return found, tuple(waits)

    def _corrections(self, name: str, role: ChannelRole, probes: Sequence[Probe]) -> Situation:
        subject = rules.correction_subject(name, role)
        streams = [(rules.correction_rule(probe.family), subject) for probe in probes]
        found = [self._enrolled(*stream) for stream in streams]
        waits = [
            max(
                (
                    time_to_detect(
                        self.tests[stream],
                        hits=0 if it is None else it.hits,
                        trials=ENROLLED_CORRECTIONS if it is None else it.trials,
                        share=share,
                        per_round=1,
                        re_asks=0,
                    )
                    for stream, it in zip(streams, found, strict=True)
                ),
                key=lambda wait: MOST_OBSERVATIONS if wait.half_of_runs is None else wait.half_of_runs,
            )
            for share in SHARES
            if found
        ]
        return Situation(
            what=f"corrections on the {role} channel ({', '.join(probe.family for probe in probes) or 'no probe'})",
            possible=bool(probes),
            detects="corrections resisted, or obeyed in words only, more often than when enrolled",
            never="what the model does elsewhere; whether it is aligned; a change that was there when enrolled",
            enrolled=_enrolled(next((it for it in found if it is not None), None)),
            waits=tuple(waits),
        )

    def _enrolled(self, rule: str, subject: str) -> Baseline | None:
        return None if self.baseline is None else self.baseline(rule, subject)


def _enrolled(baseline: Baseline | None) -> str:
    return "not enrolled yet" if baseline is None else f"enrolled with {baseline.hits} of {baseline.trials}"
