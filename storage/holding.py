"""A ledger that goes on when its file cannot be written: it holds decisions in memory until the file takes them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Self

from storage import outbox
from storage.files import engine_name
from storage.held import Held, Overlay
from storage.held_logs import HeldLogs
from storage.held_transaction import HoldingTransaction
from storage.ledger import SqliteLedger
from storage.reserve import LITTLE, Reserve
from watchdog.domain.abilities import Abilities
from watchdog.domain.decisions import Decision, HeldBack, SharesAllotted, WeightsChecked
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.notices import Due
from watchdog.domain.rollouts import Rollout, RolloutCount
from watchdog.domain.sight import Sight
from watchdog.domain.streamed import StreamState
from watchdog.errors import LedgerBrokenError, LedgerError, LedgerFullError, LedgerStalledError
from watchdog.ports import Clock, LedgerState

_AT_ONCE = 1000
"""Held decisions that are written in one commit."""
_BUSY_S = 1.0
"""For how long one call writes held decisions, while others wait for it."""
_FREE = "free space on the disk of the ledger; nothing has to be restarted"
_LEFT_ALONE = "the file was damaged, or its disk failed; it is not touched again before a restart has verified it"


class HoldingLedger:
    """A SqliteLedger that never loses a decision to a full disk, nor a page to a broken one.

    Satisfies `ports.HoldingLedger`. What is held is seen by every read, so that rounds go on with the right evidence
    and notices leave the outbox as always. Once writing has failed in a way that may have harmed the file, it is left
    alone: decisions stay in memory, and reads of the file raise LedgerBrokenError.
    """

    def __init__(
        self,
        file: SqliteLedger,
        *,
        now: Clock,
        reserve: Reserve | None = None,
        make_held: Callable[[], Held] = Held,
    ) -> None:
        """Take over a ledger; closing this one closes that."""
        self._file, self._now, self._make_held = file, now, make_held
        self._reserve = reserve or Reserve(file.path)
        self._turn = threading.RLock()
        self._held = make_held()
        self._problem, self._hint, self._full, self._broken = "", "", False, False
        self._since: datetime | None = None
        with file.looking() as before:
            self._size, _ = before.head
        self._look_for_space()

    @property
    def state(self) -> LedgerState:
        """How it stands."""
        with self._turn:
            return LedgerState(
                engine=engine_name(),
                reserve=self._reserve.kept,
                held=len(self._held),
                dropped=self._held.dropped,
                problem=self._problem,
                hint=self._hint,
                since=self._since,
                full=self._full,
                broken=self._broken,
            )

    @contextmanager
    def transaction(self) -> Iterator["HoldingTransaction"]:
        """Begin; at the end of the block the decisions are in the file, or held when it does not take them.

        Leaves no trace when the block raises. Raises LedgerError when a decision could never be written.
        """
        with self._turn:
            begin = self._size + len(self._held)
            transaction = HoldingTransaction(begin, self._held.overlay, None if self._broken else self._file)
            yield transaction
            if transaction.fault is not None:
                self._trouble(transaction.fault)
            if transaction.decisions or transaction.states:
                self._take(tuple(transaction.decisions), tuple(transaction.states))

    def flush(self) -> None:
        """Try to write what is held, for a second at most, and look whether there is still space. Never raises."""
        with self._turn:
            if self._broken:
                return
            until = time.monotonic() + _BUSY_S
            while len(self._held) and time.monotonic() < until:
                try:
                    if not self._write_some():
                        return
                except LedgerError as exc:
                    self._trouble(exc)
                    return
            if not len(self._held):
                self._look_for_space()

    @property
    def logs(self) -> HeldLogs:
        """What the record has about query logs."""
        return HeldLogs(self._reading)

    def baseline(self, rule: str, subject: str) -> Baseline | None:
        """Return the newest enrolment of a stream."""
        with self._reading() as (file, held):
            return held.baselines.get((rule, subject)) or file.baseline(rule, subject)

    def stream(self, rule: str, subject: str) -> Stream:
        """Return the evidence of a stream as last weighed."""
        with self._reading() as (file, held):
            return held.streams.get((rule, subject)) or file.stream(rule, subject)

    def shares(self) -> SharesAllotted | None:
        """Return the newest allotment of shares."""
        with self._reading() as (file, held):
            return held.shares or file.shares()

    def sight(self, rule: str, subject: str) -> Sight:
        """Return how well a subject can be looked at."""
        with self._reading() as (file, held):
            return held.sights.get((rule, subject)) or file.sight(rule, subject)

    def weights(self, subject: str) -> WeightsChecked | None:
        """Return the newest check of the files of a channel's model."""
        with self._reading() as (file, held):
            return held.weights.get(subject) or file.weights(subject)

    def abilities(self, subject: str) -> Abilities | None:
        """Return what a delivered channel was seen to do."""
        with self._reading() as (file, held):
            return held.abilities.get(subject) or file.abilities(subject)

    def rollouts(self, target: str | None = None) -> tuple[Rollout, ...]:
        """Return what was declared and not withdrawn: for one target, or for all."""
        with self._reading() as (file, held):
            written = tuple(it for it in file.rollouts(target) if it.id not in held.rollouts)
            new = (it for it in held.rollouts.values() if it is not None)
            return written + tuple(it for it in new if target in (None, it.target))

    def rollout_count(self, rollout: str, subject: str) -> RolloutCount:
        """Return what was counted of a declaration on one delivered channel."""
        with self._reading() as (file, held):
            return held.rollout_counts.get((rollout, subject)) or file.rollout_count(rollout, subject)

    def offline(self) -> frozenset[str]:
        """Return the subjects that no endpoint could be reached for in their last round."""
        with self._reading() as (file, held):
            return file.offline(held.sights) | {it.subject for it in held.sights.values() if it.offline}

    def tokens_spent(self, target: str, day: date) -> int:
        """Return what the rounds on a target that began on a UTC day cost."""
        with self._reading() as (file, held):
            return file.tokens_spent(target, day) + held.tokens_spent(target, day)

    def due(self, now: datetime, limit: int) -> list[Due]:
        """Return notices whose time has come, oldest first; from memory alone once the file is broken."""
        with self._turn:
            ready, checkpoint = self._held.overlay.due(now), None
            if not self._broken:
                with self._reading() as (file, held), file.reading() as connection:
                    ready += outbox.due(connection, held.outbox, now, limit)
                    checkpoint = outbox.checkpoint(connection)
        chosen = [due for _, due in sorted(ready, key=lambda pair: pair[0])[:limit]]
        return [replace(it, notice=replace(it.notice, checkpoint=checkpoint)) for it in chosen]

    def next_due(self) -> datetime | None:
        """Return when the next waiting notice is due; from memory alone once the file is broken."""
        with self._turn:
            at = [self._held.overlay.next_due()]
            if not self._broken:
                with self._reading() as (file, held), file.reading() as connection:
                    at.append(outbox.next_due(connection, held.outbox))
        return min((it for it in at if it is not None), default=None)

    def close(self) -> None:
        """Try once more to write what is held, and let go of the file."""
        with self._turn:
            self.flush()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[tuple[SqliteLedger, Overlay]]:
        with self._turn:
            if self._broken:
                raise LedgerBrokenError(f"{self._file.path}: {_LEFT_ALONE}", hint="restart the watchdog")
            try:
                yield self._file, self._held.overlay
            except LedgerBrokenError as exc:
                self._trouble(exc)
                raise

    def _notice(self, notice_id: str) -> Due | None:
        try:
            with self._reading() as (file, _), file.reading() as connection:
                return outbox.notice(connection, notice_id)
        except LedgerError:
            return None

    def _take(self, decisions: tuple[Decision, ...], states: tuple[StreamState, ...]) -> None:
        self.flush()
        if not len(self._held) and not self._broken and self._write(decisions, states):
            return
        # A state without the decisions it led to would be false, and is made again from the log.
        if decisions:
            self._held.take(decisions, self._notice)

    def _write_some(self) -> bool:
        """Write the oldest of what is held, and after the last of it that it was held; say whether the file took it."""
        reports = self._held.oldest(_AT_ONCE)
        decisions = tuple(it for report in reports for it in report)
        if len(decisions) == len(self._held):
            decisions += (self._held_back(len(decisions)),)
        if not self._write(decisions):
            return False
        self._held.forget(len(reports))
        if not len(self._held):
            self._held = self._make_held()
        return True

    def _write(self, decisions: tuple[Decision, ...], states: tuple[StreamState, ...] = ()) -> bool:
        """Write in one transaction, at the cost of the reserve if need be; say whether the file took it.

        Raises LedgerError when the decisions are at fault and not the file.
        """
        try:
            self._commit(decisions, states)
        except LedgerFullError as exc:
            self._trouble(exc)
            return self._reserve.release() and self._write(decisions, states)
        except (LedgerStalledError, LedgerBrokenError) as exc:
            self._trouble(exc)
            return False
        return True

    def _commit(self, decisions: tuple[Decision, ...], states: tuple[StreamState, ...]) -> None:
        with self._file.transaction() as transaction:
            for decision in decisions:
                transaction.append(decision)
            for state in states:
                transaction.keep(state)
        self._size += len(decisions)

    def _held_back(self, last: int) -> HeldBack:
        since = self._since or self._now()
        decisions, dropped = self._held.written + last, self._held.dropped
        return HeldBack(at=self._now(), since=since, decisions=decisions, dropped=dropped, why=self._problem)

    def _look_for_space(self) -> None:
        kept = self._reserve.keep()
        if kept and self._reserve.room() >= LITTLE:
            self._problem, self._hint, self._since, self._full = "", "", None, False
        elif not self._problem:
            left = f"{self._reserve.room() >> 10:,} KiB are left on its disk"
            self._say(left if kept else f"{left}, too little to keep a reserve", _FREE, full=True)

    def _trouble(self, exc: LedgerError) -> None:
        self._broken = self._broken or isinstance(exc, LedgerBrokenError)
        problem = exc.problem.removeprefix(f"{self._file.path}: ")
        self._say(problem, exc.hint, full=isinstance(exc, LedgerFullError))

    def _say(self, problem: str, hint: str, *, full: bool) -> None:
        self._problem, self._hint, self._full = problem, hint, full
        self._since = self._since or self._now()
