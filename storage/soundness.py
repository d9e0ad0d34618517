"""Whether a ledger that was left in the middle of something is whole, looked at quickly before it is written again."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, func, select

from storage import schema
from storage.checkpoint import Checkpoint, open_checkpoint
from storage.merkle import Tree, leaf_hash
from storage.note import VerifierKey
from watchdog.errors import LedgerBrokenError, LedgerError

_LATEST = 1000
"""Leaves at the end whose bytes are held against their hashes; `audit verify` looks at all of them."""


def require_sound(connection: Connection, path: Path, key: VerifierKey | None) -> None:
    """Look at the end of a ledger whose last writer did not give it back, before anything is added to it.

    The head of the tree is held against itself and its signature, and the newest leaves against their hashes.
    Raises LedgerBrokenError that names what is wrong.
    """
    run = schema.run.c
    query = select(run.kind).where(run.kind.in_(("started", "stopped"))).order_by(run.leaf.desc()).limit(1)
    faults = _faults(connection, key) if connection.scalar(query) == "started" else []
    if faults:
        raise LedgerBrokenError(
            f"{path}: the last writer ended without a word, and the ledger is not whole: {'; '.join(faults[:3])}",
            hint="keep the file, it is evidence; `corrigibility-watchdog audit verify` says more; restore a backup",
        )


def _faults(connection: Connection, key: VerifierKey | None) -> list[str]:
    head = connection.execute(select(schema.tree).where(schema.tree.c.id == 0)).one_or_none()
    if head is None:
        return ["ALTERED: the head of the tree is missing"]
    return [
        *_head_faults(connection, head.size, head.peaks, head.root, head.checkpoint, key),
        *_leaf_faults(connection),
    ]


def _head_faults(
    connection: Connection, size: int, peaks: bytes, root: bytes, note: str | None, key: VerifierKey | None
) -> Iterator[str]:
    last = connection.scalar(select(func.max(schema.leaf.c.idx)))
    leaves = 0 if last is None else last + 1
    if leaves != size:
        word = "TRUNCATED" if leaves < size else "ALTERED"
        yield f"{word}: the head covers {size} leaves, and the last leaf is number {leaves - 1}"
    if len(peaks) != 32 * size.bit_count():
        yield f"ALTERED: a tree of {size} leaves cannot have these peaks"
        return
    if Tree(size, tuple(peaks[at : at + 32] for at in range(0, len(peaks), 32))).root != root:
        yield "ALTERED: the peaks of the tree do not give its root"
    if key is None:
        return
    try:
        signed = None if note is None else open_checkpoint(note, [key])
    except LedgerError as exc:
        yield f"FORKED: the ledger's own checkpoint: {exc.problem}"
        return
    if signed != Checkpoint(key.name, size, root):
        yield f"ALTERED: the ledger's own checkpoint is not about these {size} leaves"


def _leaf_faults(connection: Connection) -> Iterator[str]:
    leaf = schema.leaf.c
    newest = select(leaf.idx, leaf.body, leaf.hash).order_by(leaf.idx.desc()).limit(_LATEST)
    for index, body, stored in connection.execute(newest):
        if leaf_hash(body) != stored:
            yield f"ALTERED: leaf {index} is not what it was when it was written"
