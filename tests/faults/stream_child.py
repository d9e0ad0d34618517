"""A query log's stream in a process that tests may kill: it reads a file to its end, over a ledger, and says so.

Started once, it has everything imported, and forks for each line on its standard input: a JSON object of `Reading`.
"""

import json
import os
import sys
import traceback
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from detectors.logs.tail import Tail
from storage.holding import HoldingLedger
from storage.signing import open_signed
from tests.builders import NOW
from tests.faults.child import Failpoints
from tests.streams import LOG, CountingWatch, JsonLines
from watchdog.desk import Desk
from watchdog.query_logs.checks import LogChecks
from watchdog.query_logs.sifting import Sifting
from watchdog.query_logs.streaming import Streaming

_CHUNK = 4_000
"""Bytes of a step: some lines of the file."""


@dataclass(frozen=True)
class Reading:
    """What one process does."""

    ledger: str
    log: str
    die_at: int = 0
    """At which failpoint it kills itself; 0 at none."""
    commit_s: float = 0.0
    """Every step takes a second of its clock."""

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def run(it: Reading) -> int:
    """Read the log to its end."""
    point = Failpoints(it.die_at)
    if it.die_at:
        point.watch_sql()
    seconds = 0
    with HoldingLedger(open_signed(Path(it.ledger), now=lambda: NOW), now=lambda: NOW) as ledger:
        stream = Streaming(
            log=Tail([it.log], from_end=False),
            sifting=Sifting(log=LOG, form=JsonLines(), watch=CountingWatch()),
            ledger=ledger,
            desk=Desk(ledger, ("oncall",)),
            checks=LogChecks(LOG),
            monotonic=lambda: float(seconds),
            chunk=_CHUNK,
            commit_s=it.commit_s,
        )
        stream.resume(NOW)
        more = True
        while more:
            seconds += 1
            more = stream.step(NOW + timedelta(seconds=seconds)).more
            point()
        stream.stop(NOW + timedelta(seconds=seconds))
    os.write(1, b"DONE \n")
    return 0


def main() -> None:
    """Fork for each reading, say which process does it, and how it ended."""
    os.write(1, b"READY \n")
    for line in sys.stdin.buffer:
        pid = os.fork()
        if not pid:
            _exit_with(Reading(**json.loads(line)))
        os.write(1, f"PID {pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(1, f"END {os.waitstatus_to_exitcode(status)}\n".encode())


def _exit_with(reading: Reading) -> None:
    code = 99
    try:
        code = run(reading)
    except Exception:  # noqa: BLE001 - a fork must never go on with what its parent was doing
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
