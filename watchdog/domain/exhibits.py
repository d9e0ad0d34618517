"""Exhibits: the material behind a decision, named by its content, so that the decision can be recomputed from it."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """Some bytes, and the name that nothing else can bear. A leaf holds the name; the ledger keeps the bytes beside."""

    digest: str
    """SHA-256 of the body, in hex."""
    size: int
    """Bytes of the body."""
    body: bytes | None = field(default=None, compare=False, repr=False)
    """None when the decision was read back from its leaf: then the ledger has it under the digest."""

    @classmethod
    def of(cls, body: bytes) -> "Exhibit":
        """Name a body."""
        return cls(digest=hashlib.sha256(body).hexdigest(), size=len(body), body=body)

    def names(self, body: bytes) -> bool:
        """Whether these are the bytes that the exhibit was made of."""
        return self == Exhibit.of(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Which code measured and graded."""

    version: str
    """Of the distribution."""
    digest: str
    """SHA-256 over the source files that measure and grade, in hex."""

    def __str__(self) -> str:
        return f"version {self.version}, code {self.digest[:12]}"
