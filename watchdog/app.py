"""An app: what a configuration comes to when everything that it names is open."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from watchdog.config.load import Loaded
from watchdog.delivery import Courier
from watchdog.desk import Desk
from watchdog.domain.decisions import Decision
from watchdog.domain.queries import LogPosition
from watchdog.domain.role import Role
from watchdog.domain.streamed import StreamState
from watchdog.enrolment import Enrolling
from watchdog.errors import ConfigError
from watchdog.integrity import Inspected, Integrity
from watchdog.ports import Clock, HoldingLedger
from watchdog.query_logs.own_probes import OwnProbes
from watchdog.query_logs.source import LogSource
from watchdog.query_logs.streaming import Streaming
from watchdog.renewing import Renewing
from watchdog.rounds import Rounds
from watchdog.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything that a command needs, put together."""

    loaded: Loaded
    """The configuration that this was put together from."""
    opened: ExitStack
    """What is closed at the end."""
    targets: tuple[Target, ...]
    desk: Desk
    ledger: HoldingLedger
    rounds: Rounds
    enrolling: Enrolling
    courier: Courier
    integrity: Integrity
    logs: tuple[LogSource, ...]
    own: Mapping[str, OwnProbes]
    """Our own probes by the log that they have to appear in."""
    role: Role
    now: Clock
    allotted: tuple[Decision, ...]
    """What this configuration changes about the shares of false incidents: to be recorded when it is taken up."""

    @property
    def renewing(self) -> Renewing:
        """The rounds, after an enrolment where a declared model came."""
        return Renewing(rounds=self.rounds, enrolling=self.enrolling)

    def inspect(self, *, unless_since: datetime | None = None) -> tuple[Inspected, ...]:
        """Look at the files of every model, and record what was seen; not again since an instant, if one is given."""
        seen = []
        for it in self.integrity.inspect(unless_since=unless_since):
            self.desk.report([it.check], it.findings, it.recoveries)
            seen.append(it)
        return tuple(seen)

    def open_streams(self) -> tuple[Streaming, ...]:
        """Open the streams of the logs whose format is known, each where the record stands; they are closed at the end.

        Raises a WatchdogError when one cannot be opened.
        """
        streams = tuple(stream for it in self.logs if (stream := it.open()) is not None)
        for stream in streams:
            self.opened.callback(stream.close)
            stream.resume(self.now())
        return streams

    def keep_own(self) -> None:
        """Put on the record which requests were ours, for whoever reads the log next."""
        for log, own in self.own.items():
            changed = own.changed()
            if changed:
                kept = self.ledger.logs.kept(log)
                # A log that was never read stays so: what is there before its first reading is not new.
                serial = 0 if kept is None or not kept.serial else kept.serial + 1
                position = LogPosition() if kept is None else kept.position
                state = StreamState(log=log, serial=serial, at=self.now(), position=position, changed=changed)
                self.desk.report([], state=state)
                own.committed(changed)

    def target(self, name: str | None) -> tuple[Target, ...]:
        """Return the target of that name with its variants, or all of them when none is named.

        Raises ConfigError when there is no such target.
        """
        chosen = tuple(it for it in self.targets if name in (None, it.name, it.configured_as))
        if not chosen:
            known = ", ".join(it.name for it in self.targets)
            raise ConfigError(f"no target is called {name!r}", hint=f"the configuration names {known}")
        return chosen
