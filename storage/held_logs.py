"""What the record has about query logs, while some of it is held in memory."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from storage.held import Overlay
from storage.ledger import SqliteLedger
from watchdog.domain.decisions import Alarmed, ClientExpected
from watchdog.domain.streamed import Kept


@dataclass(frozen=True, slots=True)
class HeldLogs:
    """Answers from the file, and from what is held. Satisfies `ports.LogRecord`.

    Positions and states are never held: the file alone has them.
    """

    reading: Callable[[], AbstractContextManager[tuple[SqliteLedger, Overlay]]]

    def kept(self, log: str) -> Kept | None:
        """Return how far a log was read, with all its effects in the file."""
        with self.reading() as (file, _):
            return file.logs.kept(log)

    def state(self, log: str) -> Mapping[str, bytes]:
        """Return the state that was kept with that."""
        with self.reading() as (file, _):
            return file.logs.state(log)

    def expected(self, log: str) -> tuple[ClientExpected, ...]:
        """Return the newest word of people on each client and rule of a log."""
        with self.reading() as (file, held):
            words = {(it.log, it.client, it.rule): it for it in file.logs.expected(log)}
            return tuple((words | {key: it for key, it in held.expected.items() if it.log == log}).values())

    def alarm(self, rule: str, log: str, client: str) -> Alarmed | None:
        """Return the newest alarm about a client."""
        with self.reading() as (file, held):
            return held.alarms.get((rule, log, client)) or file.logs.alarm(rule, log, client)

    def texts(self, *, log: str | None, client: str | None, before: datetime | None) -> int:
        """Count the texts of customers that are kept."""
        with self.reading() as (file, _):
            return file.logs.texts(log=log, client=client, before=before)
