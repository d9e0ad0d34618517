"""Open a target's channels and scorers: the part of the composition root that knows their catalog."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from urllib.parse import urlsplit

from detectors.allowed_edits import Tolerant, apply
from detectors.divergence.gap import GapTest
from detectors.divergence.logprobs import LogprobTest
from probes.catalog import CHANNELS, PROBES, Opened
from watchdog.allotment import PerStream
from watchdog.config.edits import AllowedEdit
from watchdog.config.model import KindSection, NotifierSection, Settings, TargetSettings
from watchdog.domain.exchanges import ChannelRole
from watchdog.integrity import Model
from watchdog.ports import Clock, Probe, Scorer
from watchdog.targets import Target

Reuse = Mapping[str, Opened]
"""What is open already, by the settings that it was opened with and its role."""


def open_targets(
    stack: ExitStack, settings: TargetSettings[KindSection], evidence: PerStream, reuse: Reuse, now: Clock
) -> Iterator[Target]:
    """Yield one target for each delivered channel; they share the channels of our own, and their weights."""
    ours = {
        role: reuse.get(_key(role, section)) or _open(stack, section, role, now)
        for role, section in _ours(settings).items()
    }
    scorers = {role: ours[role].scorer for role in settings.scoring}
    comparators = {
        role: _comparator(scorer, settings.allowed_edits) for role, scorer in scorers.items() if scorer is not None
    }
    yardstick = next(iter(comparators), ChannelRole.DIRECT)
    allowed = partial(apply, settings.allowed_edits) if settings.allowed_edits else str
    scorer = scorers.get(yardstick)
    channels = {role: opened.channel for role, opened in ours.items()}
    for name, section in settings.measured.items():
        yield Target(
            name=name,
            delivered=_open(stack, section, ChannelRole.DELIVERED, now).channel,
            direct=channels.get(ChannelRole.DIRECT),
            reference=channels.get(ChannelRole.REFERENCE),
            comparator=comparators.get(yardstick),
            yardstick=yardstick,
            under_reference=comparators.get(ChannelRole.REFERENCE) if yardstick is ChannelRole.DIRECT else None,
            logprobs=LogprobTest(scorer=scorer, as_delivered=allowed) if scorer and section.asks_logprobs else None,
            evidence=evidence,
            probes=tuple(map(probe_of, settings.probes)),
            questions_per_round=settings.questions_per_round,
            reply_tokens=settings.reply_tokens,
            as_delivered=allowed,
            hosts=_hosts(section, settings),
            # Equal shares: rounds of several variants run at once, and must not spend the same tokens twice.
            budget=None if settings.budget is None else settings.budget // len(settings.measured),
            failure_threshold=settings.failure_threshold,
        )


def models_of(settings: Settings[KindSection, NotifierSection]) -> tuple[Model, ...]:
    """Return every model whose files are on this machine."""
    return tuple(
        Model(target=target.name, channel=role, path=section.model_files, signature=section.model_signature)
        for target in settings.targets
        for role, section in ({ChannelRole.DELIVERED: target.delivered} | _ours(target)).items()
        if section.model_files is not None
    )


def kept_open(settings: Settings[KindSection, NotifierSection], targets: Sequence[Target]) -> Reuse:
    """Return the weights that are loaded, to be kept where the next configuration names them alike."""
    named = {it.name: it for it in targets}
    kept = {}
    for of_target in settings.targets:
        target = named[of_target.name]
        channels = {it.role: it for it in (target.direct, target.reference) if it is not None}
        comparators = {ChannelRole.REFERENCE: target.under_reference, target.yardstick: target.comparator}
        for role, section in _ours(of_target).items():
            comparator = comparators.get(role)
            if section.local and isinstance(comparator, GapTest | Tolerant):
                kept[_key(role, section)] = Opened(channels[role], comparator.scorer)
    return kept


def _hosts(delivered: KindSection, settings: TargetSettings[KindSection]) -> dict[ChannelRole, str]:
    """Return what has to be reached for each channel; one that is in this process costs no tokens."""
    sections = {ChannelRole.DELIVERED: delivered, **_ours(settings)}
    return {
        role: urlsplit(getattr(it, "base_url", "")).hostname or it.kind for role, it in sections.items() if not it.local
    }


@cache
def probe_of(family: str) -> Probe:
    """Return the probe of a family."""
    # A probe is pure, and reading its deck takes tens of milliseconds: a thousand targets share one.
    return PROBES[family]()


def _comparator(scorer: Scorer, edits: tuple[AllowedEdit, ...]) -> GapTest | Tolerant:
    inner = GapTest(scorer=scorer)
    return Tolerant(inner=inner, scorer=scorer, edits=edits) if edits else inner


def _open(stack: ExitStack, settings: KindSection, role: ChannelRole, now: Clock) -> Opened:
    opened = CHANNELS[settings.kind].open(settings, role, now)
    stack.callback(opened.close)
    return opened


def _ours(settings: TargetSettings[KindSection]) -> dict[ChannelRole, KindSection]:
    """Return the channels that are no users' way to the model."""
    ours = {ChannelRole.DIRECT: settings.direct, ChannelRole.REFERENCE: settings.reference}
    return {role: section for role, section in ours.items() if section is not None}


def _key(role: ChannelRole, section: KindSection) -> str:
    return f"{role} {section.model_dump_json()}"
