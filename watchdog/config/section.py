"""What every part of a configuration has in common."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from watchdog.config.patterns import Name


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Section(BaseModel):
    """A part of the configuration: keys in kebab-case, unknown ones refused, frozen once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_kebab)


class KindSection(Section):
    """A section whose `kind` says which implementation it configures."""

    scores: ClassVar[bool] = False
    """Whether the model's probabilities come with a channel of this kind, so that replies can be held against it."""

    kind: str


class NotifierSection(KindSection):
    """A notifier; its name is what the ledger remembers it by."""

    name: Name
