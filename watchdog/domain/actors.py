"""Who acted: the name they gave, and what the operating system says about the account behind it."""

import unicodedata
from dataclasses import dataclass

from watchdog.domain.text import written

_LONGEST_NAME = 100
_LARGEST_ID = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person who acted on the record. Two names typed from one account prove nothing, so both are kept."""

    name: str
    uid: int
    """The user id of the process that acted, as the kernel reports it."""
    login: int | None = None
    """The user id that logged in, which `sudo` does not change; None where the kernel keeps none, as in a container."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", written("a name", self.name, _LONGEST_NAME))
        if not _plain(self.name):
            raise ValueError("a name is needed: say who acts")
        if any(it is not None and not 0 <= it <= _LARGEST_ID for it in (self.uid, self.login)):
            raise ValueError(f"user ids lie between 0 and {_LARGEST_ID}, got {self.uid} and {self.login}")

    def __str__(self) -> str:
        if self.login in (None, self.uid):
            return f"{self.name} (user id {self.uid})"
        return f"{self.name} (logged in as user id {self.login}, acting as {self.uid})"

    def same_as(self, other: "Actor") -> str:
        """Say why the two are taken for one person; empty when they are taken for two."""
        if _plain(self.name) == _plain(other.name):
            return f"both are called {other.name}"
        if None not in (self.login, other.login):
            one_account = self.login == other.login
        else:
            # Who logged in is not known of both. One account in common is then reason enough for doubt.
            one_account = bool({self.uid, self.login} & {other.uid, other.login} - {None})
        return f"{self} and {other} acted from one account" if one_account else ""


def _plain(name: str) -> str:
    """Return what stays the same of a name however it is typed: no case, no width, nothing that cannot be seen."""
    seen = (char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    return " ".join("".join(seen).casefold().split())
