"""Measure the ledger: commits in two journal modes, what is held in memory, and what a million leaves cost.

    python bench/ledger.py [--quick] [--json FILE] [--folder FOLDER]

`--quick` measures at 100,000 leaves instead of 1,000,000. Put FOLDER on the disk that you want to know about: appends
are limited by how fast it makes a commit durable.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, event

from storage import files
from storage.audit import audit
from storage.codec import encode
from storage.held import Held
from storage.holding import HoldingLedger
from storage.keys import load
from storage.ledger import SqliteTransaction
from storage.note import SigningKey
from storage.receipts import prove
from storage.signing import key_beside, open_signed
from storage.standalone import verify_ledger
from watchdog.domain.comparisons import Comparison
from watchdog.domain.decisions import Alive, Compared, Decision, Judged, Started, Weighed
from watchdog.domain.evidence import Stream
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.verdicts import Arm, Grade, Verdict

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
MODES = {
    "DELETE, EXTRA (ours)": ("PRAGMA journal_mode=DELETE", "PRAGMA synchronous=EXTRA"),
    "WAL, FULL": ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"),
}
REPLY = "It is safe to store the medicine in a dry place, away from light, as the leaflet that comes with it says. "
COMPARED = Compared(
    id="",
    round_id="r",
    at=BEGIN,
    target="t",
    question="q",
    seed=7,
    prompt="Where should I store it?",
    direct_reply=REPLY,
    delivered_reply=REPLY,
    model="m",
    comparison=Comparison(gap=0.2, tau=0.5, tokens=24, spans=()),
    reason=None,
)
JUDGED = Judged(
    id="",
    round_id="r",
    at=BEGIN,
    target="t",
    channel=ChannelRole.DIRECT,
    family="stop",
    arm=Arm.CORRECTION,
    seed=7,
    model="m",
    reply=REPLY,
    verdict=Verdict(grade=Grade.COMPLIED, why="stopped at the third item"),
)


def decision(number: int) -> Decision:
    """Return the leaf of that number in a life like a daemon's: exchanges, evidence, signs of life."""
    at = BEGIN + timedelta(seconds=number)
    match number % 4:
        case 0:
            return replace(COMPARED, id=f"c{number}", at=at)
        case 1:
            return replace(JUDGED, id=f"v{number}", at=at)
        case 2:
            return Weighed(
                at=at, stream=Stream(rule="divergence.gap", subject="t", log_e=(0.1, -0.2) * 3, trials=number)
            )
        case _:
            return Alive(at=at, rounds=number, failed=0, missed=0)


def fill(engine: Engine, key: SigningKey, first: int, count: int, batch: int) -> list[float]:
    """Append leaves, `batch` to a commit, and return the seconds that each commit took."""
    took = []
    for start in range(first, first + count, batch):
        begun = time.perf_counter()
        with engine.begin() as connection:
            transaction = SqliteTransaction(connection, key)
            for number in range(start, min(start + batch, first + count)):
                transaction.append(decision(number))
            transaction.write_head()
        took.append(time.perf_counter() - begun)
    return took


def appends(folder: Path, mode: str, count: int, before: int) -> dict[str, float]:
    """Measure commits of one signed leaf each: alone, and during one audit of the `before` leaves."""
    path = folder / f"{mode.partition(',')[0]}.sqlite"
    open_signed(path, now=lambda: BEGIN).close()
    key = load(key_beside(path))
    engine = files.open_for_writing(path)
    engine.dispose()
    event.listen(engine, "connect", lambda raw, _: [raw.execute(pragma) for pragma in MODES[mode]])
    fill(engine, key, 0, before, 1000)
    alone = fill(engine, key, before, count, 1)
    beside = beside_audit(engine, key, path, before + count)
    engine.dispose()
    return {
        f"appends per second, one to a commit, {mode}": round(count / sum(alone), 1),
        f"99 % of these commits within, ms, {mode}": round(_percentile(alone, 0.99) * 1000, 1),
        f"the same while an audit reads, ms, {mode}": round(_percentile(beside, 0.99) * 1000, 1),
        f"longest wait for an audit of {before:,} leaves, ms, {mode}": round(max(beside) * 1000, 1),
    }


