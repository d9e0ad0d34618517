"""`status`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from watchdog.blindness import is_blind
from watchdog.cli.exits import Exit
from watchdog.cli.log_status import print_logs, troubled
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.cli.rollout import rollout_row, say_count
from watchdog.domain.incidents import Incident, IncidentState
from watchdog.domain.text import printable

if TYPE_CHECKING:
    from watchdog.domain.rollouts import Rollout, RolloutCount
    from watchdog.ports import LedgerState
    from watchdog.status import Snapshot, TargetStatus

_STALE_S = 20.0
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Declared:
    rollout: Rollout
    counts: tuple[RolloutCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    snapshot: Snapshot | None
    daemon: str
    """`running`, or why no daemon can be relied on."""
    incidents: tuple[Incident, ...]
    declared: tuple[_Declared, ...]
    """The rollouts that are in force."""

    @property
    def runs(self) -> bool:
        return self.daemon == "running"

    @property
    def exit(self) -> Exit:
        if not self.runs or self.snapshot is None:
            return Exit.UNREACHABLE
        if any(not is_blind(it.rule) for it in self.incidents):
            return Exit.FINDING
        trouble = (
            bool(self.incidents)
            or bool(self.snapshot.ledger.problem)
            or any(it.late or it.blind for it in self.snapshot.targets)
            or any(map(troubled, self.snapshot.logs))
            or _stuck(self.snapshot)
            or any(count.aside for it in self.declared for count in it.counts)
        )
        return Exit.NOT_EVALUATED if trouble else Exit.CLEAN


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Say what runs, is due, late or blind; exit 0 all well, 1 a finding is open, 3 late or blind, 4 no daemon."""
    from watchdog.status import read_snapshot, status_path  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    ledger = read_config(config).settings.ledger
    snapshot = read_snapshot(status_path(ledger))
    incidents, declared = _on_record(ledger)
    standing = _Standing(snapshot=snapshot, daemon=daemon_of(snapshot), incidents=incidents, declared=declared)
    if as_json:
        print_json(_row(standing))
    else:
        _print(standing)
    raise typer.Exit(standing.exit)


def _on_record(ledger: Path) -> tuple[tuple[Incident, ...], tuple[_Declared, ...]]:
    """Return the incidents that are open, and the rollouts that are in force."""
    from storage.reader import open_reader  # noqa: PLC0415 - heavy, and only needed here

    if not ledger.exists():
        return (), ()  # nothing ran here yet; that no daemon runs says it
    now = datetime.now(UTC)
    with open_reader(ledger) as reader:
        rollouts = [it for it in reader.rollouts() if it.in_force(now)]
        declared = tuple(_Declared(it, reader.rollout_counts(it.id)) for it in rollouts)
        return tuple(reader.incidents(IncidentState.OPEN)), declared


def daemon_of(snapshot: Snapshot | None) -> str:
    """Say that a daemon runs, or why none can be relied on."""
    if snapshot is None:
        return "no daemon has run on this ledger"
    if snapshot.stopping:
        return f"no daemon runs; the last one stopped at {snapshot.written_at:%Y-%m-%d %H:%M:%S} UTC"
    if not _is_alive(snapshot.pid):
        return f"no daemon runs; the last one ended without a word after {snapshot.written_at:%Y-%m-%d %H:%M:%S} UTC"
    age_s = time.monotonic() - snapshot.monotonic_s
    if not 0 <= age_s <= _STALE_S:
        since = f"{snapshot.written_at:%Y-%m-%d %H:%M:%S}"
        return (
            f"the daemon (process {snapshot.pid}) hangs, or another process has its number: nothing since {since} UTC"
        )
    return "running"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it is there, and belongs to somebody else
    return True


def _stuck(snapshot: Snapshot) -> list[str]:
    return [it.name for it in snapshot.loops if it.age_s > it.budget_s]


def _print(standing: _Standing) -> None:
    it = standing.snapshot
    if it is None or not standing.runs:
        typer.echo(f"daemon: {standing.daemon}")
    else:
        typer.echo(
            f"daemon: running as process {it.pid} since {it.started_at:%Y-%m-%d %H:%M:%S} UTC, version {it.version}"
        )
        _print_running(it)
    _print_declared(standing.declared)
    typer.echo(f"incidents: {len(standing.incidents) or 'none'} open")
    for incident in standing.incidents[:_MOST_SHOWN]:
        typer.echo(
            f"  {incident.id[:8]}  {incident.severity:<8} {incident.rule:<16} {printable(incident.summary, 120)}"
        )


def _print_declared(declared: tuple[_Declared, ...]) -> None:
    for it in declared[:_MOST_SHOWN]:
        typer.echo(f"DECLARED {printable(str(it.rollout), 800)}")
        for count in it.counts:
            typer.echo(f"  {say_count(count)}")


def _print_running(it: Snapshot) -> None:
    running = [target for target in it.targets if target.running_s is not None]
    due = [target for target in it.targets if target.due_s is not None]
    late = [target for target in it.targets if target.late]
    blind = [target for target in it.targets if target.blind]
    typer.echo(
        f"targets: {len(it.targets)}; {len(running)} running, {len(due)} due, {len(late)} late, {len(blind)} blind"
    )
    typer.echo(
        f"rounds: {it.rounds} ended, {it.failed} failed, {it.missed} missed, "
        f"{it.late_p99_s:.2f} s late at the 99th percentile; the clock was moved {it.clock_jumps} times"
    )
    print_logs(it.logs)
    _print_ledger(it.ledger)
    for name in _stuck(it):
        typer.echo(f"STUCK: the {name} loop does not move")
    if it.reload_problem:
        typer.echo(f"RELOAD REFUSED: {printable(it.reload_problem, 240)}")
    if it.logs_dropped:
        typer.echo(f"logs: {it.logs_dropped} lines dropped, because nobody reads them fast enough")
    _print_targets("LATE", late, lambda target: f"due for {target.due_s or 0:.0f} s")
    _print_targets("BLIND", blind, lambda target: printable(target.blind, 160))


def _print_ledger(it: LedgerState) -> None:
    typer.echo(f"ledger: {it.engine}; {it.reserve >> 20} MiB in reserve, {it.held:,} decisions held in memory")
    if it.problem:
        lost = f"; {it.dropped:,} dropped" if it.dropped else ""
        since = "" if it.since is None else f", since {it.since:%Y-%m-%d %H:%M:%S} UTC"
        typer.echo(f"LEDGER: {printable(it.problem, 240)}{since}{lost}; {it.hint}")


def _print_targets(word: str, targets: list[TargetStatus], say: Callable[[TargetStatus], str]) -> None:
    for target in targets[:_MOST_SHOWN]:
        typer.echo(f"{word} {target.name}: {say(target)}")
    if len(targets) > _MOST_SHOWN:
        typer.echo(f"{word} and {len(targets) - _MOST_SHOWN} more; --json names all")


def _row(standing: _Standing) -> dict[str, object]:
    incidents = [
        {"id": it.id, "rule": it.rule, "subject": it.subject, "severity": it.severity, "summary": it.summary}
        for it in standing.incidents
    ]
    row: dict[str, object] = {"daemon": standing.daemon, "exit": int(standing.exit), "open_incidents": incidents}
    row["declared"] = [rollout_row(it.rollout, it.counts) for it in standing.declared]
    if standing.snapshot is not None:
        targets = [asdict(it) | {"late": it.late} for it in standing.snapshot.targets]
        row |= {"snapshot": asdict(standing.snapshot) | {"targets": targets, "stuck": _stuck(standing.snapshot)}}
    return row
