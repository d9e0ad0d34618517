"""Delivery: notices from the outbox to the notifiers, at least once, under one id each."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.domain.decisions import NoticeAnswered
from watchdog.domain.notices import Attempt, Delivery, Due
from watchdog.errors import NotifyError
from watchdog.ports import Clock, Ledger, Notifier

_FIRST_HOUR = timedelta(hours=1)
_DEAD_AFTER = timedelta(hours=72)
_LATER = tuple(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24))
"""The tail of the Standard Webhooks retry schedule."""


@dataclass(frozen=True, slots=True)
class Courier:
    """Empties the outbox. A notice that was accepted but not yet marked goes out again, with the same id."""

    ledger: Ledger
    notifiers: Mapping[str, Notifier]
    now: Clock

    def deliver_due(self, limit: int = 100, *, ahead: timedelta = timedelta()) -> int:
        """Try every notice whose time has come once, record each answer, and return how many were accepted.

        After the clock was set back, `ahead` says by how much: what was due on the old clock must not wait for the new.
        """
        accepted = 0
        for due in self.ledger.due(self.now() + ahead, limit):
            attempt = self._attempt(due)
            with self.ledger.transaction() as transaction:
                transaction.append(NoticeAnswered(at=attempt.at, attempt=attempt))
            accepted += attempt.outcome is Delivery.ACCEPTED
        return accepted

    def _attempt(self, due: Due) -> Attempt:
        notifier = self.notifiers.get(due.notice.notifier)
        number, at = due.attempts + 1, self.now()
        if notifier is None:
            problem = f"no notifier is called {due.notice.notifier!r} any more"
            return after_failure(due, number=number, answer=problem, at=at, retry_after_s=None)
        try:
            answer = notifier.send(due.notice, now=at)
        except NotifyError as exc:
            return after_failure(due, number=number, answer=exc.answer, at=self.now(), retry_after_s=exc.retry_after_s)
        return Attempt(
            notice_id=due.notice.id,
            number=number,
            outcome=Delivery.ACCEPTED,
            answer=answer,
            at=self.now(),
            next_at=None,
        )


def after_failure(due: Due, *, number: int, answer: str, at: datetime, retry_after_s: float | None) -> Attempt:
    """Say what follows a failed attempt: full-jitter back-off for an hour, then the long schedule, then dead.

    No answer of a receiver ends the retries early: neither a 4xx nor a 410 may silence a page.
    """
    age = at - due.queued_at
    if age >= _DEAD_AFTER:
        return Attempt(
            notice_id=due.notice.id, number=number, outcome=Delivery.DEAD, answer=answer, at=at, next_at=None
        )
    if age < _FIRST_HOUR:
        # Full jitter: uniform below the exponential cap, so that many notices do not come back together.
        cap_s = min(300.0, 2.0 ** min(number, 10))
        wait = timedelta(seconds=random.uniform(0.2, 1.0) * cap_s)  # noqa: S311 - spreading load, not a secret
    else:
        wait = next((step for step in _LATER if due.queued_at + step > at), _LATER[-1]) - age
        wait = max(wait, timedelta(minutes=5))
    if retry_after_s is not None:
        # A receiver may ask for patience, not for ten years of it.
        wait = max(wait, timedelta(seconds=min(max(retry_after_s, 1.0), 900.0)))
    return Attempt(
        notice_id=due.notice.id, number=number, outcome=Delivery.RETRY, answer=answer, at=at, next_at=at + wait
    )
