"""State as bytes: MessagePack with a version, so that a newer or older program never misreads it."""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from detectors.clients.expecting import Expected
from detectors.clients.pace import Pace
from detectors.clients.references import Segment
from detectors.clients.state import VERSION, Client
from detectors.clients.texts import Texts
from watchdog.domain.streamed import TEXTS
from watchdog.errors import LedgerError

LOG: Final = "log"
CLIENT, ORGANISATION, TEXT, SEGMENT = "client/", "org/", TEXTS, "segment/"
"""What keys begin with."""


class LogState(msgspec.Struct, array_like=True):
    """What is remembered of a log as a whole."""

    clock: float | None = None
    """The latest time that a request told."""
    hour: int = -1
    seen: int = 0
    told: list[str] = []
    """Fields that some request told."""
    paces: dict[str, Pace] = {}
    expected: Expected = msgspec.field(default_factory=Expected)
    queued: tuple[int, int] = (0, 0)
    """Places in line that were given to clients and organisations."""


_T = TypeVar("_T")
_ENCODER: Final = msgspec.msgpack.Encoder()


def to_bytes(state: Client | LogState | Segment | Texts) -> bytes:
    """Return state in the format of this version."""
    return bytes([VERSION]) + _ENCODER.encode(state)


def from_bytes(key: str, data: bytes, kind: type[_T]) -> _T:
    """Return state out of its bytes.

    Raises LedgerError when a version wrote it that is not known, or when it is no such state.
    """
    if data[:1] != bytes([VERSION]):
        raise LedgerError(
            f"the state {key!r} of a query log was written by another version of the watchdog ({data[:1].hex()})",
            hint="run the version that wrote it, or drop the state of this log: evidence and base rates start anew",
        )
    try:
        return msgspec.msgpack.decode(data[1:], type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise LedgerError(
            f"the state {key!r} of a query log cannot be read",
            hint="run `audit verify`; if the record is sound, drop the state of this log: evidence starts anew",
        ) from exc


def under(prefix: str, state: Mapping[str, bytes], kind: type[_T]) -> dict[str, _T]:
    """Return all state whose keys begin in one way, by the rest of its key."""
    return {
        key.removeprefix(prefix): from_bytes(key, data, kind) for key, data in state.items() if key.startswith(prefix)
    }
