"""The files of a model: what they were, what they are, and whether somebody vouches for them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Signature(StrEnum):
    """What the signature of a model says."""

    VERIFIED = "verified"
    INVALID = "invalid"
    """It does not fit the files, or was not made by whom the configuration names."""
    UNCHECKED = "unchecked"
    """There is one, or there should be, and it could not be checked."""
    NONE = "none"
    """There is none, and the configuration asks for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCheck:
    """What came of checking the signature of a model."""

    signature: Signature
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """One file of a model."""

    path: str
    """Relative to the model's folder; the name alone when the model is one file."""
    sha256: str
    link: str = ""
    """What it is a symbolic link to; empty when it is none. The content is the target's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the files of a model differ from what they were; a link that leads elsewhere to the same bytes does not."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.added)

    def __str__(self) -> str:
        kinds = {"changed": self.changed, "missing": self.missing, "added": self.added}
        return "; ".join(f"{kind}: {_named(files)}" for kind, files in kinds.items() if files)


def digest_of(files: Sequence[WeightsFile]) -> str:
    """Name a model by the SHA-256 over its files' names and digests, in the order of the names."""
    total = hashlib.sha256()
    for it in sorted(files, key=lambda file: file.path):
        total.update(f"{it.sha256}  {it.path}\n".encode())
    return total.hexdigest()


def difference(before: Sequence[WeightsFile], after: Sequence[WeightsFile]) -> Difference:
    """Return how a model's files differ from what they were."""
    old, new = ({it.path: it.sha256 for it in files} for files in (before, after))
    return Difference(
        changed=tuple(sorted(path for path in old.keys() & new.keys() if old[path] != new[path])),
        missing=tuple(sorted(old.keys() - new.keys())),
        added=tuple(sorted(new.keys() - old.keys())),
    )


_MOST_NAMED = 5


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return ", ".join(files[:_MOST_NAMED]) + more
