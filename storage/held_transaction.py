"""A transaction whose decisions may end in memory instead of in the file."""

from collections.abc import Callable
from typing import TypeVar

from storage.held import Overlay
from storage.ledger import SqliteLedger, SqliteTransaction
from storage.lookup import the_one
from watchdog.domain.decisions import Decision
from watchdog.domain.incidents import Incident, IncidentState
from watchdog.domain.streamed import StreamState
from watchdog.errors import LedgerBrokenError

_T = TypeVar("_T")


class HoldingTransaction:
    """Decisions that will be written, or held, together. Satisfies `ports.LedgerTransaction`.

    What it is asked is answered from what it holds itself, then from what is held already, and then from the file.
    """

    def __init__(self, begin: int, held: Overlay, file: SqliteLedger | None) -> None:
        """Begin at a leaf. Without a file it asks memory alone: a page does not wait for a file that failed."""
        self.decisions: list[Decision] = []
        self.states: list[StreamState] = []
        self.fault: LedgerBrokenError | None = None
        """What went wrong when the file was asked."""
        self._begin, self._file = begin, file
        self._overlays = (Overlay(), held)

    def append(self, decision: Decision) -> int:
        """Add one leaf, and return where it will stand if nothing that is held before it has to be dropped."""
        self.decisions.append(decision)
        self._overlays[0].take(decision, lambda _: None)
        return self._begin + len(self.decisions) - 1

    def keep(self, state: StreamState) -> None:
        """Keep how far a log was read, if the file takes it: what is not read any further waits in the log itself."""
        self.states.append(state)

    def open_incident(self, fingerprint: str) -> Incident | None:
        """Return the open incident of a fingerprint."""
        known = self._known()
        opened = (it for it in known.values() if it.state is IncidentState.OPEN)
        found = next((it for it in opened if it.fingerprint == fingerprint), None)
        if found is not None:
            return found
        found = self._ask(lambda file: file.open_incident(fingerprint), None)
        return None if found is not None and found.id in known else found

    def incident(self, id_prefix: str) -> Incident:
        """Return one incident by its id or an unambiguous beginning of it."""
        known = {id_: it for id_, it in self._known().items() if id_prefix and id_.startswith(id_prefix)}
        nowhere: list[Incident] = []
        before = self._ask(lambda file: file.incidents_like(id_prefix), nowhere)
        found = {it.id: it for it in before} | known
        return the_one(list(found.values()), id_prefix)

    def knows_finding(self, id_: str) -> bool:
        """Tell whether the finding of this id was taken in before."""
        known = any(id_ in it.findings for it in self._overlays)
        return known or self._ask(lambda file: file.knows_finding(id_), False)

    def _known(self) -> dict[str, Incident]:
        staged, held = self._overlays
        return held.incidents | staged.incidents

    def _ask(self, question: Callable[[SqliteTransaction], _T], otherwise: _T) -> _T:
        """Ask the file. Once that has failed, memory alone has to do: no page waits for it."""
        if self._file is None:
            return otherwise
        try:
            with self._file.looking() as before:
                return question(before)
        except LedgerBrokenError as exc:
            self._file, self.fault = None, exc
            return otherwise
