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

    local: ClassVar[bool] = False
    """Whether it is in this process: then it costs no tokens, needs no network, and is worth keeping at a reload."""

    kind: str

    @property
    def scores(self) -> bool:
        """Whether the model's probabilities come with such a channel, so that replies can be held against it."""
        return False


class NotifierSection(KindSection):
    """A notifier; its name is what the ledger remembers it by."""

    name: Name
