"""The account of what was read of a log: counted as it goes, and put on the record every hour and at the end."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchdog.domain.decisions import LogRead, Malformed
from watchdog.domain.queries import LogPosition
from watchdog.domain.streamed import position_digest
from watchdog.errors import LedgerError
from watchdog.query_logs.sifting import Sifted

EVERY = timedelta(hours=1)
KEY = "account"

_VERSION = 1


@dataclass
class Account:
    """Counts since the last time that it was put on the record; kept with the position, so no restart loses any."""

    log: str
    since: datetime
    lines: int = 0
    queries: int = 0
    ours: int = 0
    malformed: Counter[str] = field(default_factory=Counter)

    def add(self, it: Sifted) -> None:
        """Count what came."""
        self.lines, self.queries, self.ours = self.lines + it.lines, self.queries + it.queries, self.ours + it.ours
        self.malformed.update(it.malformed)

    def due(self, now: datetime) -> bool:
        """Whether it is time to put it on the record."""
        return now - self.since >= EVERY

    def close(self, position: LogPosition, newest: datetime | None, now: datetime) -> LogRead:
        """Return it for the record, with how far the log was read by then, and begin anew."""
        read = LogRead(
            at=now,
            log=self.log,
            since=self.since,
            lines=self.lines,
            queries=self.queries,
            ours=self.ours,
            malformed=tuple(Malformed(reason=reason, lines=count) for reason, count in sorted(self.malformed.items())),
            newest=newest,
            position=position_digest(position),
        )
        self.since, self.lines, self.queries, self.ours = now, 0, 0, 0
        self.malformed.clear()
        return read

    def packed(self) -> bytes:
        """Return it as bytes that `restore` takes."""
        row = {
            "v": _VERSION,
            "since": self.since.isoformat(),
            "counts": [self.lines, self.queries, self.ours],
            "malformed": self.malformed,
        }
        return json.dumps(row, separators=(",", ":"), sort_keys=True).encode()

    def restore(self, body: bytes) -> None:
        """Go on with the account of an earlier process.

        Raises LedgerError when another version wrote it.
        """
        row = json.loads(body)
        if row["v"] != _VERSION:
            raise LedgerError(
                f"the account of the log {self.log} is of version {row['v']}",
                hint="use the version of the program that wrote it, or restore a backup",
            )
        self.since = datetime.fromisoformat(row["since"])
        self.lines, self.queries, self.ours = row["counts"]
        self.malformed = Counter(row["malformed"])
