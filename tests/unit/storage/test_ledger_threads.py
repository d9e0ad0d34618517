"""Many threads on one ledger: nothing lost, nothing refused, and the tree still whole."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from storage.audit import audit
from storage.ledger import SqliteLedger
from storage.reader import open_reader
from tests.builders import compared, finding
from watchdog.desk import Desk


def test_reports_from_many_threads_are_all_recorded_in_one_tree(tmp_path: Path) -> None:
    path, threads, each = tmp_path / "ledger.sqlite", 16, 6
    together = threading.Barrier(threads)

    def work(thread: int) -> None:
        desk = Desk(ledger, ("oncall",))
        together.wait()
        for number in range(each):
            desk.report(
                [compared(f"c{thread}-{number}")], [finding(subject=f"s{thread}", evidence=(f"c{thread}-{number}",))]
            )
            ledger.stream("divergence.gap", "t")
            ledger.next_due()

    with SqliteLedger(path) as ledger, ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, thread) for thread in range(threads)]:
            done.result()
        with open_reader(path) as reader:
            assert [it.findings for it in reader.incidents()] == [each] * threads

    assert audit(path).faults == ()
