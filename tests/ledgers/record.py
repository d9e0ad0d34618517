"""Record a ledger of this schema, with every kind of decision in it, as SQL: `python tests/ledgers/record.py`.

Once a version is released, the file of its revision is frozen: it stands for the ledgers that are out there.
"""

import random
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))

from storage import revisions  # noqa: E402 - found by the line above, as this is a script
from storage.codec import encode  # noqa: E402 - the same
from storage.forking import Declaration, fork  # noqa: E402 - the same
from storage.ledger import SqliteLedger  # noqa: E402 - the same
from storage.signing import open_signed  # noqa: E402 - the same
from tests.any_decision import FREE, any_of  # noqa: E402 - the same
from tests.builders import NOW, at  # noqa: E402 - the same
from tests.tampering import play  # noqa: E402 - the same
from watchdog.domain.actors import Actor  # noqa: E402 - the same
from watchdog.domain.decisions import Decision  # noqa: E402 - the same
from watchdog.errors import LedgerError  # noqa: E402 - the same


def fill(path: Path, dice: random.Random) -> None:
    """Write a ledger with decisions of every kind, several of each."""
    play(path, dice, 1)
    with open_signed(path, now=lambda: NOW) as ledger:
        for kind in FREE:
            for _ in range(3):
                _append(ledger, _writable(kind, dice))
    fork(path, Declaration(reason="the disk failed", by=Actor(name="Ada", uid=1000)), now=lambda: at(1))


def _writable(kind: type[Decision], dice: random.Random) -> Decision:
    """Draw a decision that a file of SQL can hold: SQLite cuts a quoted text at its first NUL."""
    drawn = any_of(kind, dice)
    return drawn if b"\\u0000" not in encode(drawn) else _writable(kind, dice)


def _append(ledger: SqliteLedger, decision: Decision) -> None:
    try:
        with ledger.transaction() as transaction:
            transaction.append(decision)
    except LedgerError:
        return  # an incident that is open already cannot be opened again


def main() -> None:
    """Write the file of this version's revision."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        fill(path, random.Random(1))
        with closing(sqlite3.connect(path)) as connection:
            lines = "".join(f"{line}\n" for line in connection.iterdump())
    target = FOLDER / f"{revisions.head()}.sql"
    target.write_text(lines, encoding="utf-8")
    sys.stdout.write(f"wrote {target}\n")


if __name__ == "__main__":
    main()
