"""A backup is whole whenever it is taken: here while another process commits as fast as the disk lets it."""

import subprocess
import sys
from pathlib import Path

import pytest

from storage.audit import audit
from storage.backups import backup
from storage.signing import open_signed
from storage.trust import Kept, read_kept
from tests.builders import NOW

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from storage.signing import open_signed
from tests.builders import at, compared, finding
from watchdog.desk import Desk
with open_signed(Path(sys.argv[1]), now=lambda: at(0)) as ledger:
    desk = Desk(ledger, ("oncall",))
    print("begun", flush=True)
    for number in range(int(sys.argv[2])):
        desk.report([compared(f"c{number}")], [finding(subject=f"s{number}", evidence=(f"c{number}",))])
        print(number, flush=True)
"""


def _copies(folder: Path, commits: int) -> list[Kept]:
    """Copy a ledger again and again while it is written, and return the checkpoints of the copies, oldest first."""
    path, copies = folder / "ledger.sqlite", folder / "copies"
    copies.mkdir()
    open_signed(path, now=lambda: NOW).close()
    command = [sys.executable, "-c", WRITER, path, str(commits), ROOT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while writer.poll() is None:
            done = backup(path, copies / f"{len(list(copies.glob('*.sqlite'))):04}.sqlite")
            assert done.found.faults == ()
        assert writer.stdout.read().split()[-1:] == [str(commits - 1)]
    assert writer.returncode == 0
    kept = read_kept([copies])
    assert audit(path, kept=kept, keys=None).faults == ()
    return kept


def test_every_copy_of_a_ledger_that_is_being_written_is_intact(tmp_path: Path) -> None:
    assert len(_copies(tmp_path, 20)) >= 1


@pytest.mark.faults
def test_while_two_hundred_commits_are_made_every_copy_is_intact(tmp_path: Path) -> None:
    sizes = [it.claim.size for it in _copies(tmp_path, 200)]
    assert len(set(sizes)) >= 5, sizes
    assert sizes == sorted(sizes)
