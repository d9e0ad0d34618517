"""Open a target's channels and scorers: the part of the composition root that knows their catalog."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from urllib.parse import urlsplit

from detectors.allowed_edits import Tolerant, apply
from detectors.divergence.calls import CallTest
from detectors.divergence.gap import GapTest
from detectors.divergence.logprobs import LogprobTest
from probes.catalog import CHANNELS, PROBES, Opened
from probes.questions.calling import CallBook, load_calls
from watchdog import rules
from watchdog.allotment import PerStream
from watchdog.config.edits import AllowedEdit
from watchdog.config.model import KindSection, NotifierSection, Settings, TargetSettings
from watchdog.domain.decisions import WeightsChecked
from watchdog.domain.exchanges import ChannelRole
from watchdog.integrity import Model
from watchdog.ports import Clock, NamesFiles, Probe, Scorer
from watchdog.targets import Calls, Target

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
            calls=_calls(settings, scorers),
            questions_per_round=settings.questions_per_round,
            reply_tokens=settings.reply_tokens,
            as_delivered=allowed,
            hosts=_hosts(section, settings),
            # Equal shares: rounds of several variants run at once, and must not spend the same tokens twice.
            budget=None if settings.budget is None else settings.budget // len(settings.measured),
            failure_threshold=settings.failure_threshold,
            benign={role: opened.engines for role, opened in ours.items() if opened.engines is not None},
            files_digest="" if scorer is None else _files_digest(scorer),
            baseline_max_age=settings.baseline_max_age,
        )


def models_of(settings: Settings[KindSection, NotifierSection]) -> tuple[Model, ...]:
    """Return every model whose files are on this machine."""
    return tuple(
        Model(target=target.name, channel=role, path=section.model_files, signature=section.model_signature)
        for target in settings.targets
        for role, section in ({ChannelRole.DELIVERED: target.delivered} | _ours(target)).items()
        if section.model_files is not None
    )


def kept_open(
    settings: Settings[KindSection, NotifierSection],
    targets: Sequence[Target],
    checked: Callable[[str], WeightsChecked | None] = lambda _: None,
) -> Reuse:
    """Return the weights that are loaded, to be kept where the next configuration names them alike.

    Those whose files were other ones when last `checked` are left out: they are to be loaded again.
    """
    named = {it.name: it for it in targets}
    kept = {}
    for of_target in settings.targets:
        target = named[of_target.name]
        channels = {it.role: it for it in (target.direct, target.reference) if it is not None}
        comparators = {ChannelRole.REFERENCE: target.under_reference, target.yardstick: target.comparator}
        for role, section in _ours(of_target).items():
            comparator = comparators.get(role)
            last = checked(rules.channel_subject(of_target.name, role))
            if section.local and isinstance(comparator, GapTest | Tolerant) and _as_checked(comparator.scorer, last):
                kept[_key(role, section)] = Opened(channels[role], comparator.scorer, engines=target.benign.get(role))
    return kept


def _files_digest(scorer: Scorer) -> str:
    """Return what names the files of a model as it was loaded; empty where it has none on this machine."""
    return scorer.files_digest if isinstance(scorer, NamesFiles) else ""


def _as_checked(scorer: Scorer, last: WeightsChecked | None) -> bool:
    return last is None or _files_digest(scorer) in {"", last.digest}


def _hosts(delivered: KindSection, settings: TargetSettings[KindSection]) -> dict[ChannelRole, str]:
    """Return what has to be reached for each channel; one that is in this process costs no tokens."""
    sections = {ChannelRole.DELIVERED: delivered, **_ours(settings)}
    return {
        role: urlsplit(getattr(it, "base_url", "")).hostname or it.kind for role, it in sections.items() if not it.local
    }


def _calls(settings: TargetSettings[KindSection], scorers: Mapping[ChannelRole, Scorer | None]) -> Calls | None:
    """Return how calls are compared: with those of the direct channel, or of the reference where there is none."""
    if not settings.calling:
        return None
    _, against = settings.calling
    return Calls(
        questions=_call_book(),
        per_round=settings.tool_questions_per_round,
        check=CallTest(scorer=scorers.get(against)),
        against=against,
    )


@cache
def _call_book() -> CallBook:
    # Its file is read when the first target offers tools, and once for all of them.
    return load_calls()


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
