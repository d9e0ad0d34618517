"""Casework: what people do about incidents, written to the record as what rules do is."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.acts import Acknowledge, Act, Approve, Close
from watchdog.domain.incidents import Incident, IncidentEvent, RefusedError, acknowledge, approve, close
from watchdog.errors import ConfigError
from watchdog.ports import Clock


@dataclass(frozen=True, slots=True)
class Casework:
    """Takes an incident one step further, in one transaction with the notices that the step causes."""

    desk: Desk
    now: Clock

    def perform(self, act: Act, actor: Actor) -> IncidentEvent:
        """Do what a person asked for, and return the step that it was.

        Raises ConfigError when the incident's life does not allow it or something is missing, LedgerError when there is
        no such incident or nothing can be written; then nothing has changed.
        """
        with self.desk.ledger.transaction() as transaction:
            current = transaction.incident(act.incident)
            try:
                event = _step(current, act, actor, self.now())
            except RefusedError as exc:
                raise ConfigError(str(exc), hint=exc.hint) from exc
            except ValueError as exc:
                raise ConfigError(str(exc), hint="mend it, and give the command again") from exc
            self.desk.record(transaction, event)
        return event


def _step(current: Incident, act: Act, actor: Actor, now: datetime) -> IncidentEvent:
    match act:
        case Acknowledge():
            return acknowledge(current, by=actor, now=now, note=act.note)
        case Close():
            return close(current, act.conclude(actor, now))
        case Approve():
            return approve(current, act.proposal, by=actor, now=now)
        case _:
            assert_never(act)
