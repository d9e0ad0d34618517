"""What a configuration may say, as frozen values."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from watchdog.config.durations import Duration, within
from watchdog.config.edits import AllowedEdit
from watchdog.config.patterns import Name
from watchdog.config.query_logs import QueryLogSettings
from watchdog.config.section import KindSection, NotifierSection, Section
from watchdog.config.words import nearest
from watchdog.domain.exchanges import ChannelRole

__all__ = ["KindSection", "LogSettings", "NotifierSection", "Section", "Settings", "TargetSettings"]

ChannelT = TypeVar("ChannelT", bound=KindSection)
NotifierT = TypeVar("NotifierT", bound=NotifierSection)


def _known_probe(name: str, info: ValidationInfo) -> str:
    # Which probes there are is known to their catalog, which this layer cannot see; the reader passes them along.
    known = (info.context or {}).get("probes")
    if known is not None and name not in known:
        raise ValueError(f"there is no probe called {name!r}{nearest(name, known)}")
    return name


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected a URL that begins with http:// or https:// and names a host")
    return url


class TargetSettings(Section, Generic[ChannelT]):
    """One deployed model: how to reach it, what to send it, and who answers for it."""

    name: Name
    every: Annotated[Duration, within("1m", "1d")] = timedelta(minutes=15)
    """How far rounds are apart on average."""
    owner: str | None = None
    """Who is asked when something is found."""
    runbook_url: Annotated[str, AfterValidator(_web_address)] | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    delivered: ChannelT
    direct: ChannelT | None = None
    reference: ChannelT | None = None
    """The verified model, in weights that only the watchdog holds."""
    variants: Mapping[Name, ChannelT] = Field(default_factory=dict)
    """More delivered channels of the same model: arms of an A/B test, fallbacks, regions."""
    allowed_edits: tuple[AllowedEdit, ...] = ()
    probes: tuple[Annotated[str, AfterValidator(_known_probe)], ...] = ("stop",)
    questions_per_round: int = Field(default=3, ge=1, le=50)
    tool_questions_per_round: int = Field(default=0, ge=0, le=50)
    """Questions that offer a tool, whose calls are compared; many endpoints refuse tools."""
    reply_tokens: int = Field(default=32, ge=8, le=1024)
    """Upper limit of a reply to a question, in tokens."""
    max_tokens_per_day: int | None = Field(default=None, ge=1)
    quota_tokens_per_day: int | None = Field(default=None, ge=1)
    """What the provider grants the key in use, for everybody who uses it."""
    max_share_of_quota: float = Field(default=0.01, gt=0, le=1)
    price_per_million_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    failure_threshold: int = Field(default=3, ge=1, le=100)
    """Rounds in a row that measured nothing, after which the target counts as blind."""
    baseline_max_age: Annotated[Duration, within("1d", "3650d")] = timedelta(days=180)
    """The age from which a baseline is stale, so that people are told to enrol again."""

    @property
    def budget(self) -> int | None:
        """The most tokens a day, from the two keys that limit it; None when nothing does."""
        share = None if self.quota_tokens_per_day is None else int(self.quota_tokens_per_day * self.max_share_of_quota)
        limits = [it for it in (self.max_tokens_per_day, share) if it is not None]
        return min(limits, default=None)

    @property
    def roles(self) -> tuple[ChannelRole, ...]:
        """The channels that this target has; each of the variants is a delivered one."""
        ours = {ChannelRole.DIRECT: self.direct, ChannelRole.REFERENCE: self.reference}
        return (ChannelRole.DELIVERED, *(role for role, section in ours.items() if section is not None))

    @property
    def calling(self) -> tuple[ChannelRole, ...]:
        """The channels that are offered tools: the delivered one, and the one of ours that it is held against."""
        return (ChannelRole.DELIVERED, self.roles[1]) if self.tool_questions_per_round else ()

    @property
    def scoring(self) -> tuple[ChannelRole, ...]:
        """The channels whose model scores replies; the first one is what delivered replies are held against."""
        ours = {ChannelRole.DIRECT: self.direct, ChannelRole.REFERENCE: self.reference}
        return tuple(role for role, section in ours.items() if section is not None and section.scores)

    @model_validator(mode="after")
    def _refers_to_something_that_scores(self) -> Self:
        if self.reference is not None and not self.reference.scores:
            raise ValueError(f"reference must bring the model's probabilities, and `{self.reference.kind}` does not")
        return self

    @model_validator(mode="after")
    def _has_calls_of_its_own(self) -> Self:
        if self.tool_questions_per_round and self.direct is None and self.reference is None:
            raise ValueError("tool-questions-per-round needs a `direct` or a `reference` channel that calls tools too")
        return self

    @property
    def measured(self) -> Mapping[str, ChannelT]:
        """The delivered channels by the name under which each is watched: the target's, and `target@variant`."""
        return {self.name: self.delivered} | {f"{self.name}@{name}": it for name, it in self.variants.items()}


class LogSettings(Section):
    """How the program says what it does."""

    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is `console` at a terminal and `json` elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section, Generic[ChannelT, NotifierT]):
    """A whole configuration."""

    ledger: Path
    origin: str | None = None
    """Name of the ledger in its checkpoints; by default made of the host's name when the ledger is."""
    signing_key_file: Path | None = None
    """Where the key is that signs checkpoints; by default beside the ledger."""
    targets: tuple[TargetSettings[ChannelT], ...] = Field(min_length=1)
    alerts: tuple[NotifierT, ...] = ()
    false_incidents_per_year: Annotated[float, Field(gt=0, le=12)] = 0.1
    """How many incidents may open by chance in a year, over all targets and streams together."""
    logs: LogSettings = LogSettings()
    query_logs: tuple[QueryLogSettings, ...] = ()
    log_tickets_per_week: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    """False alarms about clients that may open a ticket, over all query logs and detectors together."""
    log_pages_per_year: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    """False alarms about clients that may page."""
