"""The desk: the one place where findings become incidents, and incidents become notices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from watchdog.domain.decisions import Decision, IncidentChanged, NoticeQueued
from watchdog.domain.findings import Finding, Recovery
from watchdog.domain.incidents import IncidentEvent, absorb, recover
from watchdog.domain.notices import Notice
from watchdog.domain.streamed import StreamState
from watchdog.errors import LedgerError
from watchdog.ports import Ledger, LedgerTransaction
from watchdog.rules import target_of

_MOST_NAMED = 3
"""Declared changes that a finding names."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Writes decisions and what follows from them in one transaction. Satisfies `ports.FindingSink`."""

    ledger: Ledger
    notifiers: tuple[str, ...]
    """Names of the notifiers that hear of every event that pages."""

    def report(
        self,
        decisions: Sequence[Decision],
        findings: Sequence[Finding] = (),
        recoveries: Sequence[Recovery] = (),
        state: StreamState | None = None,
    ) -> None:
        """Record the decisions, the incidents they open or close, the notices these cause, and a log's state.

        All or nothing; but where the file cannot be written, the state is left out of what is held. Each finding says
        which changes were declared for its target, because these can hide, or explain, what it is.
        """
        findings = [self._beside_declared(it) for it in findings]
        with self.ledger.transaction() as transaction:
            for decision in decisions:
                transaction.append(decision)
            for finding in findings:
                # One that was reported before, as when a caller tries again, must neither count nor page twice.
                if not transaction.knows_finding(finding.id):
                    self.record(transaction, absorb(transaction.open_incident(finding.fingerprint), finding))
            for recovery in recoveries:
                current = transaction.open_incident(recovery.fingerprint)
                if current is not None:
                    self.record(transaction, recover(current, recovery))
            if state is not None:
                transaction.keep(state)

    def _beside_declared(self, finding: Finding) -> Finding:
        target = target_of(finding.subject).partition("@")[0]
        try:
            declared = [str(it) for it in self.ledger.rollouts(target) if it.in_force(finding.seen_at)]
        except LedgerError:
            return finding  # the page must not wait for a file that cannot be read
        if not declared:
            return finding
        more = f"; and {len(declared) - _MOST_NAMED} more" if len(declared) > _MOST_NAMED else ""
        said = "; ".join(declared[:_MOST_NAMED])
        return replace(finding, attribution=f"{finding.attribution} Declared: {said}{more}.")

    def record(self, transaction: LedgerTransaction, event: IncidentEvent) -> None:
        """Write an event, and the notices it causes."""
        transaction.append(IncidentChanged(at=event.at, event=event))
        if not event.pages:
            return
        for name in self.notifiers:
            notice = Notice.of(event, name)
            transaction.append(NoticeQueued(at=event.at, notice_id=notice.id, notifier=name, event_id=event.id))
