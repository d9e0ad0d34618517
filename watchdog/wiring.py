"""The composition root: the only module that names concrete classes."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, reduce
from importlib.metadata import packages_distributions, version
from operator import or_
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from alerts.catalog import NOTIFIERS
from detectors import sequential
from detectors.catalog import DETECTORS
from detectors.divergence.scorings import remeasure
from detectors.logs.formats.catalog import FORMATS
from detectors.sequential import RateTest
from probes.catalog import CHANNELS, PROBES, Opened
from probes.integrity import weights_files
from probes.questions import load_questions
from probes.questions.calling import load_calls
from probes.signatures import check_signature
from storage import holding
from storage.reader import SqliteReader, open_reader
from storage.record import open_record
from storage.signing import open_signed
from watchdog import provenance
from watchdog.allotment import PerStream, StreamName, allotted
from watchdog.app import App
from watchdog.config.load import Loaded, load
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.costs import Costs
from watchdog.coverage import Coverage, Surveyor
from watchdog.delivery import Courier
from watchdog.desk import Desk
from watchdog.domain.decisions import SharesAllotted, Started, Stopped
from watchdog.domain.role import Role
from watchdog.enrolment import Enrolling
from watchdog.errors import ConfigError, InstallationError
from watchdog.integrity import Integrity
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.opening import kept_open, models_of, open_targets, probe_of
from watchdog.ports import HoldingLedger, Questions
from watchdog.query_logs.opening import announced, own_probes, sources_of
from watchdog.query_logs.own_probes import OwnProbes
from watchdog.recompute import Recomputing
from watchdog.rounds import Rounds

DISTRIBUTION = provenance.DISTRIBUTION
_OURS = ("watchdog", "probes", "detectors", "storage", "alerts")


def settings_shape() -> type[Settings[KindSection, NotifierSection]]:
    """Return the settings with every kind of channel and notifier that the catalogs know."""
    channel = _one_of([kind.settings for kind in CHANNELS.values()])
    notifier = _one_of([kind.settings for kind in NOTIFIERS.values()])
    # The two unions exist only at run time; statically this is the settings of any kind.
    return cast("type[Settings[KindSection, NotifierSection]]", Settings.__class_getitem__((channel, notifier)))


def read_config(paths: Path | Sequence[Path]) -> Loaded:
    """Read a configuration from its files and folders, and check it against the catalogs; opens nothing.

    Raises ConfigError that names everything that is wrong.
    """
    files = [paths] if isinstance(paths, Path) else paths
    return load(files, settings_shape(), probes=PROBES, detectors=DETECTORS, log_formats=FORMATS)


def survey(loaded: Loaded) -> tuple[Coverage, ...]:
    """Return what each delivered channel of each target covers; sends nothing, and only reads the ledger.

    Raises LedgerError when there is a ledger that cannot be read.
    """
    settings = loaded.settings
    with ExitStack() as stack:
        reader = stack.enter_context(open_reader(settings.ledger)) if settings.ledger.exists() else None
        tests = _tests(allotted(None if reader is None else reader.shares(), settings, now()))
        surveyor = Surveyor(
            costs=Costs(questions=load_questions(), tool_questions=load_calls()),
            baseline=None if reader is None else reader.baseline,
            abilities=None if reader is None else reader.abilities,
            bank=None if reader is None else reader.bank,
            declared=partial(_declared, reader, now()),
            now=now(),
            tests=tests,
        )
        return tuple(
            surveyor.survey(name, it, [probe_of(family) for family in it.probes])
            for it in settings.targets
            for name in it.measured
        )


@contextmanager
def recomputing(ledger: Path) -> Iterator[Recomputing]:
    """Open what recomputing needs, which is a ledger file and no configuration.

    Raises LedgerError when there is no ledger, or it cannot be read.
    """
    with open_record(ledger) as record:
        yield Recomputing(
            record=record,
            remeasure=remeasure,
            observe=sequential.observe,
            probes=PROBES,
            code=provenance.running_code(),
        )


@contextmanager
def build(
    loaded: Loaded,
    *,
    tick: Callable[[], None] = lambda: None,
    ending: Callable[[], str] = lambda: "the command ended",
    role: Role = Role.ALL,
) -> Iterator[App]:
    """Open everything a configuration names; close it again at the end of the block, and record what `ending` says.

    Query logs are not opened before somebody reads them. In the role `stream` no target is opened.

    Raises a WatchdogError when something cannot be opened.
    """
    require_own_names()
    with ExitStack() as stack:
        settings = loaded.settings
        file = open_signed(settings.ledger, now=now, key_file=settings.signing_key_file, origin=settings.origin)
        ledger = stack.enter_context(holding.HoldingLedger(file, now=now))
        parts = _Parts(Measuring(now, tick), load_questions(), {}, {}, role)
        app = _assemble(stack, loaded, ledger, parts)
        started = Started(at=now(), version=version(DISTRIBUTION), config_digest=loaded.digest)
        app.desk.report([started, *app.allotted])
        yield app
        app.keep_own()
        app.desk.report([Stopped(at=now(), why=ending())])


@contextmanager
def open_desk(settings: Settings[KindSection, NotifierSection]) -> Iterator[Desk]:
    """Open the ledger for a command that watches nothing; the notices it causes wait for the daemon, or for `once`.

    Raises LedgerHeldError when another process is the writer, LedgerError when there is no ledger that can be written.
    """
    with open_reader(settings.ledger):
        pass  # who acts on what is in a ledger wants no new one
    with open_signed(settings.ledger, now=now, key_file=settings.signing_key_file, origin=settings.origin) as ledger:
        yield Desk(ledger, tuple(it.name for it in settings.alerts))


def rebuild(app: App, loaded: Loaded) -> App:
    """Open what another configuration names, over the same ledger; the app that is running stays as it is.

    Weights that both configurations name alike are kept; keys and addresses are always read again.
    Raises a WatchdogError when something cannot be opened.
    """
    old, new = app.loaded.settings, loaded.settings
    if (new.ledger, new.origin, new.signing_key_file) != (old.ledger, old.origin, old.signing_key_file):
        raise ConfigError(
            "the ledger, its origin and its key cannot change while the daemon runs",
            hint="restart the daemon to change `ledger:`, `origin:` or `signing-key-file:`",
        )
    kept = kept_open(app.loaded.settings, app.targets, app.ledger.weights)
    with ExitStack() as stack:
        parts = _Parts(app.rounds.measuring, app.rounds.questions, kept, app.own, app.role)
        again = _assemble(stack, loaded, app.ledger, parts)
        # Rounds that are running may still use what was open before: all of it is closed at the very end.
        app.opened.push(stack.pop_all())
        return replace(again, opened=app.opened)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an app is put together from, besides its configuration and its ledger."""

    measuring: Measuring
    questions: Questions
    reuse: Mapping[str, Opened]
    own: Mapping[str, OwnProbes]
    """What was sent under the configuration before."""
    role: Role


