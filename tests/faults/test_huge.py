"""A reply of fifty megabytes: in one report, without loss, and provable."""

from pathlib import Path

import pytest

from storage.audit import audit
from storage.holding import HoldingLedger
from storage.reader import open_reader
from storage.signing import open_signed
from tests.builders import NOW, compared, finding
from watchdog.desk import Desk
from watchdog.domain.decisions import Compared


@pytest.mark.faults
def test_a_reply_of_fifty_megabytes_with_nuls_is_recorded_without_loss(tmp_path: Path) -> None:
    path, reply = tmp_path / "ledger.sqlite", "a\0b \N{GRINNING FACE} " * (50_000_000 // 9)
    with HoldingLedger(open_signed(path, now=lambda: NOW), now=lambda: NOW) as ledger:
        Desk(ledger, ("oncall",)).report([compared("huge", reply=reply)], [finding(evidence=("huge",))])
        assert ledger.state.held == 0
    with open_reader(path) as reader:
        (found,) = reader.evidence(["huge"])
    assert isinstance(found, Compared)
    assert found.delivered_reply == reply
    assert audit(path).faults == ()
