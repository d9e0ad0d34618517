"""What a configuration may say, as frozen values."""

from pathlib import Path
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Section(BaseModel):
    """A part of the configuration: keys in kebab-case, unknown ones refused, frozen once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_kebab)


class KindSection(Section):
    """A section whose `kind` says which implementation it configures."""

    kind: str


class NotifierSection(KindSection):
    """A notifier; its name is what the ledger remembers it by."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")


ChannelT = TypeVar("ChannelT", bound=KindSection)
NotifierT = TypeVar("NotifierT", bound=NotifierSection)


class TargetSettings(Section, Generic[ChannelT]):
    """One deployed model: how to reach it, and what to send it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    delivered: ChannelT
    direct: ChannelT | None = None
    probes: tuple[str, ...] = ("stop",)
    questions_per_round: int = Field(default=3, ge=1, le=50)
    reply_tokens: int = Field(default=32, ge=8, le=1024)


class Settings(Section, Generic[ChannelT, NotifierT]):
    """A whole configuration."""

    ledger: Path
    targets: tuple[TargetSettings[ChannelT], ...] = Field(min_length=1)
    alerts: tuple[NotifierT, ...] = ()
    false_alarm_probability: Annotated[float, Field(gt=0, le=0.1)] = 0.001
    """Chance of one false alarm in the whole life of a target, over all its streams together."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Settings[ChannelT, NotifierT]":
        for what, names in (
            ("targets", [it.name for it in self.targets]),
            ("alerts", [it.name for it in self.alerts]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what}: the name {twice[0]!r} is used more than once")
        return self
