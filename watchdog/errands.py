"""What can be asked of whoever holds the ledger, by one name each: the daemon does it, or a command on the file."""

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from watchdog.casework import Casework
from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.acts import Act
from watchdog.domain.incidents import IncidentEvent
from watchdog.errors import ConfigError, LedgerError
from watchdog.ports import Clock

INCIDENT = "incident"
"""Acknowledge, close or approve; takes an `Act`, returns an `IncidentEvent`."""

_ACTS: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="verb")])
_EVENTS: TypeAdapter[IncidentEvent] = TypeAdapter(IncidentEvent)


def run_errand(errand: str, what: object, actor: Actor, *, desk: Desk, now: Clock) -> object:
    """Do one errand; what it takes and returns are JSON values, so that it can come from another process.

    Raises ConfigError when it is none that this version knows, or cannot be done; LedgerError when nothing is written.
    """
    match errand:
        case "incident":
            return _EVENTS.dump_python(Casework(desk, now).perform(_act(what), actor), mode="json")
        case _:
            raise ConfigError(
                "the daemon does not know how to do this",
                hint="it may be of another version than this command: restart it after an upgrade",
            )


def pack(act: Act) -> object:
    """Return an act as JSON values."""
    return _ACTS.dump_python(act, mode="json")


def unpack(result: object) -> IncidentEvent:
    """Return the event that came of an act.

    Raises LedgerError when it is none.
    """
    try:
        return _EVENTS.validate_python(result)
    except ValidationError as exc:
        raise LedgerError(
            "the daemon's answer cannot be read, though it did what was asked",
            hint="it may be of another version than this command; look at `incidents show`",
        ) from exc


def _act(what: object) -> Act:
    try:
        return _ACTS.validate_python(what)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"the request cannot be read: {where}: {first['msg']}",
            hint="the daemon may be of another version than this command: restart it after an upgrade",
        ) from exc
