"""How far a query log was read, and what is kept with that: it becomes true with the decisions it led to, or not."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from watchdog.domain.queries import LogPosition

MOST_CHARACTERS = 8_000
"""What is kept of one text."""

TEXTS = "text/"
"""How the keys of states begin that hold what clients wrote; the client follows."""


def packed(position: LogPosition) -> str:
    """Return a position as JSON; the same one always gives the same text."""
    return json.dumps(asdict(position), separators=(",", ":"), sort_keys=True)


def position_digest(position: LogPosition) -> str:
    """Return SHA-256, in hex, over a position as JSON."""
    return hashlib.sha256(packed(position).encode()).hexdigest()


def text_digest(salt: bytes, text: str) -> str:
    """Name a text by its content, so that without the salt nobody can tell what it was."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerText:
    """What a customer wrote, where it can be erased; a leaf names it by its digest."""

    digest: str
    """SHA-256, in hex, of the salt and the text in UTF-8."""
    salt: bytes
    """Random, so that nobody can find out what an erased text was by trying."""
    text: str
    log: str
    client: str
    at: datetime
    """When the request came."""

    @classmethod
    def of(cls, text: str, *, salt: bytes, log: str, client: str, at: datetime) -> "CustomerText":
        """Put a text aside; what is too long is cut, and what is no character is replaced."""
        kept = text[:MOST_CHARACTERS].encode("utf-8", "replace").decode()
        return cls(digest=text_digest(salt, kept), salt=salt, text=kept, log=log, client=client, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """How it stands with the reading of one log, as far as it changed."""

    log: str
    serial: int
    """Counts what was kept of this log since it was first read, from 1; 0 as long as it was not."""
    at: datetime
    position: LogPosition
    changed: Mapping[str, bytes | None] = field(default_factory=dict)
    """State by key; None for what was dropped."""
    texts: tuple[CustomerText, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How far the record says that a log was read."""

    serial: int
    position: LogPosition
    at: datetime
