"""Measure the daemon: 1,000 targets at a five-minute cadence, and how long a page takes once a wrapper edits.

    python bench/daemon.py [--quick] [--json FILE]

The servers (four scripted model servers, an editing gateway, a page receiver) run in a process of their own, so that
the daemon's memory is the daemon's. Start times are held against the ones drawn from the day's seed, and rounds are
read from the ledger: the daemon's own counters are not believed. `--quick` watches for 75 seconds, not 15 minutes.
"""

import argparse
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import yaml

from figures import Figure, print_table, write
from watchdog.re_asking import RE_ASK_FACTOR

TARGETS = 1000
EVERY = timedelta(minutes=5)
WRAPPED = 3
"""Targets with a direct channel behind the editing gateway, for the time to page; watched every minute."""
WRAPPED_EVERY = timedelta(minutes=1)
SERVERS = 4
LATEST_S = 10.0
"""A round that begins later than this after its drawn time counts as missed."""


def main() -> None:
    """Run the bench, print the table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="75 seconds of watching instead of 15 minutes")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve_all()
        return
    if arguments.plain:
        plain_scheduler()
        return
    figures = measure(75.0 if arguments.quick else 900.0)
    print_table(figures)
    if arguments.json is not None:
        write(arguments.json, figures)


def measure(watch_s: float) -> list[Figure]:
    """Return the figures of one run."""
    plain = json.loads(
        subprocess.run([sys.executable, __file__, "--plain"], check=True, capture_output=True, text=True).stdout
    )
    with tempfile.TemporaryDirectory(prefix="bench-daemon-") as name, ExitStack() as stack:
        folder = Path(name)
        stage = stack.enter_context(servers())
        config = write_config(folder, stage)
        enrol(config, folder / "ledger.sqlite")
        begun = time.monotonic()
        daemon = stack.enter_context(running(config, folder / "log.jsonl"))
        ready_s = time.monotonic() - begun
        run = watch(daemon, stage, watch_s)
        seeds = json.loads((folder / "ledger.sqlite.seeds").read_text(encoding="ascii"))
        status = json.loads((folder / "ledger.sqlite.status.json").read_text(encoding="utf-8"))
        stopping = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(30)
        stop_s = time.monotonic() - stopping
        return summarise(folder / "ledger.sqlite", run, seeds, status, plain, ready_s, stop_s, code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was seen from outside while the daemon watched."""

    since: datetime
    until: datetime
    most_mb: float
    cpu: float
    """Cores that the daemon kept busy, on average."""
    editing_at: datetime
    pages: tuple[dict[str, str], ...]


def watch(daemon: "subprocess.Popen[bytes]", stage: "Stage", seconds: float) -> Run:
    """Let the daemon watch; a third of the way the gateway begins to edit."""
    since, cpu_before, most_mb = datetime.now(UTC), _cpu_s(daemon.pid), 0.0
    deadline, edit_at = time.monotonic() + seconds, time.monotonic() + min(seconds / 3, 120.0)
    editing_at: datetime | None = None
    while time.monotonic() < deadline and daemon.poll() is None:
        if editing_at is None and time.monotonic() > edit_at:
            editing_at = datetime.now(UTC)
            stage.tell("edit")
        most_mb = max(most_mb, _resident_mb(daemon.pid))
        time.sleep(0.5)
    until = datetime.now(UTC)
    cpu = (_cpu_s(daemon.pid) - cpu_before) / (until - since).total_seconds()
    pages = tuple(stage.pages)
    return Run(since=since, until=until, most_mb=most_mb, cpu=cpu, editing_at=editing_at or until, pages=pages)


