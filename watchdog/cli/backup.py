"""`backup` and `restore`, and what `audit fork-declare` has in common with them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchdog.cli.exits import Exit
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.errors import ConfigError

if TYPE_CHECKING:
    from storage.backups import Backup
    from storage.forking import Declaration
    from watchdog.domain.decisions import ForkDeclared

ReasonOption = Annotated[str, typer.Option("--reason", help="Why a backup was restored; auditors read it.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Your name; by default your account's.")]
OriginOption = Annotated[
    str | None, typer.Option("--origin", help="The new name of the ledger; by default made of the old one.")
]
LostOption = Annotated[
    Path | None,
    typer.Option("--lost-checkpoint", help="A checkpoint from before the loss: then the record says what is lost."),
]
KeyLostOption = Annotated[
    bool, typer.Option("--key-lost", help="The key that the backup was signed with is gone and cannot sign the change.")
]
NewKeyOption = Annotated[
    Path | None, typer.Option("--new-key", help="Write the new key here and leave the old file as it is.")
]


def backup(
    to: Annotated[Path, typer.Option("--to", help="The file to write; nothing is overwritten.")],
    config: ConfigOption = DEFAULT_CONFIG,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="The ledger file, instead of a configuration.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the ledger whole while the daemon writes, and recompute the copy; exit 0 if it is intact, 1 if not."""
    from storage import backups, signing  # noqa: PLC0415 - heavy, and only needed here

    key_file = None
    if ledger is None:
        from watchdog.wiring import read_config  # noqa: PLC0415 - heavy, and not needed when the file was named

        settings = read_config(config).settings
        ledger, key_file = settings.ledger, settings.signing_key_file
    done = backups.backup(ledger, to)
    if as_json:
        print_json(_row(ledger, done))
    else:
        _print_backup(ledger, done)
        if done.found.key is not None:
            place = key_file or signing.key_beside(ledger)
            typer.echo(f"  not in it: the signing key, {place}; keep a copy of that apart, made anew when it changes")
    raise typer.Exit(Exit.CLEAN if done.found.intact else Exit.FINDING)


def restore(
    source: Annotated[Path, typer.Option("--from", help="The file that `backup` wrote.")],
    reason: ReasonOption,
    by: ByOption = None,
    origin: OriginOption = None,
    lost_checkpoint: LostOption = None,
    key_lost: KeyLostOption = False,
    new_key: NewKeyOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put a backup in the ledger's place, and declare the fork in it; what is there is kept. Stop the daemon first.

    Prints the new verifier key, which auditors need. Exit 1, and nothing is changed, when the backup is not intact.
    """
    from storage import backups  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import now, read_config  # noqa: PLC0415 - the same

    settings = read_config(config).settings
    said = _said(reason, by, origin, lost_checkpoint, key_lost)
    done = backups.restore(source, settings.ledger, said, now=now, key_file=settings.signing_key_file, to=new_key)
    if done.fork is None:
        for fault in done.found.faults:
            typer.echo(fault)
        sys.stderr.write(f"{source}: not restored: {len(done.found.faults)} faults; take another backup\n")
        raise typer.Exit(Exit.FINDING)
    sys.stderr.write(f"{settings.ledger}: restored from {source}, {done.found.leaves} leaves\n")
    if done.kept is not None:
        sys.stderr.write(f"  what was there is kept as {done.kept}: it may be evidence\n")
    tell_fork(done.fork, settings.origin, new_key)


def fork_declare(
    reason: ReasonOption,
    by: ByOption = None,
    origin: OriginOption = None,
    lost_checkpoint: LostOption = None,
    key_lost: KeyLostOption = False,
    new_key: NewKeyOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say in a ledger that was put back by hand that it goes on from a backup; `restore` does it by itself.

    Prints the new verifier key, which auditors need.
    """
    from storage.forking import fork  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import now, read_config  # noqa: PLC0415 - the same

    settings = read_config(config).settings
    said = _said(reason, by, origin, lost_checkpoint, key_lost)
    declared = fork(settings.ledger, said, now=now, key_file=settings.signing_key_file, to=new_key)
    tell_fork(declared, settings.origin, new_key)


def tell_fork(fork: "ForkDeclared", origin: str | None, new_key: Path | None) -> None:
    """Print the new verifier key, and what has to be done now to standard error."""
    sys.stderr.write(f"  leaf {fork.parent_size} declares the fork; it goes on as {fork.origin}\n")
    if origin is not None:
        sys.stderr.write(f"  in the configuration, change `origin: {origin}` to `origin: {fork.origin}`\n")
    if new_key is not None:
        sys.stderr.write(f"  now set `signing-key-file: {new_key}`, and destroy the old key\n")
    sys.stderr.write("  keep a copy of the new signing key, and give auditors the reason and this verifier key:\n")
    sys.stderr.flush()
    typer.echo(fork.key)


def _said(reason: str, by: str | None, origin: str | None, lost: Path | None, key_lost: bool) -> "Declaration":
    from storage.forking import Declaration  # noqa: PLC0415 - heavy, and only needed here
    from storage.trust import read_kept  # noqa: PLC0415 - the same
    from watchdog.accounts import this_actor  # noqa: PLC0415 - the same

    if lost is not None and not lost.is_file():
        raise ConfigError(f"{lost}: there is no such file", hint="name one checkpoint with --lost-checkpoint")
    note = None if lost is None else read_kept([lost])[0].note
    return Declaration(reason=reason, by=this_actor(by), origin=origin, lost=note, key_lost=key_lost)


def _print_backup(ledger: Path, done: "Backup") -> None:
    for fault in done.found.faults:
        typer.echo(fault)
    state = "intact" if done.found.intact else f"{len(done.found.faults)} faults: `restore` will refuse it"
    typer.echo(f"{done.path}: {state}; {done.size:,} bytes, {done.found.leaves} leaves, root {done.found.root}")
    typer.echo(f"  copied from {ledger}; newest leaf {done.found.last_at or 'none'}")
    typer.echo(f"  checkpoint {done.checkpoint}" if done.checkpoint else "  no checkpoint")


def _row(ledger: Path, done: "Backup") -> dict[str, object]:
    return {
        "ledger": str(ledger),
        "backup": str(done.path),
        "checkpoint": None if done.checkpoint is None else str(done.checkpoint),
        "bytes": done.size,
        "leaves": done.found.leaves,
        "root": done.found.root,
        "origin": done.found.origin,
        "key": done.found.key,
        "intact": done.found.intact,
        "faults": list(done.found.faults),
    }
