"""What every ledger promises about query logs: a position is never ahead of its effects."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.holding import HoldingLedger
from storage.ledger import SqliteLedger
from storage.memory import MemoryLedger
from tests.builders import NOW, at, finding, person
from tests.faults.small import Disk
from watchdog.desk import Desk
from watchdog.domain.decisions import ClientExpected, TextErased
from watchdog.domain.queries import FilePosition, LogPosition
from watchdog.domain.streamed import CustomerText, StreamState
from watchdog.ports import Ledger


@pytest.fixture(params=["memory", "sqlite", "holding"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    file = SqliteLedger(tmp_path / "ledger.sqlite")
    if request.param == "sqlite":
        with file:
            yield file
        return
    with HoldingLedger(file, now=lambda: NOW) as holding:
        yield holding


def position(offset: int, path: str = "/var/log/a.jsonl") -> LogPosition:
    place = FilePosition(path=path, device=1, inode=2, offset=offset, head="00", head_size=4)
    return LogPosition(files=(place,))


def state(serial: int = 1, *, log: str = "gateway", **changed: bytes | None) -> StreamState:
    return StreamState(log=log, serial=serial, at=at(serial), position=position(serial), changed=changed)


def text(client: str, seconds: int = 0, *, log: str = "gateway") -> CustomerText:
    return CustomerText.of(f"from {client} at {seconds}", salt=b"salt", log=log, client=client, at=at(seconds))


def test_a_log_that_was_never_read_has_no_position_and_no_state(ledger: Ledger) -> None:
    assert ledger.logs.kept("gateway") is None
    assert ledger.logs.state("gateway") == {}


def test_position_and_state_are_kept_with_the_findings_they_belong_to(ledger: Ledger) -> None:
    Desk(ledger, ()).report([], [finding()], [], state(3, a=b"1"))

    kept = ledger.logs.kept("gateway")
    assert kept is not None
    assert (kept.serial, kept.position, kept.at) == (3, position(3), at(3))
    assert ledger.logs.state("gateway") == {"a": b"1"}


def test_a_path_that_is_no_text_comes_back_as_it_was(ledger: Ledger) -> None:
    odd = position(1, path="/var/log/\udcff.jsonl")
    Desk(ledger, ()).report([], state=StreamState(log="gateway", serial=1, at=at(1), position=odd))
    kept = ledger.logs.kept("gateway")
    assert kept is not None
    assert kept.position == odd


def test_a_block_that_raises_leaves_position_and_state_as_they_were(ledger: Ledger) -> None:
    Desk(ledger, ()).report([], state=state(1, a=b"1"))

    def fail() -> None:
        with ledger.transaction() as transaction:
            transaction.keep(state(2, a=b"2"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    kept = ledger.logs.kept("gateway")
    assert kept is not None
    assert kept.serial == 1
    assert ledger.logs.state("gateway") == {"a": b"1"}


def test_state_changes_key_by_key_and_each_log_has_its_own(ledger: Ledger) -> None:
    desk = Desk(ledger, ())
    desk.report([], state=state(1, a=b"1", b=b"2"))
    desk.report([], state=state(1, log="other", a=b"9"))
    desk.report([], state=state(2, a=None, c=b"3"))

    assert ledger.logs.state("gateway") == {"b": b"2", "c": b"3"}
    assert ledger.logs.state("other") == {"a": b"9"}


def test_the_newest_word_on_a_client_and_rule_is_the_one_that_counts(ledger: Ledger) -> None:
    def word(client: str, rate: float) -> ClientExpected:
        return ClientExpected(
            at=at(0),
            log="gateway",
            client=client,
            rule="boundary_flood",
            rate=rate,
            until=None,
            incident="i",
            by=person(),
            reason="a red team",
        )

    Desk(ledger, ()).report([word("a", 0.5), word("b", 0.1), word("a", 0.7)])

    assert {it.client: it.rate for it in ledger.logs.expected("gateway")} == {"a": 0.7, "b": 0.1}
    assert ledger.logs.expected("other") == ()


def _erased(*, log: str | None = None, client: str | None = None, before: int | None = None) -> TextErased:
    limit = None if before is None else at(before)
    return TextErased(at=at(9), log=log, client=client, before=limit, texts=0, by=person(), reason="a request")


@pytest.mark.parametrize(
    ("erased", "left"),
    [
        (_erased(client="a"), 2),
        (_erased(before=5), 1),
        (_erased(client="a", before=5), 3),
        (_erased(log="other"), 3),
        (_erased(client="A"), 4),
    ],
)
def test_only_the_texts_that_were_named_are_erased(ledger: Ledger, erased: TextErased, left: int) -> None:
    texts = (text("a"), text("a", 7), text("b"), text("b", 1, log="other"))
    kept = StreamState(log="gateway", serial=1, at=at(1), position=position(1), texts=texts)
    Desk(ledger, ()).report([], state=kept)
    assert ledger.logs.texts(log=None, client=None, before=None) == 4

    Desk(ledger, ()).report([erased])
    assert ledger.logs.texts(log=None, client=None, before=None) == left


def test_erasing_takes_what_detectors_kept_of_prompts_too_and_leaves_their_evidence(ledger: Ledger) -> None:
    changed = {"text/a": b"1", "client/a": b"2", "text/b": b"3"}
    Desk(ledger, ()).report([], state=StreamState(log="g", serial=1, at=at(1), position=position(1), changed=changed))
    Desk(ledger, ()).report([_erased(client="a")])
    assert ledger.logs.state("g") == {"client/a": b"2", "text/b": b"3"}
    Desk(ledger, ()).report([_erased(before=0)])
    assert ledger.logs.state("g") == {"client/a": b"2"}


def test_a_full_disk_holds_the_finding_and_not_the_position_until_it_takes_both(tmp_path: Path) -> None:
    file = SqliteLedger(tmp_path / "ledger.sqlite")
    disk = Disk(file)
    with HoldingLedger(file, now=lambda: NOW) as ledger:
        desk = Desk(ledger, ("oncall",))
        desk.report([], state=state(1, a=b"1"))
        disk.fill()
        desk.report([], [finding()], [], state(2, a=b"2" * 100_000))

        assert [due.notice.event.finding for due in ledger.due(at(999), 10)] == [finding()]
        kept = ledger.logs.kept("gateway")
        assert kept is not None
        assert kept.serial == 1
        assert ledger.logs.state("gateway") == {"a": b"1"}

        disk.free()
        desk.report([], state=state(3, a=b"3"))
        kept = ledger.logs.kept("gateway")
        assert kept is not None
        assert kept.serial == 3
        assert ledger.state.held == 0
