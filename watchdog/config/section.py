"""What every part of a configuration has in common."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from watchdog.config.patterns import Name

if TYPE_CHECKING:
    from watchdog.config.signature import SignatureSettings


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

    @property
    def asks_logprobs(self) -> bool:
        """Whether such a channel asks for the log probabilities of the tokens of a reply."""
        return False

    @property
    def model_files(self) -> Path | None:
        """The files of the model behind such a channel, where they are on this machine: a folder, or one file."""
        return None

    @property
    def model_signature(self) -> "SignatureSettings | None":
        """Whose signature these files have to bear."""
        return None


class NotifierSection(KindSection):
    """A notifier; its name is what the ledger remembers it by."""

    name: Name
