"""Recompute a ledger: the tree from the leaves, every derived row from the leaves, and hold it against outside proof.

Each fault begins with what it is: TRUNCATED (leaves at the end are gone), ALTERED (a leaf, a row or an exhibit was
changed, added or removed), MISSING (an exhibit that a leaf names is not there), FORKED (another history, or another
ledger, than the one that was signed) or BLIND WINDOW (a watchdog that had started recorded nothing for too long).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from storage import exhibits, files, log_keeping
from storage.chain import Change, KeyChain, key_chain, own_keys
from storage.checkpoint import Checkpoint
from storage.codec import decode
from storage.merkle import Tree, leaf_hash
from storage.note import VerifierKey
from storage.refold import AUDITED, beside, differences, refold
from storage.shape import misfits
from storage.trust import Kept, fork_faults, head_faults, kept_faults
from watchdog.domain.decisions import Decision, ForkDeclared, Handover, Started, Stopped
from watchdog.errors import LedgerError

_BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What recomputing a ledger showed."""

    leaves: int
    root: str
    """Merkle root of the leaves as they are now, in hex."""
    origin: str | None
    """The ledger's name in its checkpoints today; None when it was never signed."""
    key: str | None
    """The verifier key that its newest checkpoint has to be signed with."""
    last_at: datetime | None
    """When the newest decision was made."""
    faults: tuple[str, ...]
    """Each thing that is wrong, with the leaf or the row it is wrong at; empty when the ledger is intact."""
    derived: tuple[str, ...] = ()
    """Those of them that are about what is made from the leaves, and that `db rebuild` mends."""
    exhibits: tuple[str, ...] = ()
    """Those of them that are about exhibits, on which neither leaves nor rows depend."""
    accepted: tuple[str, ...] = ()
    """Declared forks that the auditor accepted, and what they lost."""

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def audit(
    path: Path,
    *,
    kept: Sequence[Kept] = (),
    keys: Sequence[VerifierKey] | None = (),
    accepted: Sequence[VerifierKey] = (),
    max_gap: timedelta | None = None,
) -> Audit:
    """Recompute the ledger at `path` without writing to it, and hold it against kept checkpoints and known keys.

    `accepted` are the keys of forks whose reason the auditor has checked. With None for `keys` the ledger's own word is
    taken for its keys and forks, as its owner does. It is locked only for short reads, so that a daemon can go on
    writing. Raises LedgerError when it cannot be read at all.
    """
    try:
        with beside(path) as connection:
            return audit_beside(connection, kept=kept, keys=keys, accepted=accepted, max_gap=max_gap)
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc


def audit_beside(
    connection: Connection,
    *,
    kept: Sequence[Kept] = (),
    keys: Sequence[VerifierKey] | None = (),
    accepted: Sequence[VerifierKey] = (),
    max_gap: timedelta | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Audit:
    """Audit the ledger beside a scratch ledger, and leave in the latter what is folded from the leaves.

    The last leaves, the head and the rows are read in one transaction, which stays open: they are of the same moment.
    """
    pass_ = _Pass(frozenset(it.claim.size for it in kept), max_gap)
    shape = misfits(connection, "audited")
    if shape.record:
        # What these tables show may be anything, so nothing is read from them.
        faults = (*shape.record, *shape.rest)
        return Audit(leaves=0, root=Tree().root.hex(), origin=None, key=None, last_at=None, faults=faults)
    while _take_batch(connection, pass_):
        connection.commit()
        progress(pass_.tree.size)
    head = connection.execute(select(AUDITED["tree"]).where(AUDITED["tree"].c.id == 0)).one_or_none()
    pass_.exhibits += exhibits.naming_faults(connection, AUDITED["exhibit"])
    pass_.exhibits += log_keeping.text_faults(connection, AUDITED["customer_text"])
    derived = list(shape.rest)
    if not pass_.unfoldable:
        derived += differences(connection, without={it.name for it in shape.altered})
    known = own_keys(pass_.changes) if keys is None else (keys, accepted)
    return _conclude(pass_, head, derived, kept, key_chain(pass_.changes, *known))


def _conclude(pass_: "_Pass", head: Any, derived: Sequence[str], kept: Sequence[Kept], chain: KeyChain) -> Audit:
    tree = pass_.tree
    now = Checkpoint(chain.origin or "", tree.size, tree.root)
    forks, held = fork_faults(chain), kept_faults(kept, chain, tree.size, pass_.roots)
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
            *forks.faults,
            *held.faults,
            *pass_.exhibits,
            *pass_.unfoldable,
            *derived,
            *pass_.blind,
        ),
        derived=tuple(derived),
        exhibits=tuple(pass_.exhibits),
        accepted=forks.accepted + held.accepted,
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
    changes: list[Change] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unfoldable: list[str] = field(default_factory=list)
    """Why rows cannot be compared; empty when they can."""
    exhibits: list[str] = field(default_factory=list)
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

    def follow(self, index: int, decision: Handover, before: tuple[Tree, Tree]) -> None:
        """Note that another key signs from here on, and what the leaves before gave."""
        self.changes.append(Change(index, decision, tuple(tree.root for tree in before), self.last_at))

    def watch(self, index: int, decision: Decision) -> None:
        """Look for a stretch in which a watchdog had started and recorded nothing."""
        # What is missing before a fork is what was lost, and is told with it.
        restored = isinstance(decision, ForkDeclared)
        if self.running and not restored and self.max_gap is not None and self.last_at is not None:
            gap = decision.at - self.last_at
            if gap > self.max_gap:
                self.blind.append(
                    f"BLIND WINDOW: nothing was recorded from {self.last_at:%Y-%m-%d %H:%M:%S} to "
                    f"{decision.at:%Y-%m-%d %H:%M:%S} UTC ({gap}), before leaf {index}"
                )
        if isinstance(decision, Started | Stopped | ForkDeclared):
            self.running = isinstance(decision, Started)
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
        before = (pass_.tree, pass_.as_written)
        pass_.hash_leaf(index, body, stored)
        try:
            decision = decode(body, index=index)
        except LedgerError as exc:
            pass_.unfoldable = pass_.unfoldable or [f"ALTERED: {exc.problem}; rows could not be compared"]
        else:
            if isinstance(decision, Handover):
                pass_.follow(index, decision, before)
            pass_.watch(index, decision)
            decisions.append((index, decision))
    pass_.exhibits += exhibits.body_faults(connection, AUDITED["exhibit"], decisions)
    exhibits.note(connection, decisions)
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
    if head.peaks != b"".join(tree.peaks):
        return ["ALTERED: the head has other subtrees than the leaves give, and new leaves would not fit"]
    return []


def _out_of_place(expected: int, index: int) -> str:
    if index < expected:
        return f"leaf {index} stands where leaf {expected} should"
    if index == expected + 1:
        return f"leaf {expected} is missing"
    return f"leaves {expected} to {index - 1} are missing"