def _assemble(stack: ExitStack, loaded: Loaded, ledger: HoldingLedger, parts: _Parts) -> App:
    settings, measuring, questions, role = loaded.settings, parts.measuring, parts.questions, parts.role
    watched = settings.targets if role.probes else ()
    notifiers = {it.name: NOTIFIERS[it.kind].open(it) for it in settings.alerts}
    for notifier in notifiers.values():
        stack.callback(notifier.close)
    before = ledger.shares()
    shares = allotted(before, settings, now())
    evidence = PerStream(_tests(shares))
    own = own_probes(settings, parts.own) if role is Role.ALL else {}
    opened = (target for it in watched for target in open_targets(stack, it, evidence, parts.reuse, now))
    targets = tuple(announced(it, settings, own, now) for it in opened)
    desk = Desk(ledger, tuple(notifiers))
    lookout = Lookout(ledger=ledger, hosts={it.name: frozenset(it.hosts.values()) for it in targets})
    return App(
        loaded=loaded,
        opened=stack,
        targets=targets,
        desk=desk,
        ledger=ledger,
        rounds=Rounds(
            questions=questions,
            ledger=ledger,
            desk=desk,
            measuring=measuring,
            now=now,
            draw_seed=draw_seed,
            lookout=lookout,
        ),
        enrolling=Enrolling(
            questions=questions,
            desk=desk,
            measuring=measuring,
            now=now,
            draw_seed=draw_seed,
            lookout=lookout,
        ),
        courier=Courier(ledger, notifiers, now),
        integrity=Integrity(
            models=models_of(settings) if role.probes else (),
            ledger=ledger,
            now=now,
            read=weights_files,
            verify=check_signature,
            expected=lambda target, digest: any(
                it.in_force(now()) and it.expects_weights(digest) for it in ledger.rollouts(target)
            ),
        ),
        logs=sources_of(settings, ledger=ledger, desk=desk, own=own, role=role),
        own=own,
        role=role,
        now=now,
        allotted=() if shares is before or not shares.shares or not role.probes else (shares,),
    )


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


def _declared(reader: SqliteReader | None, at: datetime, target: str) -> list[str]:
    """Return the declared changes in force for a target, each with what became of the replies in it."""
    found = () if reader is None else reader.rollouts(target)
    counts = {it: () if reader is None else reader.rollout_counts(it.id) for it in found if it.in_force(at)}
    return [
        f"{it}; {sum(one.aside for one in seen)} of {sum(one.replies for one in seen)} replies put aside, not looked at"
        for it, seen in counts.items()
    ]


def _tests(shares: SharesAllotted) -> dict[StreamName, RateTest]:
    a_year = shares.false_incidents_per_year
    return {(it.rule, it.subject): RateTest(alpha=it.alpha, a_year=a_year) for it in shares.shares}


def _one_of(kinds: list[Any]) -> Any:
    # A union needs two members to be discriminated; with one kind, that kind is the whole choice.
    return Annotated[reduce(or_, kinds), Field(discriminator="kind")] if len(kinds) > 1 else kinds[0]
