"""What can be asked of whoever holds the ledger, by one name each: the daemon does it, or a command on the file."""

from collections.abc import Callable
from typing import Annotated, TypeVar, assert_never

from pydantic import Field, TypeAdapter, ValidationError

from watchdog.casework import Casework
from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.acts import Act
from watchdog.domain.decisions import ClientExpected, TextErased
from watchdog.domain.incidents import IncidentEvent
from watchdog.domain.log_acts import Erase, Expect, LogAct
from watchdog.domain.rollouts import Rollout, RolloutAct
from watchdog.errors import ConfigError, LedgerError
from watchdog.ports import Clock
from watchdog.query_logs.casework import LogCasework
from watchdog.query_logs.streaming import Streaming
from watchdog.rollout_desk import RolloutDesk

_T = TypeVar("_T")

INCIDENT = "incident"
"""Acknowledge, close or approve; takes an `Act`, returns an `IncidentEvent`."""

ROLLOUT = "rollout"
"""Declare a rollout, or withdraw one; takes a `RolloutAct`, returns the `Rollout`."""

_ROLLOUT_ACTS: TypeAdapter[RolloutAct] = TypeAdapter(Annotated[RolloutAct, Field(discriminator="verb")])
_ROLLOUTS: TypeAdapter[Rollout] = TypeAdapter(Rollout)

LOG = "log"
"""Say that a client is expected, or have texts erased; takes a `LogAct`, returns the decision."""

_LOG_ACTS: TypeAdapter[LogAct] = TypeAdapter(Annotated[LogAct, Field(discriminator="verb")])
_WORDS: TypeAdapter[ClientExpected | TextErased] = TypeAdapter(
    Annotated[ClientExpected | TextErased, Field(discriminator="kind")]
)
_ACTS: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="verb")])
_EVENTS: TypeAdapter[IncidentEvent] = TypeAdapter(IncidentEvent)


def run_errand(errand: str, what: object, actor: Actor, *, desk: Desk, now: Clock) -> object:
    """Do one errand; what it takes and returns are JSON values, so that it can come from another process.

    Raises ConfigError when it is none that this version knows, or cannot be done; LedgerError when nothing is written.
    """
    match errand:
        case "incident":
            return _EVENTS.dump_python(Casework(desk, now).perform(_read(_ACTS, what), actor), mode="json")
        case "rollout":
            act = _read(_ROLLOUT_ACTS, what)
            return _ROLLOUTS.dump_python(RolloutDesk(desk, now).perform(act, actor), mode="json")
        case "log":
            return _WORDS.dump_python(_log_act(_read(_LOG_ACTS, what), actor, LogCasework(desk, now)), mode="json")
        case _:
            raise ConfigError(
                "the daemon does not know how to do this",
                hint="it may be of another version than this command: restart it after an upgrade",
            )


def pack(act: Act) -> object:
    """Return an act as JSON values."""
    return _ACTS.dump_python(act, mode="json")


def pack_rollout(act: RolloutAct) -> object:
    """Return what a person wants of a rollout as JSON values."""
    return _ROLLOUT_ACTS.dump_python(act, mode="json")


def pack_log(act: LogAct) -> object:
    """Return what a person says about a log as JSON values."""
    return _LOG_ACTS.dump_python(act, mode="json")


def unpack(result: object) -> IncidentEvent:
    """Return the event that came of an act.

    Raises LedgerError when it is none.
    """
    return _answer(_EVENTS, result, "incidents show")


def unpack_rollout(result: object) -> Rollout:
    """Return the declaration that an act was about.

    Raises LedgerError when it is none.
    """
    return _answer(_ROLLOUTS, result, "rollout list")


def unpack_log(result: object) -> ClientExpected | TextErased:
    """Return the decision that came of what a person said about a log.

    Raises LedgerError when it is none.
    """
    return _answer(_WORDS, result, "logs status")


def heard(result: object) -> tuple[str | None, Callable[[Streaming], None]]:
    """Return which streams have to hear of what a person said, and how."""
    match unpack_log(result):
        case ClientExpected(log=log):
            return log, Streaming.expect
        case TextErased(log=log, client=client):
            return log, lambda stream: stream.forget(client)


def _log_act(act: LogAct, actor: Actor, casework: LogCasework) -> ClientExpected | TextErased:
    match act:
        case Expect():
            return casework.expect(act, actor)
        case Erase():
            return casework.erase(act, actor)
        case _:
            assert_never(act)


def _answer(of: TypeAdapter[_T], result: object, look_at: str) -> _T:
    try:
        return of.validate_python(result)
    except ValidationError as exc:
        raise LedgerError(
            "the daemon's answer cannot be read, though it did what was asked",
            hint=f"it may be of another version than this command; look at `{look_at}`",
        ) from exc


def _read(of: TypeAdapter[_T], what: object) -> _T:
    try:
        return of.validate_python(what)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"the request cannot be read: {where}: {first['msg']}",
            hint="the daemon may be of another version than this command: restart it after an upgrade",
        ) from exc
