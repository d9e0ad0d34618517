"""What stands outside a ledger's power: the checkpoints an auditor kept, held against its keys and its leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.chain import KeyChain, declaration
from storage.checkpoint import Checkpoint, claimed, open_checkpoint
from watchdog.domain.decisions import ForkDeclared
from watchdog.domain.text import printable
from watchdog.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that somebody kept outside the ledger."""

    name: str
    note: str
    claim: Checkpoint
    """What it says, unchecked."""


def read_kept(paths: Sequence[Path]) -> list[Kept]:
    """Read kept checkpoints from files, and from folders of `*.checkpoint` files.

    Raises LedgerError when one cannot be read or is not a checkpoint, or a folder has none.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.checkpoint")) if path.is_dir() else [path]
        if not found:
            raise LedgerError(f"{path}: there is no checkpoint here", hint="name kept checkpoints `*.checkpoint`")
        files += found
    return [_read(file) for file in files]


def head_faults(note: str | None, chain: KeyChain, head: Checkpoint) -> list[str]:
    """Hold the checkpoint that the ledger carries against what its leaves give."""
    if note is None:
        return ["ALTERED: the head is not signed, though the ledger has a key"] if chain.keys else []
    if not chain.keys:
        return ["ALTERED: the head is signed, though the ledger never adopted a key"]
    try:
        signed = open_checkpoint(note, chain.keys[-1:])
    except LedgerError as exc:
        return [f"FORKED: the ledger's own checkpoint: {exc.problem}"]
    if signed.size > head.size:
        return [f"TRUNCATED: the ledger's own checkpoint covers {signed.size} leaves, {head.size} are left"]
    if signed != head:
        return [f"ALTERED: the ledger's own checkpoint is not about these {head.size} leaves"]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came of holding something against the ledger."""

    faults: tuple[str, ...]
    accepted: tuple[str, ...]
    """What would be a fault, had the auditor not accepted the fork that it comes from."""


def fork_faults(chain: KeyChain) -> Held:
    """Tell every declared fork, as a fault until the auditor accepts it: a thief could declare one as well."""
    return Held(
        faults=tuple(
            f"FORKED: {it.told}; if you know of it, give --accept-fork {it.declared.key}"
            for it in chain.forks
            if not it.accepted
        ),
        accepted=tuple(f"FORKED: {it.told}" for it in chain.forks if it.accepted),
    )


def kept_faults(kept: Sequence[Kept], chain: KeyChain, size: int, roots: Mapping[int, Sequence[bytes]]) -> Held:
    """Hold kept checkpoints against the ledger.

    `roots` are the roots over the first so many leaves: as they are, and as their stored hashes say they were. When
    only the latter fits, the altered leaf was named already.
    """
    faults: list[str] = []
    accepted: list[str] = []
    same = 0
    for it in sorted(kept, key=lambda it: it.claim.size):
        # A ledger that was emptied has lost its name with its first leaf; its length says it all.
        emptied = not chain.keys and it.claim.size > size
        fault = None if emptied else _name_fault(it, chain)
        ended = chain.end(it.claim.origin)
        if fault is None and ended is not None and it.claim.size > ended.declared.parent_size:
            (accepted if ended.accepted else faults).append(_lost(it, ended.declared))
            continue
        fault = fault or _history_fault(it, size, roots.get(it.claim.size, ()), same)
        if fault:
            faults.append(fault)
        else:
            same = it.claim.size
    return Held(faults=tuple(faults), accepted=tuple(accepted))


def _name_fault(kept: Kept, chain: KeyChain) -> str | None:
    claim = kept.claim
    if claim.origin not in chain.origins:
        ours = "has no name, for it was never signed" if chain.origin is None else f"is {chain.origin}"
        return f"FORKED: {kept.name} is a checkpoint of {printable(claim.origin)}; this ledger {ours}"
    try:
        open_checkpoint(kept.note, chain.signers(claim.origin))
    except LedgerError as exc:
        return f"FORKED: {kept.name}: {exc.problem}"
    if claim.size <= chain.begin(claim.origin) > 0:
        return f"FORKED: {kept.name} covers {claim.size} leaves, none of which were recorded as {claim.origin}"
    return None


def _lost(kept: Kept, fork: ForkDeclared) -> str:
    return (
        f"TRUNCATED: leaves {fork.parent_size} to {kept.claim.size - 1} of {fork.parent_origin}, which {kept.name} "
        f"covers, are gone; {declaration(fork)}"
    )


def _history_fault(kept: Kept, size: int, roots: Sequence[bytes], same: int) -> str | None:
    claim = kept.claim
    if claim.size > size:
        return f"TRUNCATED: {kept.name} covers {claim.size} leaves, {size} are left"
    if claim.root not in roots:
        return (
            f"FORKED: {kept.name} names another root for the first {claim.size} leaves: "
            f"something from leaf {same} to leaf {claim.size - 1} was rewritten"
        )
    return None


def _read(file: Path) -> Kept:
    try:
        note = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise LedgerError(f"{file}: this is not a checkpoint: not text", hint="keep checkpoints byte for byte") from exc
    except OSError as exc:
        raise LedgerError(f"{file}: cannot be read: {exc.strerror}", hint="name the file of a checkpoint") from exc
    try:
        return Kept(file.name, note, claimed(note))
    except LedgerError as exc:
        raise LedgerError(f"{file}: {exc.problem}", hint=exc.hint) from exc
