"""Open query logs: the part of the composition root that knows their formats and detectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from detectors.catalog import DETECTORS, blind_rules, watch_clients
from detectors.logs.formats.catalog import AUTO, Chosen, open_format
from detectors.logs.quarantine import Quarantine
from detectors.logs.tail import Tail
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.config.query_logs import QueryLogSettings
from watchdog.domain.role import Role
from watchdog.errors import ConfigError
from watchdog.ports import Clock, FindingSink, Ledger, LogFormat
from watchdog.query_logs.announcing import Announced
from watchdog.query_logs.checks import LogChecks
from watchdog.query_logs.coverage import LogCoverage
from watchdog.query_logs.own_probes import WITHIN, OwnProbes
from watchdog.query_logs.sifting import Sifting
from watchdog.query_logs.source import LogSource
from watchdog.query_logs.streaming import Streaming
from watchdog.targets import Target

_SAMPLE = 256 << 10
"""Bytes that a format is told from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpensLog:
    """Opens one log's stream. Satisfies `source.Opens`."""

    settings: QueryLogSettings
    ledger: Ledger
    desk: FindingSink
    checks: LogChecks
    own: OwnProbes | None
    tickets_per_week: float
    pages_per_year: float

    def __call__(self) -> Streaming | None:
        """Return the stream; None as long as there is no line to tell the format from.

        Raises ConfigError when the lines that are there fit no format.
        """
        it = self.settings
        chosen = format_of(it)
        if chosen is None:
            return None
        form = chosen.format
        self.checks.wanted = wanted(it, form)
        watch = watch_clients(
            log=it.name,
            fields=form.fields,
            detectors=it.detectors,
            segments={name: segment.clients for name, segment in it.segments.items()},
            tickets_per_week=self.tickets_per_week,
            pages_per_year=self.pages_per_year,
            warm_up=it.warm_up,
        )
        quarantine = Quarantine()
        self.checks.newest_bad = quarantine.digests
        return Streaming(
            log=_tail(it),
            sifting=Sifting(log=it.name, form=form, watch=watch, quarantine=quarantine.refuse, own=self.own),
            ledger=self.ledger,
            desk=self.desk,
            checks=self.checks,
        )


def sources_of(
    settings: Settings[KindSection, NotifierSection],
    *,
    ledger: Ledger,
    desk: FindingSink,
    own: Mapping[str, OwnProbes],
    role: Role,
) -> tuple[LogSource, ...]:
    """Return the logs that a configuration names for a process of this role; nothing is opened yet.

    `own` are our probes by log; a process that sends none says that it cannot look for them.
    """
    logs = settings.query_logs if role.streams else ()
    share, found = _share(settings), []
    for it in logs:
        mine = own.get(it.name)
        without = f"this process sends none (--role {role})" if it.target is not None and mine is None else ""
        checks = LogChecks(it.name, own=mine, no_probes=without)
        opens = OpensLog(settings=it, ledger=ledger, desk=desk, checks=checks, own=mine, **share)
        key = f"{it.model_dump_json()} {share}"
        found.append(LogSource(name=it.name, key=key, open=opens, checks=checks, own=mine))
    return tuple(found)


def own_probes(
    settings: Settings[KindSection, NotifierSection], before: Mapping[str, OwnProbes]
) -> dict[str, OwnProbes]:
    """Return our probes by log, for each log that names a target; those that were sent before are not forgotten."""
    return {it.name: before.get(it.name) or OwnProbes() for it in settings.query_logs if it.target is not None}


def announced(
    target: Target, settings: Settings[KindSection, NotifierSection], own: Mapping[str, OwnProbes], now: Clock
) -> Target:
    """Have a target's delivered channel say what it sends, where a log names the target."""
    named = [own[it.name] for it in settings.query_logs if it.target == target.name and it.name in own]
    return replace(target, delivered=Announced(target.delivered, tuple(named), now)) if named else target


def survey_logs(settings: Settings[KindSection, NotifierSection]) -> tuple[LogCoverage, ...]:
    """Return what detectors can look for in each log; where a format is to be guessed, the log's first lines are read.

    Raises InstallationError where what reads logs is not installed.
    """
    return tuple(_survey(settings, it) for it in settings.query_logs)


def _survey(settings: Settings[KindSection, NotifierSection], it: QueryLogSettings) -> LogCoverage:
    try:
        chosen = format_of(it)
        why = "there is no line yet that it could be told from" if chosen is None else chosen.why
    except ConfigError as exc:
        chosen, why = None, exc.problem
    fields = frozenset[str]() if chosen is None else chosen.format.fields
    named = frozenset(DETECTORS if it.detectors is None else it.detectors)
    dark = {} if chosen is None else dict(blind_rules(fields, named))
    looking = {} if chosen is None else {name: DETECTORS[name].looks_for for name in sorted(named - dark.keys())}
    return LogCoverage(
        log=it.name,
        format="" if chosen is None else chosen.format.name,
        why=why,
        looking=looking,
        blind=dark,
        off=tuple(sorted(DETECTORS.keys() - named)),
        probes=_about_probes(it, fields, known=chosen is not None),
        **_share(settings),
    )


def _share(settings: Settings[KindSection, NotifierSection]) -> dict[str, float]:
    """Return what each log may use of the false alarms that all logs are allowed."""
    logs = max(1, len(settings.query_logs))
    return {
        "tickets_per_week": settings.log_tickets_per_week / logs,
        "pages_per_year": settings.log_pages_per_year / logs,
    }


def _about_probes(it: QueryLogSettings, fields: frozenset[str], *, known: bool) -> str:
    if it.target is None:
        return "not looked for: no `target` is named"
    if known and "prompt" not in fields:
        return f"cannot be looked for: the format does not tell prompts, so nobody knows those to {it.target} again"
    return f"those to {it.target} have to appear in it within {WITHIN.total_seconds() / 60:.0f} minutes"


def format_of(it: QueryLogSettings) -> Chosen | None:
    """Return the format of a log; None as long as it is to be guessed, and there is no line yet.

    Raises ConfigError when it is to be guessed, and the lines fit none.
    """
    sample: Sequence[bytes] = ()
    if it.format == AUTO:
        tail = _tail(it, from_end=False)
        try:
            sample = tail.read(_SAMPLE).lines
        finally:
            tail.close()
        if not sample:
            return None
    return open_format(it.format, it.mapping, sample)


def wanted(it: QueryLogSettings, form: LogFormat) -> frozenset[str]:
    """Return the rules that are relied on: those that are named, or else all that the format can feed."""
    if it.detectors is not None:
        return frozenset(it.detectors)
    return frozenset(DETECTORS) - frozenset(blind_rules(form.fields))


def _tail(it: QueryLogSettings, *, from_end: bool | None = None) -> Tail:
    begin_at_end = it.from_ == "end" if from_end is None else from_end
    return Tail(it.paths, line_limit=it.line_limit, from_end=begin_at_end)
