"""Checkpoints (C2SP tlog-checkpoint): a ledger's name, size and root, signed."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from storage.note import SigningKey, VerifierKey, open_note, sign, text_of, unbase64
from watchdog.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a ledger was at one moment. It says nothing until its signature was checked."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the signed lines; extension lines after the third are passed over.

        Raises LedgerError when they are not a checkpoint.
        """
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise _not_one("it needs three lines: origin, size and root")
        origin, size, root = lines[:3]
        if not (size.isascii() and size.isdigit() and str(int(size[:20])) == size):
            raise _not_one("its second line is not a size")
        decoded = unbase64(root)
        if decoded is None or len(decoded) != 32:
            raise _not_one("its third line is not a root")
        return cls(origin, int(size), decoded)


def sign_checkpoint(checkpoint: Checkpoint, *keys: SigningKey) -> str:
    """Return the checkpoint as a note, signed by each key."""
    return sign(checkpoint.text, keys)


def open_checkpoint(note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Return the checkpoint that one of the keys signed.

    Raises LedgerError when it is not one, or its signature is not one of theirs.
    """
    text, _ = open_note(note, keys)
    return Checkpoint.parse(text)


def claimed(note: str) -> Checkpoint:
    """Return what a note claims, unchecked.

    Raises LedgerError when it is not a checkpoint at all.
    """
    return Checkpoint.parse(text_of(note))


def _not_one(why: str) -> LedgerError:
    return LedgerError(f"this is not a checkpoint: {why}", hint="`corrigibility-watchdog audit checkpoint` prints one")
