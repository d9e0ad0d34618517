"""The Merkle tree over the leaves: grown leaf by leaf, proved, and checked (RFC 6962, RFC 9162 section 2.1)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of `size` leaves, kept as the roots of its perfect subtrees: one per set bit of size, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def grow(self, leaf: bytes) -> "Tree":
        """Return the tree with one more leaf; costs O(log size)."""
        return self.grow_hashed(leaf_hash(leaf))

    def grow_hashed(self, node: bytes) -> "Tree":
        """Return the tree with one more leaf, given the leaf's hash."""
        peaks, size = list(self.peaks), self.size
        while size & 1:
            node = node_hash(peaks.pop(), node)
            size >>= 1
        return Tree(self.size + 1, (*peaks, node))

    @property
    def root(self) -> bytes:
        """The Merkle tree hash of all leaves."""
        if not self.peaks:
            return EMPTY_ROOT
        *rest, root = self.peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def tree_of(leaves: Iterable[bytes]) -> Tree:
    """Return the tree over the leaves, in order."""
    tree = Tree()
    for leaf in leaves:
        tree = tree.grow(leaf)
    return tree


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash over leaf hashes."""
    return levels_of(hashes)[-1][0] if hashes else EMPTY_ROOT


def levels_of(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return every level of the tree over leaf hashes, from the leaves to the root."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        levels.append(_above(levels[-1]))
    return levels


def inclusion_path(levels: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    """Return the proof that leaf `index` is in the tree with these levels, from the leaf's sibling upwards."""
    if not 0 <= index < len(levels[0]):
        raise IndexError(f"no leaf {index} in a tree of {len(levels[0])}")
    # The last node of an odd level has no sibling; it moves up as it is.
    siblings = [(level, index >> height ^ 1) for height, level in enumerate(levels[:-1])]
    return tuple(level[at] for level, at in siblings if at < len(level))


def consistency_path(hashes: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """Return the proof that the tree over these leaf hashes begins with the tree over the first `old` of them."""
    if not 0 <= old <= len(hashes):
        raise IndexError(f"a tree of {len(hashes)} leaves has none of {old} before it")
    return () if old == 0 else tuple(_subproof(hashes, old, whole=True))


def includes(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Check an inclusion proof for the hash of a leaf (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def extends(old_root: bytes, root: bytes, *, old: int, size: int, path: Sequence[bytes]) -> bool:
    """Check a consistency proof: the tree of `size` leaves begins with the one of `old` (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= size:
        return False
    if old in {0, size}:
        return not path and old_root == (root if old == size else EMPTY_ROOT)
    if not path:
        return False
    # Where the old tree is one perfect subtree of the new one, its root is known and left out of the proof.
    first, *rest = (old_root, *path) if old & (old - 1) == 0 else path
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    node_then = node_now = first
    for sibling in rest:
        if last == 0:
            return False
        if at & 1 or at == last:
            node_then, node_now = node_hash(sibling, node_then), node_hash(sibling, node_now)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node_now = node_hash(node_now, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node_then == old_root and node_now == root


def _above(level: list[bytes]) -> list[bytes]:
    above = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return [*above, level[-1]] if len(level) & 1 else above


def _subproof(hashes: Sequence[bytes], old: int, *, whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2; `whole` says that the verifier knows the root of exactly this subtree already."""
    size = len(hashes)
    if old == size:
        return [] if whole else [root_of(hashes)]
    half = 1 << ((size - 1).bit_length() - 1)
    if old <= half:
        return [*_subproof(hashes[:half], old, whole=whole), root_of(hashes[half:])]
    return [*_subproof(hashes[half:], old - half, whole=False), root_of(hashes[:half])]
