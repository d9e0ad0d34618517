"""What a round is run on: one deployed model, with the ways to reach it and what is sent to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from watchdog.domain.exchanges import ChannelRole
from watchdog.ports import BenignEngines, CallCheck, Channel, Comparator, Evidence, LogprobCheck, Probe, Questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is compared beside the delivered reply: whose reply, under whose model, and by what."""

    of: ChannelRole
    under: ChannelRole
    comparator: Comparator


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How tool calls are compared."""

    questions: Questions
    """Those that offer tools."""
    per_round: int
    check: CallCheck
    against: ChannelRole
    """Our own channel, whose calls the delivered ones are held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One deployed model, with the ways to reach it and what is sent to it."""

    name: str
    delivered: Channel
    direct: Channel | None
    comparator: Comparator | None
    """None when nothing can score: then replies are only graded, not compared."""
    evidence: Evidence
    """Weighs this target's streams, each at its share of the false incidents that the installation is allowed."""
    probes: tuple[Probe, ...]
    questions_per_round: int
    reply_tokens: int
    """Upper limit of a reply to a question, in tokens."""
    as_delivered: Callable[[str], str] = str
    """Does to a text of our own what the delivered channel is allowed to do, before the two stand side by side."""
    hosts: Mapping[ChannelRole, str] = field(default_factory=dict)
    """What has to be reached for each channel that needs the network, and costs tokens."""
    budget: int | None = None
    """The most tokens a day; None when nothing limits them."""
    failure_threshold: int = 3
    """Rounds in a row that could not measure, after which people are told."""
    reference: Channel | None = None
    """The verified model, which only the watchdog holds."""
    yardstick: ChannelRole = ChannelRole.DIRECT
    """Whose model `comparator` scores with: the direct one's, or the reference where that one cannot score."""
    under_reference: Comparator | None = None
    """Scores with the reference beside `comparator`; None when there is none, or it is the yardstick itself."""
    logprobs: LogprobCheck | None = None
    """Looks at the lists of tokens that the delivered channel gives; None when it is never asked for any."""
    calls: Calls | None = None
    """None when no tools are offered."""
    benign: Mapping[ChannelRole, BenignEngines] = field(default_factory=dict)
    """The models of our own channels on other engines, where their weights are at hand."""
    files_digest: str = ""
    """Names the files of the yardstick's weights as they were loaded; empty where they are not on this machine."""
    baseline_max_age: timedelta = timedelta(days=180)
    """The age from which a baseline is stale."""

    @property
    def configured_as(self) -> str:
        """The target's name without its variant, as people write it."""
        return self.name.partition("@")[0]

    @property
    def uncompared(self) -> "Target":
        """The same target with nothing to hold replies against, so that it is only probed."""
        return replace(self, comparator=None, under_reference=None, logprobs=None, calls=None)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that can be asked."""
        return tuple(it for it in (self.direct, self.delivered, self.reference) if it is not None)

    @property
    def sides(self) -> tuple[Side, ...]:
        """What is compared beside the delivered reply: the negative controls, and direct under the reference."""
        roles = {it.role for it in self.channels} - {ChannelRole.DELIVERED}
        models = {self.yardstick: self.comparator, ChannelRole.REFERENCE: self.under_reference or self.comparator}
        if self.under_reference is None and self.yardstick is ChannelRole.DIRECT:
            del models[ChannelRole.REFERENCE]
        return tuple(
            Side(of=of, under=under, comparator=comparator)
            for under, comparator in models.items()
            for of in sorted(roles)
            if comparator is not None and (of is under or under is ChannelRole.REFERENCE)
        )

    @property
    def questioned(self) -> frozenset[ChannelRole]:
        """The channels that questions go to: also the direct one that cannot score, for the view side by side."""
        sides = {it.of for it in self.sides}
        return frozenset({ChannelRole.DELIVERED} | sides | ({ChannelRole.DIRECT} if self.direct is not None else set()))
