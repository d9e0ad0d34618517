"""Leaves as bytes: a decision in canonical JSON (RFC 8785), and back."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

import rfc8785
from pydantic import Field, TypeAdapter, ValidationError

from watchdog.domain.decisions import Decision
from watchdog.errors import LedgerError

_D = TypeVar("_D")
_DECISIONS: TypeAdapter[Decision] = TypeAdapter(Annotated[Decision, Field(discriminator="kind")])
_BESIDE = {"exhibit": {"body"}}
"""What a leaf leaves out: it names its exhibit by content, and the ledger keeps the bytes in a table of their own."""


def encode(decision: Decision) -> bytes:
    """Return the canonical JSON of a decision; the same decision always gives the same bytes.

    Raises LedgerError when a value has no place in JSON (NaN, infinity, an integer above 2^53, a lone surrogate).
    """
    try:
        return rfc8785.dumps(_DECISIONS.dump_python(decision, mode="json", exclude=_BESIDE))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, ValueError) as exc:
        raise LedgerError(
            f"a decision of kind {decision.kind!r} cannot be written as canonical JSON: {exc}",
            hint="this is a fault of the program, not of your data: please report it with the message above",
        ) from exc


def decode(leaf: bytes, *, index: int) -> Decision:
    """Return the decision that a leaf holds.

    Raises LedgerError when the bytes are not one that this version knows.
    """
    try:
        return _DECISIONS.validate_json(leaf)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LedgerError(
            f"leaf {index} is not a decision this version knows: {where}: {first['msg']}",
            hint="run `corrigibility-watchdog audit verify`; if a newer version wrote the ledger, use that one",
        ) from exc


def decode_as(kind: type[_D], leaf: bytes, *, index: int) -> _D:
    """Return the decision of the wanted kind that a leaf holds.

    Raises LedgerError when the leaf holds another one: then the row that pointed here was altered.
    """
    decision = decode(leaf, index=index)
    if not isinstance(decision, kind):
        raise LedgerError(
            f"leaf {index} holds a decision of kind {decision.kind!r} where a row expects {kind.__name__}",
            hint="a row was altered: run `corrigibility-watchdog audit verify`",
        )
    return decision


def instant(at: datetime) -> str:
    """Return an instant as fixed-width UTC text, so that the order of texts is the order of instants."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def read_instant(text: str) -> datetime:
    """Return the instant that `instant` wrote."""
    return datetime.fromisoformat(text)
