"""The stream of one query log: read, look, and record; the same steps every time, and a position that never runs ahead.

What a commit takes is everything that the lines before its position led to, and the detectors' state after them. So a
process that is killed goes on where the record stands, and decides what it would have decided.
"""

import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchdog.domain.decisions import ClientExpected, LogOpened, ReferenceFixed
from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.queries import Expectation, LogPosition, Reference
from watchdog.domain.streamed import StreamState, position_digest
from watchdog.ports import FindingSink, Ledger, QueryLog
from watchdog.query_logs.account import KEY as ACCOUNT
from watchdog.query_logs.account import Account
from watchdog.query_logs.alarms import PREFIX as OPEN
from watchdog.query_logs.alarms import OpenAlarms, raised
from watchdog.query_logs.checks import LogChecks
from watchdog.query_logs.effects import Effects
from watchdog.query_logs.own_probes import PREFIX as OWN
from watchdog.query_logs.own_probes import OwnProbes
from watchdog.query_logs.rate import Rate
from watchdog.query_logs.sifting import Sifted, Sifting

CHUNK = 4 << 20
"""Bytes that are read at once."""
COMMIT_S = 2.0
"""How long effects wait for a commit at most, unless somebody has to be told: then not at all."""
_SHARE = 10
"""How many times longer than a commit takes the next one waits, so that commits take a tenth of the time at most."""
_LONGEST_S = 30.0
NEWEST = "newest"
"""Key of the newest request's time in the state."""
_OURS, _PREFIXES = frozenset({ACCOUNT, NEWEST}), (OPEN, OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """What one step did."""

    more: bool
    """Whether more lines wait already."""
    sifted: Sifted = field(default_factory=Sifted)
    findings: tuple[Finding, ...] = ()
    recoveries: tuple[Recovery, ...] = ()


class Streaming:
    """Streams one log. One thread steps it; any thread may tell it what people said."""

    def __init__(
        self,
        *,
        log: QueryLog,
        sifting: Sifting,
        ledger: Ledger,
        desk: FindingSink,
        checks: LogChecks,
        salt: Callable[[], bytes] = lambda: secrets.token_bytes(16),
        monotonic: Callable[[], float] = time.monotonic,
        chunk: int = CHUNK,
        commit_s: float = COMMIT_S,
    ) -> None:
        self.desk = desk
        """Replaced when the daemon puts its hatch before it."""
        self.rate = Rate(monotonic)
        self.lag_bytes = 0
        self._log, self._sifting, self._ledger, self._checks = log, sifting, ledger, checks
        self._watch, self._own = sifting.watch, sifting.own or OwnProbes()
        self._salt, self._monotonic, self._chunk, self._commit_s = salt, monotonic, chunk, commit_s
        self._effects, self._open = Effects(), OpenAlarms(sifting.log)
        self._account: Account | None = None
        self._position, self._serial = LogPosition(), 0
        self._next_at = 0.0
        self._heard: deque[Callable[[], None]] = deque()
        self._settled: list[Reference] = []
        self._looked_at: datetime | None = None

    @property
    def name(self) -> str:
        """The log's name."""
        return self._sifting.log

    @property
    def sifting(self) -> Sifting:
        """What is done with its lines."""
        return self._sifting

    def resume(self, now: datetime) -> None:
        """Go on where the record stands; has to come before the first step.

        Raises LedgerError when the record cannot be read, or another version wrote it.
        """
        kept = self._ledger.logs.kept(self.name)
        self._account = Account(self.name, now)
        if kept is not None:
            self._serial, self._position = kept.serial, kept.position
        self._restore(self._ledger.logs.state(self.name))
        if self._serial:  # also where no file was there yet: what came since then is new
            self._log.resume(self._position)
        else:
            self._own.excuse()
        self._expect()
        opened = LogOpened(
            at=now,
            log=self.name,
            format=self._sifting.form.name,
            resumed=self._serial > 0,
            position=position_digest(self._position),
        )
        self.desk.report([opened])

    def step(self, now: datetime) -> Stepped:
        """Read some lines, take in what they lead to, and record it if it is time.

        Raises LedgerError when it cannot be recorded, and AbandonedError after the end; then it is recorded later, or
        read again.
        """
        while self._heard:
            self._heard.popleft()()
        chunk = self._log.read(self._chunk)
        sifted = self._sifting.take(chunk)
        self.lag_bytes = chunk.lag_bytes
        if chunk.position != self._position:
            self._position, self._effects.moved = chunk.position, True
        looked = self._checks.look(chunk, sifted, self._watch.standing(), now)
        before = len(self._effects.findings), len(self._effects.recoveries)
        self._take(sifted, now)
        self._effects.findings += looked.findings
        self._effects.recoveries += [*looked.recoveries, *self._quiet(now)]
        findings, recoveries = self._effects.findings[before[0] :], self._effects.recoveries[before[1] :]
        if self._effects.urgent or (self._changed() and self._monotonic() >= self._next_at):
            self._commit(now)
        return Stepped(
            more=bool(chunk.lines) and chunk.lag_bytes > 0,
            sifted=sifted,
            findings=tuple(findings),
            recoveries=tuple(recoveries),
        )

    def stop(self, now: datetime) -> None:
        """Record what is left, with the account of what was read, and let go of the files."""
        try:
            if self._account is not None:
                self._close_account(self._account, now)
                self._commit(now)
        finally:
            self._log.close()

    def close(self) -> None:
        """Let go of the files without recording anything: what was not recorded is read again."""
        self._log.close()

    def expect(self) -> None:
        """Take note that people said what is expected: it is read from the record before the next lines are."""
        self._heard.append(self._expect)

    def forget(self, client: str | None) -> None:
        """Take note that what a client wrote, or with None what all wrote, was erased."""
        self._heard.append(lambda: self._forget(client))

    def _forget(self, client: str | None) -> None:
        self._watch.forget(client)
        self._effects.texts = [it for it in self._effects.texts if client not in (None, it.client)]
        self._effects.moved = True

    def _take(self, sifted: Sifted, now: datetime) -> None:
        self.rate.add(sifted.queries)
        if self._account is None:
            raise RuntimeError("a stream is stepped before it was resumed")
        self._account.add(sifted)
        for alarm in sifted.alarms:
            it = raised(alarm, salt=self._salt, at=now)
            self._effects.decisions.append(it.alarmed)
            self._effects.findings.append(it.finding)
            self._effects.texts += it.texts
            self._open.note(alarm)
        if self._account.due(now):
            self._close_account(self._account, now)

    def _close_account(self, account: Account, now: datetime) -> None:
        self._effects.decisions.append(account.close(self._position, self._sifting.newest_at, now))

    def _quiet(self, now: datetime) -> list[Recovery]:
        """Look every minute of the log's time for clients that are quiet again."""
        newest = self._sifting.newest_at
        if newest is None or (self._looked_at is not None and newest - self._looked_at < timedelta(minutes=1)):
            return []
        self._looked_at = newest
        return self._open.over(self._watch, newest, now)

    def _changed(self) -> bool:
        return bool(self._effects.moved or self._effects.decisions or self._own.changed())

    def _commit(self, now: datetime) -> None:
        """Record everything that waits; a state that the file did not take is offered again with the next."""
        begun = self._monotonic()
        settled = [it for it in self._watch.settled() if it not in self._settled]
        fixed = [ReferenceFixed(at=now, log=self.name, reference=it) for it in settled]
        mine = self._own.changed()
        state, waiting = self._offered(mine, now), self._effects
        self.desk.report([*fixed, *waiting.decisions], waiting.findings, waiting.recoveries, state)
        # What was decided is in the record now, or held for it.
        self._effects = Effects(texts=waiting.texts, moved=True)
        self._settled += settled
        kept = self._ledger.logs.kept(self.name)
        if kept is not None and kept.serial == state.serial:
            self._taken(state, mine)
        cost = self._monotonic() - begun
        self._next_at = self._monotonic() + max(self._commit_s, min(_SHARE * cost, _LONGEST_S))

    def _offered(self, mine: Mapping[str, bytes | None], now: datetime) -> StreamState:
        """Return all that changed since the file last took something."""
        changed: dict[str, bytes | None] = {**self._watch.changed(), **self._open.changed(), **mine}
        changed[NEWEST] = json.dumps(self._sifting.newest).encode()
        changed[ACCOUNT] = b"" if self._account is None else self._account.packed()
        return StreamState(
            log=self.name,
            serial=self._serial + 1,
            at=now,
            position=self._position,
            changed=changed,
            texts=tuple(self._effects.texts),
        )

    def _taken(self, state: StreamState, mine: Mapping[str, bytes | None]) -> None:
        self._serial, self._effects, self._settled = state.serial, Effects(), []
        self._watch.committed()
        self._open.committed()
        self._own.committed(mine)

    def _restore(self, state: Mapping[str, bytes]) -> None:
        self._open.restore(state)
        self._own.restore(state)
        if ACCOUNT in state and self._account is not None:
            self._account.restore(state[ACCOUNT])
        self._sifting.newest = json.loads(state.get(NEWEST, b"null"))
        self._watch.restore(
            {key: it for key, it in state.items() if key not in _OURS and not key.startswith(_PREFIXES)}
        )

    def _expect(self) -> None:
        self._watch.expect([_expectation(it) for it in self._ledger.logs.expected(self.name)])


def _expectation(it: ClientExpected) -> Expectation:
    return Expectation(client=it.client, rule=it.rule, rate=it.rate, at=it.at, until=it.until)
