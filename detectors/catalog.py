"""All detectors of query logs by the name of their rule: the one place where one is added. Imports nothing heavy."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from detectors.clients.needs import Needs, missing, needed
from watchdog.domain.findings import Severity
from watchdog.errors import ConfigError, InstallationError

if TYPE_CHECKING:
    from detectors.clients.watch import Watch

WARM_UP: Final = 2_000
"""Distinct requests that a segment's base rates are learned from."""
_WEEKS_A_YEAR: Final = 365.25 / 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a detector is there for."""

    name: str
    needs: Needs
    severity: Severity
    """The highest that it reaches."""
    looks_for: str


def _entry(name: str, needs: str, looks_for: str, severity: Severity = Severity.CRITICAL) -> Entry:
    return Entry(name=name, needs=needed(*needs.split()), severity=severity, looks_for=looks_for)


DETECTORS: Final[Mapping[str, Entry]] = {
    it.name: it
    for it in (
        _entry(
            "boundary_flood",
            "client|address prompt reply|refused",
            "many different requests refused, one after another",
        ),
        _entry(
            "steering_campaign",
            "client|address prompt",
            "personas without rules, overridden system prompts, many demonstrations, put-in answers, biased tokens",
        ),
        _entry(
            "harmful_finetune",
            "client training_examples",
            "a fine-tuning job, and after it a model that answers what others refuse",
        ),
        _entry(
            "model_extraction",
            "client|address top_logprobs|seed|choices",
            "log probabilities with biased tokens, sweeps over seeds, and grids that read the model out",
        ),
        _entry("key_sharing", "client address", "a key that is used from ever new places, or from several at once"),
        _entry(
            "rate_burst",
            "client|address",
            "many times the requests of the client's fullest quarter of a minute",
            Severity.WARNING,
        ),
        _entry(
            "usage_drift",
            "client|address prompt|tokens_in",
            "requests unlike the client's first ones",
            Severity.WARNING,
        ),
    )
}
"""By the name of the rule."""


def blind_rules(fields: frozenset[str], wanted: Collection[str] | None = None) -> Mapping[str, str]:
    """Return the detectors that cannot look at a log with these fields, each with what it lacks."""
    return {
        name: lacks
        for name, entry in DETECTORS.items()
        if (wanted is None or name in wanted) and (lacks := missing(entry.needs, fields))
    }


def watch_clients(
    *,
    log: str,
    fields: frozenset[str],
    detectors: Sequence[str] | None = None,
    segments: Mapping[str, Sequence[str]] | None = None,
    tickets_per_week: float = 1.0,
    pages_per_year: float = 1.0,
    clients: int = 100_000,
    warm_up: int | None = None,
) -> "Watch":
    """Return the detectors of one log, which may have so many false alarms together.

    Raises ConfigError for a detector that there is not, InstallationError where the extra `logs` is missing.
    """
    wanted = _known(detectors)
    return _maker()(
        log=log,
        fields=fields,
        wanted=wanted,
        lacking=blind_rules(fields, wanted),
        pages={name for name in wanted if DETECTORS[name].severity is Severity.CRITICAL},
        segments=segments or {},
        tickets_a_week=tickets_per_week,
        pages_a_week=pages_per_year / _WEEKS_A_YEAR,
        clients=clients,
        warm_up=WARM_UP if warm_up is None else warm_up,
    )


def _known(detectors: Sequence[str] | None) -> tuple[str, ...]:
    wanted = tuple(DETECTORS) if detectors is None else tuple(dict.fromkeys(detectors))
    for name in wanted:
        if name not in DETECTORS:
            raise ConfigError(f"there is no detector {name!r}", hint=f"there are {', '.join(DETECTORS)}")
    return wanted


def _maker() -> Callable[..., "Watch"]:
    try:
        from detectors.clients.making import make_watch  # noqa: PLC0415 - msgspec is an extra
    except ModuleNotFoundError as exc:
        hint = "pip install 'corrigibility-watchdog[logs]'"
        raise InstallationError("query logs need the extra `logs`", hint=hint) from exc
    return make_watch
