"""Declarations of rollouts, written to the record as people make them and take them back."""

import uuid
from dataclasses import dataclass
from typing import assert_never

from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.decisions import RolloutDeclared, RolloutWithdrawn
from watchdog.domain.rollouts import Declare, Rollout, RolloutAct, Withdraw, declared, reason_of
from watchdog.errors import ConfigError
from watchdog.ports import Clock

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class RolloutDesk:
    """Takes declarations, and takes them back; each is one leaf."""

    desk: Desk
    now: Clock

    def perform(self, act: RolloutAct, actor: Actor) -> Rollout:
        """Do what a person asked for, and return the declaration that it is about.

        Raises ConfigError when something is missing or cannot be; LedgerError when nothing can be written.
        """
        at = self.now()
        try:
            match act:
                case Declare():
                    rollout = declared(act, id_=uuid.uuid4().hex, by=actor, at=at)
                    decision: RolloutDeclared | RolloutWithdrawn = RolloutDeclared(at=at, rollout=rollout)
                case Withdraw():
                    rollout = self._the_one(act.rollout)
                    decision = RolloutWithdrawn(at=at, rollout=rollout, by=actor, reason=reason_of(act))
                case _:
                    assert_never(act)
        except ValueError as exc:
            raise ConfigError(str(exc), hint="mend it, and give the command again") from exc
        self.desk.report([decision])
        return rollout

    def _the_one(self, id_prefix: str) -> Rollout:
        found = [it for it in self.desk.ledger.rollouts() if id_prefix and it.id.startswith(id_prefix)]
        if len(found) == 1:
            return found[0]
        named = ", ".join(it.id[:8] for it in found[:_MOST_NAMED])
        raise ConfigError(
            f"{len(found) or 'no'} declarations in the record have an id that begins with {id_prefix!r}",
            hint=f"give more of the id: {named}" if found else "`corrigibility-watchdog rollout list` shows the ids",
        )
