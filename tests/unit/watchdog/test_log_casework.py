"""What people say about the clients of a log is on the record before anything follows from it."""

import pytest

from storage.memory import MemoryLedger
from tests.builders import NOW, at, finding, person
from tests.streams import LOG, RULE, Flowing, refusals
from watchdog.desk import Desk
from watchdog.domain.decisions import ClientExpected, TextErased
from watchdog.domain.incidents import IncidentState
from watchdog.domain.log_acts import Erase, Expect, LogAct
from watchdog.errands import LOG as ERRAND
from watchdog.errands import heard, pack_log, run_errand, unpack_log
from watchdog.errors import ConfigError, LedgerError


@pytest.fixture
def flowing() -> Flowing:
    it = Flowing(MemoryLedger())
    it.flow(*refusals("red-team", 4))
    return it


def do(flowing: Flowing, act: LogAct) -> ClientExpected | TextErased:
    """Do it as the daemon does: by JSON, and with the streams told."""
    desk = Desk(flowing.ledger, ("oncall",))
    result = run_errand(ERRAND, pack_log(act), person(), desk=desk, now=lambda: NOW)
    _, tell = heard(result)
    tell(flowing.stream)
    return unpack_log(result)


def incident(flowing: Flowing) -> str:
    assert isinstance(flowing.ledger, MemoryLedger)
    return flowing.ledger.incidents()[0].id


def test_an_expected_client_is_recovered_from_told_and_does_not_alarm_again(flowing: Flowing) -> None:
    word = do(flowing, Expect(incident=incident(flowing)[:8], reason=" our own red team "))
    assert isinstance(word, ClientExpected)
    assert (word.log, word.client, word.rule, word.reason) == (LOG, "red-team", RULE, "our own red team")
    assert word.rate == 1.0
    flowing.flow(*refusals("red-team", 9, seconds=9))

    assert isinstance(flowing.ledger, MemoryLedger)
    (after,) = flowing.ledger.incidents()
    assert (after.state, after.recovered_by) == (IncidentState.RECOVERED, "expected-by-a-person")
    kinds = {due.notice.event.kind for due in flowing.ledger.due(at(999), 10)}
    assert kinds == {"opened", "recovered"}


def test_a_word_can_be_taken_back(flowing: Flowing) -> None:
    id_ = incident(flowing)
    do(flowing, Expect(incident=id_, reason="a red team", rate=0.5, until=at(99)))
    assert [(it.rate, it.until) for it in flowing.ledger.logs.expected(LOG)] == [(0.5, at(99))]
    do(flowing, Expect(incident=id_, reason="it is not ours", rate=0))
    assert [it.rate for it in flowing.ledger.logs.expected(LOG)] == [0]


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_is_a_share(flowing: Flowing, rate: float) -> None:
    with pytest.raises(ConfigError):
        do(flowing, Expect(incident=incident(flowing), reason="a red team", rate=rate))


@pytest.mark.parametrize("act", [Expect(incident="", reason="x"), Expect(incident="ffff", reason="x")])
def test_an_incident_that_there_is_not_cannot_be_expected(flowing: Flowing, act: Expect) -> None:
    with pytest.raises(LedgerError):
        do(flowing, act)


def test_an_incident_that_is_about_no_client_cannot_be_expected(flowing: Flowing) -> None:
    assert isinstance(flowing.ledger, MemoryLedger)
    Desk(flowing.ledger, ()).report([], [finding(seconds=99)])
    other = next(it.id for it in flowing.ledger.incidents() if it.rule != RULE)
    with pytest.raises(ConfigError, match="not about a client"):
        do(flowing, Expect(incident=other, reason="a red team"))


def test_erasing_says_how_much_there_was_and_leaves_the_alarm(flowing: Flowing) -> None:
    before = len(flowing.ledger.decisions) if isinstance(flowing.ledger, MemoryLedger) else 0
    word = do(flowing, Erase(reason="they asked for it", client="red-team"))
    assert isinstance(word, TextErased)
    assert word.texts == 3
    assert flowing.ledger.logs.texts(log=None, client=None, before=None) == 0
    assert isinstance(flowing.ledger, MemoryLedger)
    assert len(flowing.ledger.decisions) == before + 1


@pytest.mark.parametrize("act", [Erase(reason="x"), Erase(reason="x", log=LOG), Erase(reason=" ", client="a")])
def test_erasing_needs_something_that_is_named_and_a_reason(flowing: Flowing, act: Erase) -> None:
    with pytest.raises(ConfigError):
        do(flowing, act)
