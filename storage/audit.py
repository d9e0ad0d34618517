"""Recompute a ledger: the tree from the leaves, every derived row from the leaves, and hold it against outside proof.

Each fault begins with what it is: TRUNCATED (leaves at the end are gone), ALTERED (a leaf or a row was changed, added
or removed), FORKED (another history, or another ledger, than the one that was signed) or BLIND WINDOW (a watchdog that
had started recorded nothing for too long).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from storage import files
from storage.checkpoint import Checkpoint
from storage.codec import decode
from storage.merkle import Tree, leaf_hash
from storage.note import VerifierKey
from storage.refold import AUDITED, beside, differences, refold, replaced_tables
from storage.trust import Kept, head_faults, kept_faults, key_chain
from watchdog.domain.decisions import Decision, KeyAdopted, Started, Stopped
from watchdog.errors import LedgerError

_BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What recomputing a ledger showed."""

    leaves: int
    root: str
    """Merkle root of the leaves as they are now, in hex."""
    origin: str | None
    """The ledger's name in its checkpoints; None when it was never signed."""
    key: str | None
    """The verifier key that its newest checkpoint has to be signed with."""
    last_at: datetime | None
    """When the newest decision was made."""
    faults: tuple[str, ...]
    """Each thing that is wrong, with the leaf or the row it is wrong at; empty when the ledger is intact."""

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def audit(
    path: Path,
    *,
    kept: Sequence[Kept] = (),
    keys: Sequence[VerifierKey] = (),
    max_gap: timedelta | None = None,
) -> Audit:
    """Recompute the ledger at `path` without writing to it, and hold it against kept checkpoints and known keys.

    The ledger is locked only for short reads, so that a daemon can go on writing.
    Raises LedgerError when it cannot be read at all.
    """
    pass_ = _Pass(frozenset(it.claim.size for it in kept), max_gap)
    head: Any = None
    try:
        with beside(path) as connection:
            rows = replaced_tables(connection)
            if not rows:
                while _take_batch(connection, pass_):
                    connection.commit()
                # The last batch, the head and the rows are read in one transaction: they are of the same moment.
                head = connection.execute(select(AUDITED["tree"]).where(AUDITED["tree"].c.id == 0)).one_or_none()
                rows = pass_.unfoldable or differences(connection)
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    return _conclude(pass_, head, rows, kept, keys)


def _conclude(
    pass_: "_Pass", head: Any, rows: Sequence[str], kept: Sequence[Kept], keys: Sequence[VerifierKey]
) -> Audit:
    tree, chain = pass_.tree, key_chain(pass_.adoptions, keys)
    now = Checkpoint(chain.origin or "", tree.size, tree.root)
    return Audit(
        leaves=tree.size,
        root=tree.root.hex(),
        origin=chain.origin,
        key=str(chain.keys[-1]) if chain.keys else None,
        last_at=pass_.last_at,
        faults=(
            *pass_.faults,
            *_tree_faults(head, tree),
            *(() if head is None else head_faults(head.checkpoint, chain, now)),
            *chain.faults,
            *kept_faults(kept, chain, tree.size, pass_.roots),
            *rows,
            *pass_.blind,
        ),
    )


@dataclass(slots=True)
class _Pass:
    """What one pass over the leaves gathers."""

    wanted: frozenset[int]
    """Sizes at which somebody kept a checkpoint."""
    max_gap: timedelta | None
    tree: Tree = field(default_factory=Tree)
    as_written: Tree = field(default_factory=Tree)
    """The tree over the stored hashes: what the leaves were, if only leaves were altered."""
    roots: dict[int, list[bytes]] = field(default_factory=dict)
    last_index: int = -1
    """Index of the last leaf taken."""
    adoptions: list[tuple[int, KeyAdopted]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unfoldable: list[str] = field(default_factory=list)
    """Why rows cannot be compared; empty when they can."""
    blind: list[str] = field(default_factory=list)
    running: bool = False
    last_at: datetime | None = None

    def __post_init__(self) -> None:
        self.note_root()

    def note_root(self) -> None:
        """Remember the root at a size for which a checkpoint was kept."""
        if self.tree.size in self.wanted:
            self.roots[self.tree.size] = [self.tree.root, self.as_written.root]

    def hash_leaf(self, index: int, body: bytes, stored: bytes) -> None:
        """Take a leaf into the tree."""
        if index != self.last_index + 1:
            self.faults.append(f"ALTERED: {_out_of_place(self.last_index + 1, index)}")
        node = leaf_hash(body)
        if node != stored:
            self.faults.append(f"ALTERED: leaf {index} is not what it was when it was written")
        self.tree = self.tree.grow_hashed(node)
        # As long as nothing was altered the two trees are one, and are grown once.
        self.as_written = self.as_written.grow_hashed(stored) if self.faults else self.tree
        self.last_index = max(index, self.last_index)
        self.note_root()

    def watch(self, index: int, decision: Decision) -> None:
        """Look for a stretch in which a watchdog had started and recorded nothing."""
        if self.running and self.max_gap is not None and self.last_at is not None:
            gap = decision.at - self.last_at
            if gap > self.max_gap:
                self.blind.append(
                    f"BLIND WINDOW: nothing was recorded from {self.last_at:%Y-%m-%d %H:%M:%S} to "
                    f"{decision.at:%Y-%m-%d %H:%M:%S} UTC ({gap}), before leaf {index}"
                )
        if isinstance(decision, Started | Stopped):
            self.running = isinstance(decision, Started)
        if isinstance(decision, KeyAdopted):
            self.adoptions.append((index, decision))
        self.last_at = decision.at


def _take_batch(connection: Connection, pass_: _Pass) -> bool:
    """Hash and fold the next leaves; return whether more may follow."""
    leaf = AUDITED["leaf"]
    query = select(leaf).order_by(leaf.c.idx).limit(_BATCH)
    if pass_.tree.size:
        query = query.where(leaf.c.idx > pass_.last_index)
    leaves = connection.execute(query).all()
    decisions = []
    for index, body, stored in leaves:
        pass_.hash_leaf(index, body, stored)
        try:
            decision = decode(body, index=index)
        except LedgerError as exc:
            pass_.unfoldable = pass_.unfoldable or [f"ALTERED: {exc.problem}; rows could not be compared"]
        else:
            pass_.watch(index, decision)
            decisions.append((index, decision))
    pass_.unfoldable = pass_.unfoldable or refold(connection, decisions)
    return len(leaves) == _BATCH


def _tree_faults(head: Any, tree: Tree) -> list[str]:
    if head is None:
        return ["ALTERED: the head of the tree is missing"]
    if head.size > tree.size:
        return [f"TRUNCATED: the head covers {head.size} leaves, {tree.size} are left"]
    if head.size < tree.size:
        return [f"ALTERED: {tree.size - head.size} leaves were added behind the head"]
    if head.root != tree.root:
        return [f"ALTERED: the leaves do not give the root that the head names ({head.root.hex()})"]
    return []


def _out_of_place(expected: int, index: int) -> str:
    if index < expected:
        return f"leaf {index} stands where leaf {expected} should"
    if index == expected + 1:
        return f"leaf {expected} is missing"
    return f"leaves {expected} to {index - 1} are missing"
