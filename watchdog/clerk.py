"""The clerk: carries what a command wants done to whoever holds the ledger, the daemon or nobody."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from watchdog.asking import Answer, Request, ask, counter_path
from watchdog.config.model import KindSection, NotifierSection, Settings
from watchdog.domain.actors import Actor
from watchdog.domain.acts import Act
from watchdog.domain.decisions import ClientExpected, TextErased
from watchdog.domain.incidents import IncidentEvent
from watchdog.domain.log_acts import LogAct
from watchdog.domain.rollouts import Rollout, RolloutAct
from watchdog.errands import (
    INCIDENT,
    LOG,
    ROLLOUT,
    pack,
    pack_log,
    pack_rollout,
    run_errand,
    unpack,
    unpack_log,
    unpack_rollout,
)
from watchdog.errors import ConfigError, LedgerError, LedgerHeldError
from watchdog.wiring import now, open_desk

PATIENCE_S = 10.0
_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an errand, and whether the daemon did it, which also delivers what it caused."""

    result: object
    by_daemon: bool


def carry_out(
    settings: Settings[KindSection, NotifierSection],
    errand: str,
    what: object,
    actor: Actor,
    *,
    patience_s: float = PATIENCE_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> Done:
    """Do an errand on the ledger's file, or let the daemon do it when that is the writer.

    Raises ConfigError when it is refused, LedgerError when it failed, or the daemon does not answer.
    """
    deadline = monotonic() + patience_s
    while True:
        try:
            with open_desk(settings) as desk:
                return Done(run_errand(errand, what, actor, desk=desk, now=now), by_daemon=False)
        except LedgerHeldError as exc:
            held = exc
        request = Request(errand=errand, what=cast("JsonValue", what), by=actor.name, login=actor.login)
        answer = ask(counter_path(settings.ledger), request, timeout_s=max(0.1, deadline - monotonic()))
        if answer is not None and answer.outcome != "busy":
            return _done(answer)
        if monotonic() > deadline:
            raise _nobody(settings, answer) from held
        # Another command may hold the ledger for a moment, or a daemon that is starting, or stopping.
        time.sleep(_AGAIN_S)


def act(settings: Settings[KindSection, NotifierSection], act: Act, actor: Actor) -> tuple[IncidentEvent, bool]:
    """Do what a person wants done about an incident; return the step that it was, and whether the daemon took it.

    Raises what `carry_out` does.
    """
    done = carry_out(settings, INCIDENT, pack(act), actor)
    return unpack(done.result), done.by_daemon


def rollout(settings: Settings[KindSection, NotifierSection], act: RolloutAct, actor: Actor) -> tuple[Rollout, bool]:
    """Do what a person wants of a rollout; return the declaration, and whether the daemon took it.

    Raises what `carry_out` does.
    """
    done = carry_out(settings, ROLLOUT, pack_rollout(act), actor)
    return unpack_rollout(done.result), done.by_daemon


def say(
    settings: Settings[KindSection, NotifierSection], act: LogAct, actor: Actor
) -> tuple[ClientExpected | TextErased, bool]:
    """Put on the record what a person says about a log's clients; return it, and whether the daemon took it.

    Raises what `carry_out` does.
    """
    done = carry_out(settings, LOG, pack_log(act), actor)
    return unpack_log(done.result), done.by_daemon


def _done(answer: Answer) -> Done:
    match answer.outcome:
        case "refused":
            raise ConfigError(answer.problem, hint=answer.hint)
        case "failed":
            raise LedgerError(answer.problem, hint=answer.hint)
        case _:
            return Done(answer.result, by_daemon=True)


def _nobody(settings: Settings[KindSection, NotifierSection], answer: Answer | None) -> LedgerError:
    if answer is not None:
        return LedgerError(answer.problem, hint=answer.hint)
    path = counter_path(settings.ledger)
    return LedgerError(
        f"{settings.ledger}: another process holds the ledger, and takes no requests at {path}",
        hint="wait for the command that runs (`once`, `baseline`) to end; if it is the daemon, its log says why it has "
        "no socket",
    )
