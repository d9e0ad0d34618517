"""Proofs (C2SP tlog-proof): one text file that shows, without the ledger, that a leaf is in it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from storage.checkpoint import Checkpoint, claimed, open_checkpoint
from storage.merkle import includes, leaf_hash
from storage.note import VerifierKey, unbase64
from watchdog.errors import LedgerError

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A leaf, its path to the root, and the checkpoint that signs the root."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    """The signed note, verbatim."""
    leaf: bytes
    """The leaf itself, carried as the format's extra data: it is trusted only after `check` hashed it."""

    def __str__(self) -> str:
        lines = [_FIRST_LINE, f"extra {_encode(self.leaf)}", f"index {self.index}", *map(_encode, self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """Read what `str` wrote.

        Raises LedgerError when it is not a proof, or carries no leaf.
        """
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or len(lines) < 3 or lines[0] != _FIRST_LINE:
            raise _not_one(f"it does not begin with {_FIRST_LINE}, or has no checkpoint")
        extra, index = lines[1].removeprefix("extra "), lines[2].removeprefix("index ")
        if extra == lines[1] or index == lines[2]:
            raise _not_one("its second line is not the leaf, or its third not the index")
        if not (index.isascii() and index.isdigit() and str(int(index[:20])) == index):
            raise _not_one("its index is not a number")
        leaf, path = _decode(extra), tuple(_decode(line) for line in lines[3:])
        if any(len(node) != 32 for node in path):
            raise _not_one("a line of its path is not a hash")
        claimed(checkpoint)
        return cls(index=int(index), path=path, checkpoint=checkpoint, leaf=leaf)


def check(proof: Proof, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint that the leaf was proved to be under.

    Raises LedgerError when the checkpoint is not signed by one of the keys, or the leaf is not in its tree.
    """
    checkpoint = open_checkpoint(proof.checkpoint, keys)
    found = includes(
        leaf_hash(proof.leaf), index=proof.index, size=checkpoint.size, path=proof.path, root=checkpoint.root
    )
    if not found:
        raise LedgerError(
            f"leaf {proof.index} is not in the tree of the checkpoint", hint="the leaf or the proof was altered"
        )
    return checkpoint


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str) -> bytes:
    raw = unbase64(text)
    if raw is None:
        raise _not_one("a line is not base64")
    return raw


def _not_one(why: str) -> LedgerError:
    return LedgerError(f"this is not a proof: {why}", hint="`corrigibility-watchdog audit proof` writes one")