def summarise(
    ledger: Path,
    run: Run,
    seeds: dict[str, str],
    status: dict[str, object],
    plain: dict[str, float],
    ready_s: float,
    stop_s: float,
    code: int,
) -> list[Figure]:
    """Hold the rounds in the ledger against the drawn times, and the pages against the rounds."""
    rounds = read_rounds(ledger)
    due = drawn(seeds, run)
    late = [delay for name, at in due for delay in [delay_of(at, rounds.get(name, []))]]
    began = sorted(it for it in late if it is not None)
    missed = late.count(None)
    p99 = began[int(len(began) * 0.99)] if began else float("inf")
    minutes = (run.until - run.since).total_seconds() / 60
    how = f"{TARGETS} targets each {EVERY.seconds // 60} min over {minutes:.1f} min, {len(due)} rounds due"
    drawn_how = f"{how}; start in the ledger minus the time drawn from the seed"
    missed_how = f"{how}; drawn times without a round within {LATEST_S:.0f} s; the daemon counted {status['missed']}"
    memory_how = f"{how}; highest VmRSS of the daemon's process, twice a second; no torch"
    waits, needed, after_s, batches = page_times(run, rounds)
    page_how = f"{len(waits)} of {WRAPPED} wrapped targets paged; every second reply with a value word is edited"
    return [
        Figure(
            figure="start jitter, p99",
            value=round(p99, 3),
            unit="s",
            target="< 1",
            met=p99 < 1,
            baselines={"plain APScheduler 3: p99 of those it ran, s": plain["late_p99_s"]},
            how=drawn_how,
        ),
        Figure(
            figure="missed rounds",
            value=missed,
            unit="rounds",
            target="0",
            met=missed == 0 and bool(due),
            baselines={f"plain APScheduler 3: rounds dropped of {plain['due']:.0f}": plain["missed"]},
            how=missed_how,
        ),
        Figure(
            figure="resident memory, highest",
            value=round(run.most_mb, 1),
            unit="MB",
            target="< 300",
            met=run.most_mb < 300,
            how=memory_how,
        ),
        Figure(
            figure="wrapper on to page: rounds of the target needed",
            value=max(needed, default=None),
            unit="rounds",
            target="1",
            met=max(needed, default=99) <= 1,
            how=page_how,
        ),
        Figure(
            figure="wrapper on to page: re-asks in the last of them",
            value=max(batches, default=None),
            unit="re-asks",
            target="1",
            met=max(batches, default=99) <= 1,
            how=page_how,
        ),
        Figure(
            figure="wrapper on to page: from the round's end to the page",
            value=round(max(after_s), 3) if after_s else None,
            unit="s",
            target="< 5",
            met=bool(after_s) and max(after_s) < 5,
            how=page_how + "; longest",
        ),
        Figure(
            figure="wrapper on to page: in all",
            value=round(max(waits), 1) if waits else None,
            unit="s",
            target="none set",
            met=None,
            how=f"longest; most of it is the wait for the next round, {WRAPPED_EVERY.seconds} s on average",
        ),
        Figure(
            figure="CPU of the daemon",
            value=round(run.cpu, 2),
            unit="cores",
            target="none set",
            met=None,
            how=how,
        ),
        Figure(
            figure="start of the program to ready",
            value=round(ready_s, 1),
            unit="s",
            target="none set",
            met=None,
            how=f"{TARGETS + WRAPPED} targets, from exec to `daemon.ready`",
        ),
        Figure(
            figure="SIGTERM to exit",
            value=round(stop_s, 2),
            unit="s",
            target="< 10, exit 0",
            met=stop_s < 10 and code == 0,
            how=f"under that load; exit code {code}",
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as the ledger holds it."""

    began: datetime
    ended: datetime
    compared: int


def read_rounds(ledger: Path) -> dict[str, list[Round]]:
    """Return the rounds in the ledger by target, enrolments left out."""
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    rows = connection.execute(
        "SELECT target, started_at, at, compared + (SELECT count(*) FROM comparison c WHERE c.round_id = round.id"
        " AND c.reason IS NOT NULL) FROM round WHERE enrolment = 0 ORDER BY started_at"
    ).fetchall()
    connection.close()
    found: dict[str, list[Round]] = {}
    for target, began, ended, compared in rows:
        it = Round(began=datetime.fromisoformat(began), ended=datetime.fromisoformat(ended), compared=compared)
        found.setdefault(target, []).append(it)
    return found


def drawn(seeds: dict[str, str], run: Run) -> list[tuple[str, datetime]]:
    """Return what had to begin while we watched, but for the last moments, from the seeds alone."""
    from watchdog.schedule import times  # noqa: PLC0415 - the servers' process does without

    names = [(f"load-{number}", EVERY) for number in range(TARGETS)]
    until = run.until - timedelta(seconds=LATEST_S)
    return [
        (name, at)
        for name, every in names
        for day, seed in seeds.items()
        for at in times(bytes.fromhex(seed), name, every, date.fromisoformat(day))
        if run.since < at < until
    ]


def delay_of(at: datetime, rounds: list[Round]) -> float | None:
    """Return how late the round of a drawn time began; None when none did."""
    delays = [(it.began - at).total_seconds() for it in rounds]
    return min((it for it in delays if -0.01 <= it <= LATEST_S), default=None)


def page_times(run: Run, rounds: dict[str, list[Round]]) -> tuple[list[float], list[int], list[float], list[float]]:
    """Return, for each wrapped target that paged: seconds in all, rounds needed, seconds after the round, re-asks."""
    waits, needed, after_s, batches = [], [], [], []
    first = {it["subject"]: datetime.fromisoformat(it["at"]) for it in reversed(run.pages) if it["event"] == "opened"}
    for name, paged in first.items():
        if not name.startswith("wrapped-") or paged < run.editing_at:
            continue
        since = [it for it in rounds.get(name, []) if it.ended > run.editing_at and it.ended <= paged]
        if not since:
            continue
        waits.append((paged - run.editing_at).total_seconds())
        needed.append(len(since))
        after_s.append((paged - since[-1].ended).total_seconds())
        batches.append(math.ceil((since[-1].compared - 3) / (3 * RE_ASK_FACTOR)))
    return waits, needed, after_s, batches


def write_config(folder: Path, stage: "Stage") -> Path:
    """Write the configuration of the whole bench."""

    def openai(port: int, model: str) -> dict[str, object]:
        return {"kind": "openai", "base-url": f"http://127.0.0.1:{port}/v1", "model": model, "timeout-s": 10}

    load = [
        {
            "name": f"load-{number}",
            "every": f"{EVERY.seconds // 60}m",
            "delivered": openai(stage.models[number % SERVERS], "scripted"),
        }
        for number in range(TARGETS)
    ]
    wrapped = [
        {
            "name": f"wrapped-{number}",
            "every": f"{WRAPPED_EVERY.seconds}s",
            "delivered": openai(stage.gateway, "scripted"),
            "direct": {"kind": "scripted", "seed": 1},
        }
        for number in range(WRAPPED)
    ]
    config = {
        "ledger": str(folder / "ledger.sqlite"),
        "targets": [*load, *wrapped],
        "alerts": [{"name": "oncall", "kind": "webhook", "url": f"http://127.0.0.1:{stage.receiver}/oncall"}],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    (folder / "wrapped.yaml").write_text(yaml.safe_dump(config | {"targets": wrapped}), encoding="utf-8")
    return path


def enrol(config: Path, ledger: Path) -> None:
    """Enrol the wrapped targets for real; write a baseline for the others, which only have to be weighed."""
    wrapped = config.with_name("wrapped.yaml")
    command = [sys.executable, "-c", "from watchdog.cli import main; main()", "baseline", "-c", str(wrapped)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"enrolment failed: {done.stdout}{done.stderr}")
    from storage.ledger import SqliteLedger  # noqa: PLC0415 - only here
    from watchdog.domain.decisions import Enrolled  # noqa: PLC0415 - the same
    from watchdog.domain.evidence import Baseline  # noqa: PLC0415 - the same

    at = datetime.now(UTC)
    with SqliteLedger(ledger) as open_ledger, open_ledger.transaction() as transaction:
        for number in range(TARGETS):
            baseline = Baseline(
                rule="correction.stop",
                subject=f"load-{number}/delivered",
                trials=48,
                hits=0,
                tau=None,
                model="scripted",
                enrolled_at=at,
            )
            transaction.append(Enrolled(at=at, baseline=baseline))


@contextmanager
def running(config: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the daemon as a process, and yield when it says that it is ready."""
    command = [sys.executable, "-c", "from watchdog.cli import main; main()", "run", "-c", str(config)]
    with log.open("wb") as output:
        daemon = subprocess.Popen([*command, "--log-format", "json"], stderr=output)
    try:
        while b'"daemon.ready"' not in log.read_bytes():
            if daemon.poll() is not None:
                raise SystemExit(f"the daemon did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield daemon
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


class Stage:
    """The servers' process, seen from here."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pages: list[dict[str, str]] = []
        ports = json.loads(process.stdout.readline()) if process.stdout else {}
        self.models: list[int] = ports["models"]
        self.gateway: int = ports["gateway"]
        self.receiver: int = ports["receiver"]
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, order: str) -> None:
        """Tell the servers something."""
        if self._process.stdin:
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self.pages.append(json.loads(line))


@contextmanager
def servers() -> Iterator[Stage]:
    """Run the servers in a process of their own."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Stage(process)
    finally:
        process.kill()
        process.wait()


def serve_all() -> None:
    """Be the servers: print the ports, then every page as it is accepted; `edit` on stdin makes the gateway edit."""
    from probes.channels.scripted import ScriptedModelChannel  # noqa: PLC0415 - the daemon's side does without
    from probes.scripted_model import ScriptedModel  # noqa: PLC0415 - the same
    from watchdog.domain.exchanges import ChannelRole  # noqa: PLC0415 - the same
    from watchdog.rehearsal.gateway import Gateway  # noqa: PLC0415 - the same
    from watchdog.rehearsal.model_server import create_app  # noqa: PLC0415 - the same
    from watchdog.rehearsal.receiver import Receiver  # noqa: PLC0415 - the same
    from watchdog.rehearsal.serving import serve  # noqa: PLC0415 - the same
    from watchdog.wiring import now  # noqa: PLC0415 - the same

    with ExitStack() as stack:
        models = []
        for _ in range(SERVERS):
            channel = ScriptedModelChannel(ScriptedModel(seed=1, noise=0.15), ChannelRole.DELIVERED, now)
            models.append(stack.enter_context(serve(create_app(channel, "scripted"))))
        gateway = stack.enter_context(Gateway(models[0].base_url, seed=1))
        public, receiver = stack.enter_context(serve(gateway.app)), Receiver()
        pager = stack.enter_context(serve(receiver.app))
        ports = {"models": [it.port for it in models], "gateway": public.port, "receiver": pager.port}
        print(json.dumps(ports), flush=True)
        threading.Thread(target=_tell_pages, args=(receiver,), daemon=True).start()
        for line in sys.stdin:
            gateway.editing = line.strip() == "edit"


def _tell_pages(receiver: object) -> None:
    from watchdog.rehearsal.receiver import Receiver  # noqa: PLC0415 - only the servers' process has one

    told = 0
    while isinstance(receiver, Receiver):
        for page in receiver.accepted[told:]:
            told += 1
            data = page.body["data"] if isinstance(page.body, dict) else {}
            row = {"at": page.at.isoformat(), "subject": data.get("subject", ""), "event": data.get("event", "")}
            print(json.dumps(row), flush=True)
        time.sleep(0.05)


def plain_scheduler() -> None:
    """Be the baseline: the same number of interval jobs on APScheduler 3 with its defaults, each as long as a round."""
    from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED  # noqa: PLC0415 - only the baseline
    from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415 - the same

    interval_s, lates, missed = 15, [], []
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.add_listener(lambda event: missed.append(event.job_id), EVENT_JOB_MISSED)
    scheduler.add_listener(lambda _: None, EVENT_JOB_EXECUTED)
    due = datetime.now(UTC) + timedelta(seconds=interval_s)

    def job() -> None:
        lates.append((datetime.now(UTC) - due).total_seconds())
        time.sleep(0.1)

    scheduler.start()
    for _ in range(TARGETS):
        scheduler.add_job(job, "interval", seconds=interval_s, next_run_time=due)
    import logging  # noqa: PLC0415 - only to quiet the baseline

    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    time.sleep(interval_s + 12)
    ordered = sorted(lates)
    p99 = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
    print(json.dumps({"due": TARGETS, "missed": len(missed), "late_p99_s": round(p99, 3)}))
    os._exit(0)


def _resident_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS")), 0.0)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
