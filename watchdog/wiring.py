"""The composition root: the only module that names concrete classes."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from importlib.metadata import packages_distributions, version
from operator import or_
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from alerts.catalog import NOTIFIERS
from detectors.divergence.gap import GapTest
from detectors.sequential import RateBet
from probes.catalog import CHANNELS, PROBES, Opened
from probes.questions import load_questions
from storage.ledger import SqliteLedger
from watchdog.config.load import Loaded, load
from watchdog.config.model import KindSection, NotifierSection, Settings, TargetSettings
from watchdog.delivery import Courier
from watchdog.desk import Desk
from watchdog.domain.decisions import Started, Stopped
from watchdog.domain.exchanges import ChannelRole
from watchdog.enrolment import Enrolling
from watchdog.errors import ConfigError, InstallationError
from watchdog.measuring import Measuring, Target
from watchdog.rounds import Rounds

DISTRIBUTION = "corrigibility-watchdog"
_OURS = ("watchdog", "probes", "detectors", "storage", "alerts")


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything that a command needs, put together."""

    targets: tuple[Target, ...]
    rounds: Rounds
    enrolling: Enrolling
    courier: Courier

    def target(self, name: str | None) -> tuple[Target, ...]:
        """Return the target of that name, or all of them when none is named.

        Raises ConfigError when there is no such target.
        """
        chosen = tuple(it for it in self.targets if name in (None, it.name))
        if not chosen:
            known = ", ".join(it.name for it in self.targets)
            raise ConfigError(f"no target is called {name!r}", hint=f"the configuration names {known}")
        return chosen


def settings_shape() -> type[Settings[KindSection, NotifierSection]]:
    """Return the settings with every kind of channel and notifier that the catalogs know."""
    channel = _one_of([kind.settings for kind in CHANNELS.values()])
    notifier = _one_of([kind.settings for kind in NOTIFIERS.values()])
    # The two unions exist only at run time; statically this is the settings of any kind.
    return cast("type[Settings[KindSection, NotifierSection]]", Settings.__class_getitem__((channel, notifier)))


def read_config(path: Path) -> Loaded:
    """Read a configuration, and check what only the catalogs can check.

    Raises ConfigError that names everything that is wrong.
    """
    loaded = load(path, settings_shape())
    unknown = [
        f"{path}: target {target.name}: there is no probe called {name!r}"
        for target in loaded.settings.targets
        for name in target.probes
        if name not in PROBES
    ]
    if unknown:
        raise ConfigError("\n".join(unknown), hint=f"known probes are {', '.join(sorted(PROBES))}")
    return loaded


@contextmanager
def build(loaded: Loaded, *, tick: Callable[[], None] = lambda: None) -> Iterator[App]:
    """Open everything a configuration names; close it again at the end of the block.

    Raises a WatchdogError when something cannot be opened.
    """
    require_own_names()
    settings = loaded.settings
    with ExitStack() as stack:
        ledger = stack.enter_context(SqliteLedger(settings.ledger))
        notifiers = {it.name: NOTIFIERS[it.kind].open(it) for it in settings.alerts}
        for notifier in notifiers.values():
            stack.callback(notifier.close)
        targets = tuple(_target(stack, it, settings.false_alarm_probability) for it in settings.targets)
        desk = Desk(ledger, tuple(notifiers))
        desk.report([Started(at=now(), version=version(DISTRIBUTION), config_digest=loaded.digest)])
        measuring = Measuring(now, tick)
        questions = load_questions()
        yield App(
            targets=targets,
            rounds=Rounds(
                questions=questions, ledger=ledger, desk=desk, measuring=measuring, now=now, draw_seed=draw_seed
            ),
            enrolling=Enrolling(questions=questions, desk=desk, measuring=measuring, now=now, draw_seed=draw_seed),
            courier=Courier(ledger, notifiers, now),
        )
        desk.report([Stopped(at=now(), why="the command ended")])


def require_own_names() -> None:
    """Refuse to start when another distribution brings a package with one of our names.

    Raises InstallationError that names it.
    """
    owners = packages_distributions()
    strangers = sorted(
        {f"{owner} (brings `{name}`)" for name in _OURS for owner in owners.get(name, ()) if owner != DISTRIBUTION}
    )
    if strangers:
        raise InstallationError(
            f"another distribution uses our import names: {', '.join(strangers)}",
            hint="install corrigibility-watchdog into an environment of its own, with its constraints.txt",
        )


def now() -> datetime:
    """Return this instant, in UTC."""
    return datetime.now(UTC)


def draw_seed() -> int:
    """Draw an unpredictable seed that fits the integers of JSON."""
    return secrets.randbits(53)


def _target(stack: ExitStack, settings: TargetSettings[KindSection], probability: float) -> Target:
    delivered = _open(stack, settings.delivered, ChannelRole.DELIVERED)
    direct = None if settings.direct is None else _open(stack, settings.direct, ChannelRole.DIRECT)
    scorer = None if direct is None else direct.scorer
    # One share for each stream of evidence: the comparison, and each probe on each channel.
    streams = 1 + len(settings.probes) * (1 if direct is None else 2)
    return Target(
        name=settings.name,
        delivered=delivered.channel,
        direct=None if direct is None else direct.channel,
        comparator=None if scorer is None else GapTest(scorer=scorer),
        evidence=RateBet(alpha=probability / streams),
        probes=tuple(PROBES[name]() for name in settings.probes),
        questions_per_round=settings.questions_per_round,
        reply_tokens=settings.reply_tokens,
    )


def _open(stack: ExitStack, settings: KindSection, role: ChannelRole) -> Opened:
    opened = CHANNELS[settings.kind].open(settings, role, now)
    stack.callback(opened.close)
    return opened


def _one_of(kinds: list[Any]) -> Any:
    # A union needs two members to be discriminated; with one kind, that kind is the whole choice.
    return Annotated[reduce(or_, kinds), Field(discriminator="kind")] if len(kinds) > 1 else kinds[0]
