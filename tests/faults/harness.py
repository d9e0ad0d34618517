"""Start the child, kill it, and hold what it promised against the ledger and against what the receiver got."""

import json
import os
import queue
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.audit import audit
from storage.ledger import SqliteLedger
from tests.faults.child import Errand
from watchdog.rehearsal.receiver import Received, Receiver

ROOT = Path(__file__).parents[2]
CHILD = [sys.executable, "-c", "from tests.faults.child import main; main()"]


@dataclass
class Run:
    """What one process said, and how it ended."""

    pid: int = 0
    code: int | None = None
    said: list[tuple[str, str]] = field(default_factory=list)

    def names(self, word: str) -> list[str]:
        return [what for it, what in self.said if it == word]


class Nursery:
    """Starts children quickly, one at a time."""

    def __init__(self, command: Sequence[str] = CHILD) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        self._lines: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.hear(Run(), "READY")

    def start(self, errand: Errand) -> Run:
        """Send a child on its way."""
        assert self.process.stdin is not None
        self.process.stdin.write(errand.line())
        self.process.stdin.flush()
        run = Run()
        self.hear(run, "PID")
        return run

    def finish(self, run: Run, timeout: float = 60.0) -> Run:
        """Hear the child out."""
        self.hear(run, "END", timeout)
        return run

    def hear(self, run: Run, wanted: str, timeout: float = 60.0) -> str:
        """Listen until the child says something that begins with a word; fails when it ends before."""
        deadline = time.monotonic() + timeout
        while True:
            word, what = self._lines.get(timeout=max(deadline - time.monotonic(), 0.001))
            run.said.append((word, what))
            if word == "PID":
                run.pid = int(what)
            if word == "END":
                run.code = int(what)
            if word == wanted:
                return what
            assert word != "END", f"ended with {what} before {wanted}: {run.said}"

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, _, what = line.decode().rstrip("\n").partition(" ")
            self._lines.put((word, what))


@contextmanager
def nursery() -> Iterator[Nursery]:
    it = Nursery()
    try:
        yield it
    finally:
        it.close()


def kill(run: Run) -> None:
    """Kill a child, if it still lives."""
    try:
        os.kill(run.pid, 9)
    except ProcessLookupError:
        return


def restart(path: Path) -> None:
    """Open the ledger as the next start does, which rolls back what was half written."""
    SqliteLedger(path).close()


def wrong_in(path: Path, promised: Sequence[str]) -> list[str]:
    """Hold a ledger against its own proof and against what was promised; empty when all is right."""
    found = Counter(it["id"] for it in leaves(path) if it["kind"] == "compared")
    wrong = [f"lost: {name}" for name in promised if not found[f"c-{name}"]]
    wrong += [f"{name} is recorded {count} times" for name, count in found.items() if count > 1]
    queued = Counter(notice_ids(path))
    wrong += [f"notice {id_} is queued {count} times" for id_, count in queued.items() if count > 1]
    return wrong + list(audit(path).faults)


def undelivered(path: Path, receiver: Receiver) -> list[str]:
    """Hold the outbox against what the receiver got, taken once for each id."""
    queued, got = set(notice_ids(path)), {it.id for it in receiver.accepted}
    told = {_event(it.body) for it in receiver.accepted}
    wrong = [f"notice {id_} never arrived" for id_ in queued - got]
    wrong += [f"notice {id_} is not in the ledger" for id_ in got - queued]
    return wrong + ([] if len(told) == len(got) else ["two ids tell of the same event"])


def _event(body: Any) -> tuple[str, ...]:
    return body["type"], body["timestamp"], body["data"]["incident"]


def notice_ids(path: Path) -> list[str]:
    return [it["notice_id"] for it in leaves(path) if it["kind"] == "notice_queued"]


def leaves(path: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return [json.loads(body) for (body,) in connection.execute("SELECT body FROM leaf ORDER BY idx")]
    finally:
        connection.close()


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Take whatever space there is, and go on taking it; give it back at the end."""
    over = threading.Event()

    def take() -> None:
        with (folder / "filler").open("wb", buffering=0) as file:
            while not over.is_set():
                try:
                    file.write(b"\0" * 4096)
                except OSError:
                    over.wait(0.001)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        (folder / "filler").unlink()


def rule_of(message: Received) -> str:
    """Return the rule that a page is about."""
    body: Any = message.body
    return str(body["data"]["rule"])
