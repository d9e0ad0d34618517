"""What people say about the clients of query logs, written to the record."""

from dataclasses import dataclass

from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.decisions import ClientExpected, TextErased
from watchdog.domain.findings import Recovery
from watchdog.domain.incidents import IncidentState, recover
from watchdog.domain.log_acts import Erase, Expect
from watchdog.domain.queries import Alarm
from watchdog.domain.text import written
from watchdog.errors import ConfigError
from watchdog.ports import Clock

RECOVERY = "expected-by-a-person"
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class LogCasework:
    """Each act is one transaction."""

    desk: Desk
    now: Clock

    def expect(self, act: Expect, actor: Actor) -> ClientExpected:
        """Put on the record that what a client does is expected; its open incident recovers by that.

        Raises ConfigError when the incident is not about a client of a log, or something is missing; LedgerError when
        there is no such incident.
        """
        reason = _reason(act.reason)
        ledger, now = self.desk.ledger, self.now()
        with ledger.transaction() as transaction:
            current = transaction.incident(act.incident)
            log, _, client = current.subject.partition("/")
            alarmed = ledger.logs.alarm(current.rule, log, client)
            if alarmed is None:
                raise ConfigError(
                    f"incident {current.id[:8]} is not about a client of a query log",
                    hint="close it with `incidents close`; `incidents list` shows what each one is about",
                )
            word = ClientExpected(
                at=now,
                log=log,
                client=client,
                rule=current.rule,
                rate=_rate(act, alarmed.alarm),
                until=act.until,
                incident=current.id,
                by=actor,
                reason=reason,
            )
            transaction.append(word)
            if word.rate and current.state is IncidentState.OPEN:
                over = Recovery(rule=current.rule, subject=current.subject, by=RECOVERY, seen_at=now)
                self.desk.record(transaction, recover(current, over))
        return word

    def erase(self, act: Erase, actor: Actor) -> TextErased:
        """Erase what clients wrote, and put on the record who wanted it; the leaves about their alarms stay.

        Raises ConfigError when nothing is named, or the reason is missing.
        """
        reason = _reason(act.reason)
        if act.client is None and act.before is None:
            raise ConfigError("nothing is named that could be erased", hint="give --client, or --before, or both")
        erased = TextErased(
            at=self.now(),
            log=act.log,
            client=act.client,
            before=act.before,
            texts=self.desk.ledger.logs.texts(log=act.log, client=act.client, before=act.before),
            by=actor,
            reason=reason,
        )
        self.desk.report([erased])
        return erased


def _reason(text: str) -> str:
    try:
        reason = written("a reason", text, _LONGEST)
    except ValueError as exc:
        raise ConfigError(f"--reason: {exc}", hint="say it in a sentence or two") from exc
    if not reason:
        raise ConfigError("--reason: it is empty", hint="say why: auditors read it")
    return reason


def _rate(act: Expect, alarm: Alarm) -> float:
    """Return the expected rate; from an alarm a little more than it showed, or it would come again by chance."""
    if act.rate is None:
        return min(1.0, (alarm.hits + 1) / (alarm.trials + 1))
    if not 0 <= act.rate <= 1:
        raise ConfigError(f"--rate: {act.rate:g} is no rate", hint="give a number from 0 to 1; 0 takes the word back")
    return act.rate
