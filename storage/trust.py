"""What stands outside a ledger's power: the keys an auditor knows, and the checkpoints an auditor kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.checkpoint import Checkpoint, claimed, open_checkpoint
from storage.keys import endorses
from storage.note import VerifierKey
from watchdog.domain.decisions import KeyAdopted
from watchdog.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that somebody kept outside the ledger."""

    name: str
    note: str
    claim: Checkpoint
    """What it says, unchecked."""


@dataclass(frozen=True, slots=True)
class KeyChain:
    """The keys of a ledger, oldest first; each but the first was handed over to, or is known to the auditor."""

    keys: tuple[VerifierKey, ...]
    faults: tuple[str, ...]

    @property
    def origin(self) -> str | None:
        """The ledger's name; None when it was never signed."""
        return self.keys[0].name if self.keys else None


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


def key_chain(adoptions: Sequence[tuple[int, KeyAdopted]], trusted: Sequence[VerifierKey]) -> KeyChain:
    """Follow the leaves in which keys were adopted, and say where nobody handed over."""
    keys: list[VerifierKey] = []
    faults = []
    for index, adoption in adoptions:
        try:
            key = VerifierKey.parse(adoption.key)
        except LedgerError as exc:
            faults.append(f"ALTERED: leaf {index}: {exc.problem}")
            continue
        if key.name != adoption.origin or (keys and key.name != keys[0].name):
            faults.append(f"ALTERED: leaf {index} gives the ledger another name, {key.name}")
        elif keys and key not in trusted and not endorses(adoption.endorsement, keys[-1], key):
            faults.append(
                f"FORKED: leaf {index} adopts the key {key}, which the key before it did not sign; "
                "if the operator says that one was lost, give the new one with --key"
            )
        keys.append(key)
    faults += [f"FORKED: this ledger never adopted the key {key}" for key in trusted if key not in keys]
    return KeyChain(tuple(keys), tuple(faults))


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


def kept_faults(kept: Sequence[Kept], chain: KeyChain, size: int, roots: Mapping[int, Sequence[bytes]]) -> list[str]:
    """Hold kept checkpoints against the ledger.

    `roots` are the roots over the first so many leaves: as they are, and as their stored hashes say they were. When
    only the latter fits, the altered leaf was named already.
    """
    faults, same = [], 0
    for it in sorted(kept, key=lambda it: it.claim.size):
        # A ledger that was emptied has lost its name with its first leaf; its length says it all.
        emptied = not chain.keys and it.claim.size > size
        unsigned = None if emptied else _signature_fault(it, chain)
        fault = unsigned or _history_fault(it, size, roots.get(it.claim.size, ()), same)
        if fault:
            faults.append(fault)
        else:
            same = it.claim.size
    return faults


def _signature_fault(kept: Kept, chain: KeyChain) -> str | None:
    if kept.claim.origin != chain.origin:
        ours = "has no name, for it was never signed" if chain.origin is None else f"is {chain.origin}"
        return f"FORKED: {kept.name} is a checkpoint of {kept.claim.origin}; this ledger {ours}"
    try:
        open_checkpoint(kept.note, chain.keys)
    except LedgerError as exc:
        return f"FORKED: {kept.name}: {exc.problem}"
    return None


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
