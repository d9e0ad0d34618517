"""A disk that is full, and one that fails: pages go out, nothing promised is lost, no failure passes for a success."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.child import BROKEN, Errand
from tests.faults.harness import CHILD, Nursery, filled, leaves, restart, rule_of, undelivered, wrong_in
from watchdog.rehearsal.receiver import Receiver

STRACE = shutil.which("strace")


# --- full --------------------------------------------------------------------------------------------------------


@pytest.mark.faults
def test_a_full_disk_is_paged_in_seconds_and_nothing_is_lost_when_it_is_freed(
    children: Nursery, small_disk: Path, url: str, receiver: Receiver
) -> None:
    path = small_disk / "ledger.sqlite"
    run = children.start(Errand(ledger=str(path), url=url, name="full", steps=150, pause_s=0.02))
    for _ in range(5):
        children.hear(run, "ACK")
    with filled(small_disk):
        receiver.wait_for(lambda it: rule_of(it) == "ledger.full", 5.0)
        for _ in range(20):
            children.hear(run, "HELD")
        held = {it.id for it in receiver.accepted}
        assert path.with_name("ledger.sqlite.reserve").exists() is False
    children.hear(run, "WELL")
    children.finish(run)

    assert run.code == 0  # the same process, from before the disk was full until after it was freed
    assert wrong_in(path, run.names("ACK") + run.names("HELD")) == []
    assert undelivered(path, receiver) == []
    assert held <= {it.id for it in receiver.accepted}
    (back,) = [it for it in leaves(path) if it["kind"] == "held_back"]
    assert "full" in back["why"]
    assert path.with_name("ledger.sqlite.reserve").stat().st_size == 4 << 20


# --- failing -----------------------------------------------------------------------------------------------------


@pytest.fixture
def base(children: Nursery, tmp_path: Path, url: str) -> Path:
    """A folder with a ledger that has a little history."""
    folder = tmp_path / "base"
    folder.mkdir()
    run = children.start(Errand(ledger=str(folder / "ledger.sqlite"), url=url, name="base", steps=3))
    assert children.finish(run).code == 0
    return folder


@contextmanager
def _traced(log: Path, *options: str) -> Iterator[Nursery]:
    if STRACE is None:
        pytest.skip("strace is not installed, and nothing else lets a disk fail between SQLite and the kernel")
    it = Nursery([STRACE, "-f", "--seccomp-bpf", "-y", "-o", str(log), *options, *CHILD])
    try:
        yield it
    finally:
        it.close()


def _watching(path: Path) -> list[str]:
    journal = path.with_name(path.name + "-journal")
    return [f"--trace-path={it}" for it in (path, journal, path.parent)]


@pytest.mark.faults
@pytest.mark.parametrize("when", range(1, 11))
def test_a_sync_that_fails_is_never_taken_for_a_commit(
    base: Path, tmp_path: Path, url: str, receiver: Receiver, when: int
) -> None:
    path, log = base / "ledger.sqlite", tmp_path / "trace"
    before = len(leaves(path))
    syscalls = ["-e", "trace=openat,pwrite64,fdatasync,fsync", "-e", f"inject=fdatasync,fsync:error=EIO:when={when}"]
    with _traced(log, *_watching(path), *syscalls) as children:
        run = children.finish(children.start(Errand(ledger=str(path), url=url, name="eio", steps=20)))

    restart(path)
    assert wrong_in(path, run.names("ACK")) == []
    assert len(leaves(path)) >= before
    lines = log.read_text(encoding="utf-8").splitlines()
    failed = next(number for number, line in enumerate(lines) if "(INJECTED)" in line)
    if _journal_was_new(lines[:failed]):
        # SQLite passes over this one: the name of the journal may be lost with the power, the data may not.
        assert (run.code, run.names("HELD")) == (0, [])
        return
    assert run.code == BROKEN
    assert "I/O" in run.names("TROUBLE")[0]
    assert run.names("HELD")  # what met the failure was not called recorded
    assert [it for it in receiver.accepted if rule_of(it) == "ledger.broken"]
    # A transaction that is written begins with a journal: after the failure, none was.
    assert [line for line in lines[failed:] if "-journal" in line and "O_CREAT" in line] == []


def _journal_was_new(lines: list[str]) -> bool:
    """Whether the next sync is of the folder, for the journal that was just made in it."""
    return "O_RDONLY" in lines[-1] and "-journal" in lines[-2] and "fdatasync" in lines[-2]


@pytest.mark.faults
def test_no_page_leaves_before_its_commit_is_on_the_disk(base: Path, tmp_path: Path, url: str) -> None:
    path, log = base / "ledger.sqlite", tmp_path / "trace"
    syscalls = ["-s", "5000", "-e", "trace=pwrite64,fdatasync,fsync,unlink,sendto"]
    with _traced(log, *syscalls) as children:
        run = children.finish(children.start(Errand(ledger=str(path), url=url, name="order", steps=12)))
    assert run.code == 0

    lines = log.read_text(encoding="utf-8").splitlines()
    posts = [
        (number, id_) for number, line in enumerate(lines) for id_ in re.findall(r"webhook-id: ([0-9a-f-]{36})", line)
    ]
    assert len(posts) >= 4
    for sent, id_ in posts:
        written = max(number for number, line in enumerate(lines[:sent]) if "pwrite64" in line and id_ in line)
        assert _steps(lines[written:sent], path) == ["data synced", "journal gone", "folder synced"]


def _steps(lines: list[str], path: Path) -> list[str]:
    """Return the steps of a commit that happened, in their order, and only if each succeeded."""
    patterns = {
        "data synced": rf"fdatasync\(\d+<{path}>\) += 0",
        "journal gone": rf'unlink\("{path}-journal"\) += 0',
        "folder synced": rf"f(data)?sync\(\d+<{path.parent}>\) += 0",
    }
    found: list[str] = []
    rest = lines
    for name, pattern in patterns.items():
        at = next((number for number, line in enumerate(rest) if re.search(pattern, line)), None)
        if at is None:
            return found
        found, rest = [*found, name], rest[at + 1 :]
    return found
