"""`audit`: hold the record against itself, and take home what proves it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchdog.cli import backup, recompute
from watchdog.cli.exits import Exit
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LedgerOption, ledger_path, print_json
from watchdog.errors import ConfigError

if TYPE_CHECKING:
    from storage.audit import Audit

app = typer.Typer(help="Check the record itself; docs/auditing.md walks through it.", no_args_is_help=True)


@app.command("verify")
def verify(
    config: ConfigOption = DEFAULT_CONFIG,
    ledger: LedgerOption = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint that you kept, or a folder of *.checkpoint files; may be repeated."),
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="The verifier key you know it by; may be repeated.")] = None,
    accept_fork: Annotated[
        list[str] | None, typer.Option(help="The verifier key of a fork whose reason you checked; may be repeated.")
    ] = None,
    max_gap: Annotated[
        str, typer.Option(help="Longest silence of a running watchdog that is not a blind window.")
    ] = "15m",
    as_json: JsonOption = False,
) -> None:
    """Recompute the ledger, hold it against what you kept, and say what is wrong; exit 0 if it is intact, 1 if not."""
    from storage.audit import audit  # noqa: PLC0415 - heavy, and only needed here
    from storage.note import VerifierKey  # noqa: PLC0415 - the same
    from storage.trust import read_kept  # noqa: PLC0415 - the same
    from watchdog.config.durations import parse_duration  # noqa: PLC0415 - the same

    try:
        gap = parse_duration(max_gap)
    except ValueError as exc:
        raise ConfigError(f"--max-gap: {exc}", hint="write it like 15m or 1h30m") from exc
    path = ledger_path(ledger, config)
    kept = read_kept(checkpoint or [])
    keys, accepted = ([VerifierKey.parse(it) for it in given or []] for given in (key, accept_fork))
    result = audit(path, kept=kept, keys=keys, accepted=accepted, max_gap=gap)
    if as_json:
        print_json(_row(path, result, len(kept)))
    else:
        for fault in result.faults:
            typer.echo(fault)
        for known in result.accepted:
            typer.echo(f"accepted: {known}")
        state = "intact" if result.intact else f"{len(result.faults)} faults"
        typer.echo(f"{path}: {state}; {result.leaves} leaves, root {result.root}")
        typer.echo(f"  signed as {result.key}" if result.key else "  not signed")
        typer.echo(f"  {len(kept)} kept checkpoints held against it; newest leaf {result.last_at or 'none'}")
    raise typer.Exit(Exit.CLEAN if result.intact else Exit.FINDING)


@app.command("checkpoint")
def checkpoint(config: ConfigOption = DEFAULT_CONFIG, ledger: LedgerOption = None) -> None:
    """Print the newest signed checkpoint; keep it where the watchdog's host cannot reach it."""
    from storage.receipts import newest_checkpoint  # noqa: PLC0415 - heavy, and only needed here

    sys.stdout.write(newest_checkpoint(ledger_path(ledger, config)))


@app.command("key")
def key(config: ConfigOption = DEFAULT_CONFIG, ledger: LedgerOption = None) -> None:
    """Print the verifier key; note it down once, when the watchdog is installed."""
    from storage.receipts import newest_key  # noqa: PLC0415 - heavy, and only needed here

    typer.echo(newest_key(ledger_path(ledger, config)))


@app.command("proof")
def proof(
    incident: Annotated[str | None, typer.Argument(help="An incident's id, or the beginning of it.")] = None,
    leaf: Annotated[int | None, typer.Option(help="Instead of an incident: the index of one leaf.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write one file for each leaf to.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    ledger: LedgerOption = None,
) -> None:
    """Prove without the ledger that an incident's leaves are in it (C2SP tlog-proof, each with its leaf inside)."""
    from storage.receipts import leaves_of, prove  # noqa: PLC0415 - heavy, and only needed here

    if (incident is None) == (leaf is None):
        raise ConfigError("name either an incident or one --leaf", hint="`incidents list` shows the ids")
    if incident is not None and to is None:
        raise ConfigError("an incident has several leaves", hint="name a folder for their proofs with --to")
    path = ledger_path(ledger, config)
    for it in prove(path, leaves_of(path, incident) if incident is not None else [leaf or 0]):
        if to is None:
            sys.stdout.write(str(it))
            continue
        file = to / f"leaf-{it.index}.tlog-proof"
        try:
            to.mkdir(parents=True, exist_ok=True)
            file.write_text(str(it), encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"{file}: cannot be written: {exc.strerror}", hint="name another --to") from exc
        typer.echo(file)


@app.command("rotate-key")
def rotate_key(
    config: ConfigOption = DEFAULT_CONFIG,
    to: Annotated[Path | None, typer.Option(help="Write the new key here and leave the old file as it is.")] = None,
    lost: Annotated[bool, typer.Option("--lost", help="The old key is gone and cannot sign the change.")] = False,
) -> None:
    """Give the ledger a new signing key, recorded in it and signed by the old one. Stop the daemon first."""
    from storage.signing import rotate  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import now, read_config  # noqa: PLC0415 - the same

    settings = read_config(config).settings
    new = rotate(settings.ledger, now=now, key_file=settings.signing_key_file, to=to, lost=lost)
    if to is not None:
        sys.stderr.write(f"now set `signing-key-file: {to}`, and destroy the old key\n")
    typer.echo(str(new))


app.command("recompute")(recompute.recompute)
app.command("fork-declare")(backup.fork_declare)


@app.command("verifier")
def verifier() -> None:
    """Print the verifier that an auditor runs without the watchdog: one Python file."""
    from importlib.resources import files  # noqa: PLC0415 - only needed here

    sys.stdout.write((files("storage") / "standalone" / "verify_ledger.py").read_text(encoding="utf-8"))


def _row(path: Path, result: "Audit", kept: int) -> dict[str, object]:
    return {
        "ledger": str(path),
        "intact": result.intact,
        "leaves": result.leaves,
        "root": result.root,
        "origin": result.origin,
        "key": result.key,
        "last_at": result.last_at,
        "kept": kept,
        "faults": list(result.faults),
        "accepted": list(result.accepted),
    }