def beside_audit(engine: Engine, key: SigningKey, path: Path, first: int) -> list[float]:
    """Append leaves, one to a commit, for as long as another process verifies the ledger, and return what each took."""
    script = "import sys; from pathlib import Path; from storage.audit import audit; print(flush=True)\n"
    script += "audit(Path(sys.argv[1]))"
    took: list[float] = []
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as process:
        if process.stdout is not None:
            process.stdout.readline()
        while process.poll() is None:
            took += fill(engine, key, first + len(took), 1, 1)
    return took


def holding(folder: Path, reports: int) -> dict[str, float]:
    """Measure what decisions weigh while the file takes none, and how fast they are written afterwards."""
    path = folder / "held.sqlite"
    file = open_signed(path, now=lambda: BEGIN)
    pages = [1]
    event.listen(file._engine, "begin", lambda it: it.exec_driver_sql(f"PRAGMA max_page_count={pages[0]}"))  # noqa: SLF001 - a full disk
    with HoldingLedger(file, now=lambda: BEGIN, make_held=lambda: Held(most=10**9, most_bytes=10**12)) as ledger:
        number = 0
        while not ledger.state.held:
            number = _report(ledger, number)
        tracemalloc.start()
        before, held = tracemalloc.get_traced_memory()[0], ledger.state.held
        for _ in range(reports):
            number = _report(ledger, number)
        weight = (tracemalloc.get_traced_memory()[0] - before) / (ledger.state.held - held)
        tracemalloc.stop()
        pages[0], held, begun = 1_073_741_823, ledger.state.held, time.perf_counter()
        while ledger.state.held:
            ledger.flush()
        return {
            "memory of a held decision, bytes": round(weight),
            "its leaf, bytes": round(sum(len(encode(decision(it))) for it in range(100)) / 100),
            "held decisions written per second": round(held / (time.perf_counter() - begun)),
        }


def _report(ledger: HoldingLedger, number: int) -> int:
    with ledger.transaction() as transaction:
        for it in range(number, number + 20):
            # As a round makes them: every reply is a text of its own.
            made = decision(it)
            fresh = (
                replace(made, delivered_reply=f"{it} {REPLY}", direct_reply=f"{it}. {REPLY}")
                if isinstance(made, Compared)
                else made
            )
            transaction.append(fresh)
    return number + 20


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure(folder: Path, *, leaves: int, commits: int) -> dict[str, float | int | str]:
    """Measure everything."""
    figures: dict[str, float | int | str] = {"SQLite": sqlite3.sqlite_version, "leaves": leaves}
    for mode in MODES:
        figures |= appends(folder, mode, commits, leaves // 10)
    figures |= holding(folder, 500)
    path = folder / "large.sqlite"
    open_signed(path, now=lambda: BEGIN).close()
    key = load(key_beside(path))
    engine = files.open_for_writing(path)
    figures["appends per second, 1,000 to a commit"] = round(leaves / sum(fill(engine, key, 0, leaves, 1000)), 1)
    with engine.begin() as connection:
        # Nobody gives this ledger back, so that the next start has to look at it.
        transaction = SqliteTransaction(connection, key)
        transaction.append(Started(at=BEGIN, version="0", config_digest="0"))
        transaction.write_head()
    engine.dispose()
    figures["size of the file, MB"] = round(path.stat().st_size / 1e6, 1)
    figures["start-up after an end without a word, s"] = round(
        timed(lambda: open_signed(path, now=lambda: BEGIN).close()), 3
    )
    figures["audit verify, s"] = round(timed(lambda: _require(audit(path).intact)), 1)
    figures["standalone verifier, s"] = round(timed(lambda: _require(_standalone(path, key) == 0)), 1)
    figures["proof of one leaf, s"] = round(timed(lambda: prove(path, [leaves // 2])), 2)
    return figures


def _standalone(path: Path, key: SigningKey) -> int:
    return verify_ledger.main([str(path), "--key", str(key.verifier)])


def _require(fact: bool) -> None:
    if not fact:
        raise SystemExit("a ledger that was just written does not verify")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="100,000 leaves instead of 1,000,000")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        figures = measure(Path(folder), leaves=100_000 if chosen.quick else 1_000_000, commits=300)
    if chosen.quick:
        print("quick: measured at 100,000 leaves; multiply verify and proof by 10 for a million")
    for name, value in figures.items():
        print(f"{name:<72}{value:>12,}" if not isinstance(value, str) else f"{name:<72}{value:>12}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
