"""What recomputing reads of a record is the same whether the ledger is a file or lives in memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from storage.record import open_record
from tests.builders import NOW, baseline, compared, finding, judged
from watchdog.desk import Desk
from watchdog.domain.decisions import Compared, Enrolled, IncidentChanged, Judged, Weighed
from watchdog.domain.evidence import Stream
from watchdog.domain.exhibits import Exhibit
from watchdog.errors import LedgerError
from watchdog.ports import Ledger, Record

Reading = Callable[[], AbstractContextManager[Record]]
BODY = "scores \U0001f600\0".encode()


@pytest.fixture(params=["memory", "sqlite"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Ledger, Reading]]:
    if request.param == "memory":
        memory = MemoryLedger()

        @contextmanager
        def reading() -> Iterator[Record]:
            yield memory

        yield memory, reading
        return
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path) as ledger:
        yield ledger, lambda: open_record(path)


@pytest.fixture
def ledger(both: tuple[Ledger, Reading]) -> Ledger:
    return both[0]


@pytest.fixture
def reading(both: tuple[Ledger, Reading]) -> Reading:
    return both[1]


def _shown(id_: str) -> Compared:
    return replace(compared(id_), exhibit=Exhibit.of(BODY))


def test_an_exhibit_is_kept_and_found_by_the_name_that_the_leaf_holds(ledger: Ledger, reading: Reading) -> None:
    Desk(ledger, ()).report([_shown("c1"), _shown("c2"), replace(judged("v1"), exhibit=Exhibit.of(b"reply"))])

    with reading() as record:
        for id_, body in (("c1", BODY), ("c2", BODY), ("v1", b"reply")):
            _, decision = record.found(id_)
            assert isinstance(decision, Compared | Judged)
            assert decision.exhibit is not None
            assert record.exhibit(decision.exhibit) == body
        assert record.exhibit(Exhibit.of(b"never shown")) is None


def test_a_transaction_that_raises_keeps_no_exhibit(ledger: Ledger, reading: Reading) -> None:
    def fail() -> None:
        with ledger.transaction() as transaction:
            transaction.append(_shown("c1"))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    with reading() as record:
        assert record.exhibit(Exhibit.of(BODY)) is None


def test_an_id_is_found_with_its_leaf_by_its_beginning(ledger: Ledger, reading: Reading) -> None:
    Desk(ledger, ()).report([compared("c1"), judged("v1")], [finding()])
    Desk(ledger, ()).report([], [finding(seconds=5)])

    with reading() as record:
        assert record.found("c") == (0, compared("c1"))
        assert record.found("v1") == (1, judged("v1"))
        incident = next(it for _, it in record.history({"incident_changed"}, naming={"t"}, until=99))
        assert isinstance(incident, IncidentChanged)
        index, newest = record.found(incident.event.incident.id[:8])
        assert isinstance(newest, IncidentChanged)
        assert (index, newest.event.incident.findings) == (3, 2)


@pytest.mark.parametrize("id_prefix", ["", "zzz", "c", "\ud800", "%", "c1' OR 1=1 --"])
def test_what_is_not_there_or_is_there_twice_is_an_error(ledger: Ledger, reading: Reading, id_prefix: str) -> None:
    Desk(ledger, ()).report([compared("c1"), compared("c2")])

    with reading() as record, pytest.raises(LedgerError):
        record.found(id_prefix)


def test_history_is_in_order_and_of_the_kinds_and_names_that_were_asked_for(ledger: Ledger, reading: Reading) -> None:
    odd = 'a "quoted"\n\u202e target'
    other = replace(compared("c2", reply='{"target":"t","kind":"judged"}'), target="u")
    Desk(ledger, ()).report(
        [
            Enrolled(at=NOW, baseline=baseline()),
            compared("c1"),
            other,
            replace(compared("c3"), target=odd),
            Weighed(at=NOW, stream=Stream(rule="divergence.gap", subject="t")),
            judged("v1"),
        ]
    )

    with reading() as record:
        read = [index for index, _ in record.history({"compared", "weighed"}, naming={"t"}, until=99)]
        assert read == [1, 4]
        assert [index for index, _ in record.history({"compared", "weighed"}, naming={"t"}, until=4)] == [1]
        assert [index for index, _ in record.history({"compared"}, naming={odd}, until=99)] == [3]
        assert [it for _, it in record.history({"enrolled"}, naming={"t"}, until=99)] == [
            Enrolled(at=NOW, baseline=baseline())
        ]
