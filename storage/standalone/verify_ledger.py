#!/usr/bin/env python3
"""Check a ledger of the corrigibility watchdog without the watchdog. One file; needs Python 3.11 and `cryptography`.

    python verify_ledger.py ledger.sqlite --key VKEY [--checkpoint FILE ...] [--accept-fork VKEY]
        [--max-gap 15m] [--from DAY --to DAY]
    python verify_ledger.py --proof FILE.tlog-proof --key VKEY

VKEY is the ledger's verifier key, which the auditor got when the watchdog was installed, and not from the ledger.
Recomputes the Merkle tree (RFC 6962) over the leaves, checks the ledger's own signed checkpoint and every checkpoint
the auditor kept, follows changes of the key, and looks for stretches in which nothing was recorded. It reads leaves,
and the exhibits that leaves name by their SHA-256; the other tables of the file are for convenience, and
`corrigibility-watchdog audit verify` holds them against the leaves. With --from and --to it prints what happened to
incidents on those days, from the leaves.

A ledger that was restored from a backup declares a fork: another name and key from that leaf on. That counts as a
fault, for leaves may be lost. Who has checked the reason gives the fork's key with --accept-fork.

Exit codes: 0 intact, 1 not, 2 wrong usage, 4 a file could not be read.
"""

import argparse
import base64
import hashlib
import json
import re
import sqlite3
import sys
import zlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class UnreadableError(Exception):
    """A file is not what it should be."""


class Key(NamedTuple):
    """A verifier key (C2SP signed-note): name+id+base64(0x01 || Ed25519 public key)."""

    name: str
    id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a verifier key."""
        try:
            name, key_id, encoded = text.split("+", 2)
            raw = unbase64(encoded)
            key = cls(name, bytes.fromhex(key_id), raw[1:])
        except ValueError as exc:
            raise UnreadableError(f"{text!r} is not a verifier key") from exc
        if len(raw) != 33 or raw[0] != 1 or hashlib.sha256(f"{name}\n".encode() + raw).digest()[:4] != key.id:
            raise UnreadableError(f"{text!r} is not an Ed25519 verifier key")
        return key


class Checkpoint(NamedTuple):
    """Origin, size and root of a ledger (C2SP tlog-checkpoint), unchecked."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, note: str) -> "Checkpoint":
        """Read a checkpoint's text; says nothing about its signatures."""
        lines = text_of(note).split("\n")
        try:
            checkpoint = cls(lines[0], int(lines[1]), unbase64(lines[2]))
        except (ValueError, IndexError) as exc:
            raise UnreadableError("this is not a checkpoint") from exc
        if len(checkpoint.root) != 32 or checkpoint.size < 0 or str(checkpoint.size) != lines[1]:
            raise UnreadableError("this is not a checkpoint")
        return checkpoint


class Fork(NamedTuple):
    """A leaf that declares that a backup was restored: leaves of the parent from this index on may be lost."""

    begin: int
    origin: str
    parent: str
    accepted: bool
    told: str


@dataclass
class Ledger:
    """What the leaves of a ledger say, taken in one by one."""

    trusted: list[Key]
    accepted: list[Key]
    sizes: set[int]
    max_gap: timedelta
    days: tuple[date, date]
    size: int = 0
    stack: list[tuple[int, bytes]] = field(default_factory=list)
    """Width and root of the perfect subtrees so far, largest first."""
    roots: dict[int, bytes] = field(default_factory=dict)
    """Root over the first so many leaves, at every size that was asked for."""
    keys: list[Key] = field(default_factory=list)
    beside: list[Key] = field(default_factory=list)
    """Keys that the auditor knows and that signed a fork, though the leaves that adopted them were lost."""
    forks: list[Fork] = field(default_factory=list)
    running: bool = False
    last: datetime | None = None
    faults: list[str] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)
    exhibits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Leaf and size of each exhibit that leaves name: what a decision was made from, kept beside them."""

    @property
    def origin(self) -> str:
        """The ledger's name today; the one that the auditor knows, when the leaf that holds it is gone."""
        return (self.keys[-1:] or self.trusted)[0].name

    @property
    def root(self) -> bytes:
        """Root over all leaves so far."""
        return root_of(self.stack)

    def note_root(self) -> None:
        """Remember the root, if a checkpoint was kept at this size."""
        if self.size in self.sizes:
            self.roots[self.size] = self.root

    def take(self, index: int, body: bytes) -> None:
        """Take in the next leaf."""
        if index != self.size:
            self.faults.append(f"ALTERED: leaf {self.size} should come next, leaf {index} does")
        before = self.stack.copy()
        width, found = 1, hashlib.sha256(b"\x00" + body).digest()
        while self.stack and self.stack[-1][0] == width:
            found = node(self.stack.pop()[1], found)
            width *= 2
        self.stack.append((width, found))
        self.size += 1
        self.note_root()
        try:
            leaf = json.loads(body)
            kind, at = leaf["kind"], datetime.fromisoformat(leaf["at"])
            if kind in {"key_adopted", "fork_declared"}:
                self.adopt(index, leaf, at.astimezone(UTC), root_of(before))
            self.read(index, leaf, kind, at.astimezone(UTC))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            self.faults.append(f"ALTERED: leaf {index} is not a decision")

    def read(self, index: int, leaf: dict[str, object], kind: str, at: datetime) -> None:
        """Read what the leaf decided, as far as it concerns an auditor."""
        # What is missing before a fork is what was lost, and is told with it.
        running = self.running and kind != "fork_declared"
        if running and self.last is not None and at - self.last > self.max_gap:
            self.faults.append(f"BLIND WINDOW: nothing was recorded from {self.last} to {at}, before leaf {index}")
        self.running, self.last = {"started": True, "stopped": False}.get(kind, running), at
        if isinstance(shown := leaf.get("exhibit"), dict):
            self.exhibits.setdefault(str(shown["digest"]), (index, int(shown["size"])))
        if kind == "incident_changed" and self.days[0] <= at.date() <= self.days[1]:
            self.events.append({"leaf": index, **leaf})

    def adopt(self, index: int, leaf: dict[str, object], at: datetime, root: bytes) -> None:
        """Follow a change of the signing key: the one before must have signed it, or the auditor must know the new."""
        try:
            key = Key.parse(str(leaf.get("key")))
        except UnreadableError as exc:
            self.faults.append(f"ALTERED: leaf {index}: {exc}")
            return
        forks, known = leaf["kind"] == "fork_declared", self.trusted + self.accepted
        note, text = leaf.get("endorsement"), f"corrigibility-watchdog/key-endorsement@v1\n{key.name}\n{leaf['key']}\n"
        # The leaf that adopted the key which signed a fork may be lost; then the auditor has to know that key.
        signers = self.keys[-1:] + [it for it in known if forks and it.name != key.name]
        signer = next((it for it in signers if is_signed(note, text, [it])), None)
        wrong = self.misfit(index, leaf, key, root) if forks else ""
        if wrong or (self.keys and not forks and key.name != self.keys[-1].name) or key.name != leaf.get("origin"):
            self.faults.append(f"ALTERED: leaf {index} {wrong or 'gives the ledger another name'}")
        elif forks:
            told = self.tell(index, leaf, at) + ("" if signer else "; the parent's key did not sign this")
            self.forks.append(Fork(index, key.name, str(leaf["parent_origin"]), key in self.accepted, told))
        elif self.keys and key not in self.trusted and signer is None:
            self.faults.append(f"FORKED: leaf {index} adopts a key that the one before did not sign: {leaf['key']}")
        self.beside += [] if signer is None or signer in self.keys else [signer]
        self.keys.append(key)

    def misfit(self, index: int, leaf: dict[str, object], key: Key, root: bytes) -> str:
        """Say what in a fork contradicts the leaves before it; empty when nothing does."""
        parent, names = str(leaf["parent_origin"]), [it.name for it in self.keys]
        if names[-1:] != [parent] or key.name in names:
            return "declares a fork between names that the ledger did not have, or had before"
        if leaf["parent_size"] != index or leaf["parent_root"] != root.hex():
            return "declares a fork of another head than the one before it"
        head = f"{parent}\n{index}\n{base64.b64encode(root).decode()}\n"
        if not is_signed(leaf["parent_checkpoint"], head, self.keys[-1:]):
            return "declares a fork, and its parent's key did not sign the head before it"
        try:
            lost = None if leaf["lost"] is None else Checkpoint.parse(str(leaf["lost"]))
        except UnreadableError:
            return "declares a fork, and what it names as lost is no checkpoint"
        if lost is not None and (lost.origin != parent or lost.size <= index):
            return "declares a fork, and what it names as lost is no later checkpoint of its parent"
        return ""

    def tell(self, index: int, leaf: dict[str, object], at: datetime) -> str:
        """Say what a fork declares."""
        by, lost = leaf["by"], leaf["lost"]
        name = by["name"] if isinstance(by, dict) else by
        told = f"leaf {index} declares that {name} restored a backup on {at.date()}: {leaf['reason']}; it goes on as "
        told += f"{leaf['origin']} from the first {index} leaves of {leaf['parent_origin']}"
        if lost is not None:
            told += f", of which leaves {index} to {Checkpoint.parse(str(lost)).size - 1} are lost"
        return told + ("" if self.last is None else f"; the leaf before it is of {self.last}")


def unbase64(text: str) -> bytes:
    """Decode base64, of which only the canonical form is taken."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("this is not canonical base64")
    return raw


def text_of(note: str) -> str:
    """Return a note's text: everything up to the blank line before its signatures."""
    text, blank, _ = note.rpartition("\n\n")
    if not blank:
        raise UnreadableError("this is not a signed note")
    return text + "\n"


def signed_by(note: str, keys: list[Key]) -> bool:
    """Whether one of the keys signed the note; a wrong signature under the name and id of one of them counts as no."""
    text, signed = text_of(note), False
    for line in note.rpartition("\n\n")[2].splitlines():
        match = re.fullmatch("\u2014 (\\S+) ([A-Za-z0-9+/=]+)", line)
        if match is None:
            return False
        try:
            blob = unbase64(match[2])
        except ValueError:
            return False
        for key in keys:
            if (key.name, key.id) == (match[1], blob[:4]):
                try:
                    Ed25519PublicKey.from_public_bytes(key.public).verify(blob[4:], text.encode())
                except (InvalidSignature, ValueError):
                    return False
                signed = True
    return signed


def is_signed(note: object, text: str, keys: list[Key]) -> bool:
    """Whether this is a note of exactly this text, signed by one of the keys."""
    return isinstance(note, str) and "\n\n" in note and text_of(note) == text and signed_by(note, keys)


def root_of(stack: list[tuple[int, bytes]]) -> bytes:
    """Return the root over perfect subtrees, largest first."""
    if not stack:
        return hashlib.sha256(b"").digest()
    root = stack[-1][1]
    for _, left in reversed(stack[:-1]):
        root = node(left, root)
    return root


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def read_ledger(path: Path, ledger: Ledger) -> str | None:
    """Take in every leaf of the file, and return the ledger's own checkpoint; both as of one moment."""
    if not path.is_file():
        raise UnreadableError(f"{path}: there is no such file")
    ledger.note_root()
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    try:
        connection.execute("BEGIN")
        row = connection.execute("SELECT checkpoint FROM tree WHERE id = 0").fetchone()
        for index, body in connection.execute("SELECT idx, body FROM leaf ORDER BY idx"):
            ledger.take(index, body if isinstance(body, bytes) else str(body).encode())
        ledger.faults += exhibit_faults(connection, ledger)
    except sqlite3.Error as exc:
        raise UnreadableError(f"{path}: {exc}") from exc
    finally:
        connection.close()
    return None if row is None or row[0] is None else str(row[0])


def exhibit_faults(connection: sqlite3.Connection, ledger: Ledger) -> list[str]:
    """Hold every exhibit that a leaf names against its digest."""
    kept = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'exhibit'").fetchone() is not None
    faults = []
    for digest, (index, size) in ledger.exhibits.items():
        query = "SELECT body FROM exhibit WHERE digest = ?"
        row = connection.execute(query, (digest,)).fetchone() if kept else None
        try:
            # No further than one byte beyond its size, whatever the compressed bytes would swell to.
            body = b"" if row is None else zlib.decompressobj().decompress(row[0], max(size, 0) + 1)
        except (zlib.error, TypeError):
            body = b""
        if row is None:
            faults.append(f"MISSING: exhibit {digest} of leaf {index}")
        elif len(body) != size or hashlib.sha256(body).hexdigest() != digest:
            faults.append(f"ALTERED: exhibit {digest} of leaf {index} is not what the leaf names")
    return faults


def check_ledger(ledger: Ledger, own: str | None, kept: dict[Path, str]) -> tuple[list[str], list[str]]:
    """Hold what the leaves say against the signatures, and against what the auditor kept.

    Returns what is wrong, and what would be, had the auditor not accepted a fork.
    """
    known, forks = (ledger.keys or ledger.trusted) + ledger.beside, {fork.parent: fork for fork in ledger.forks}
    faults = [*ledger.faults, *(f"FORKED: {it.told}; see --accept-fork" for it in ledger.forks if not it.accepted)]
    accepted = [f"FORKED: {it.told}" for it in ledger.forks if it.accepted]
    faults += [f"FORKED: this ledger never adopted the key of {it.name}" for it in ledger.trusted if it not in known]
    declared = {key for key in ledger.keys if key.name in {fork.origin for fork in ledger.forks}}
    faults += [f"FORKED: this ledger declares no fork as {it.name}" for it in ledger.accepted if it not in declared]
    faults += check_head(ledger, own)
    for path, note in kept.items():
        checkpoint = Checkpoint.parse(note)
        fork = forks.get(checkpoint.origin)
        if not signed_by(note, [key for key in known if key.name == checkpoint.origin]):
            faults.append(f"FORKED: {path} is not signed with a key of this ledger, or was changed")
        elif fork is not None and checkpoint.size > fork.begin:
            lost = f"leaves {fork.begin} to {checkpoint.size - 1} of {fork.parent}, which {path} covers, are gone"
            (accepted if fork.accepted else faults).append(f"TRUNCATED: {lost}; {fork.told}")
        elif any(checkpoint.size <= it.begin for it in ledger.forks if it.origin == checkpoint.origin):
            faults.append(f"FORKED: {path} covers no leaf that was recorded as {checkpoint.origin}")
        else:
            faults += history(ledger, str(path), checkpoint, ledger.roots.get(checkpoint.size))
    return faults, accepted


def check_head(ledger: Ledger, own: str | None) -> list[str]:
    """Hold the checkpoint that the ledger carries against its key and its leaves."""
    if own is None or not signed_by(own, (ledger.keys or ledger.trusted)[-1:]):
        return ["FORKED: the ledger's own checkpoint is not signed with its key"]
    checkpoint = Checkpoint.parse(own)
    if checkpoint.origin != ledger.origin:
        return [f"FORKED: the ledger's own checkpoint is about {checkpoint.origin}, not about {ledger.origin}"]
    return history(ledger, "the ledger's own checkpoint", checkpoint, ledger.root)


def history(ledger: Ledger, name: str, checkpoint: Checkpoint, root: bytes | None) -> list[str]:
    """Hold a checkpoint, whose signature was checked, against a root of the tree."""
    if checkpoint.size > ledger.size:
        return [f"TRUNCATED: {name} covers {checkpoint.size} leaves, {ledger.size} are left"]
    if checkpoint.root != root:
        return [f"FORKED: {name} names another root for the first {checkpoint.size} leaves"]
    return []


def check_proof(text: str, trusted: list[Key]) -> tuple[int, bytes, str | None]:
    """Return a proof's index and leaf, and what is wrong with it."""
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    try:
        if lines[0] != "c2sp.org/tlog-proof@v1" or lines[1][:6] != "extra " or lines[2][:6] != "index ":
            raise UnreadableError("this is not a proof that carries its leaf")
        leaf, index = unbase64(lines[1][6:]), int(lines[2][6:])
        path = [unbase64(line) for line in lines[3:]]
    except (ValueError, IndexError) as exc:
        raise UnreadableError("this is not a proof") from exc
    checkpoint = Checkpoint.parse(note)
    if not signed_by(note, trusted) or checkpoint.origin not in {key.name for key in trusted}:
        return index, leaf, "FORKED: its checkpoint is not signed with the key"
    if climb(hashlib.sha256(b"\x00" + leaf).digest(), index, checkpoint.size, path) != checkpoint.root:
        return index, leaf, "ALTERED: the leaf is not in the signed tree"
    return index, leaf, None


def climb(found: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """Return the root that a leaf's hash and its path lead to; None when they do not fit the size."""
    if not 0 <= index < size:
        return None
    rest = list(path)
    while size > 1:
        # The last node of an odd level has no sibling.
        if index ^ 1 < size:
            if not rest:
                return None
            sibling = rest.pop(0)
            found = node(sibling, found) if index & 1 else node(found, sibling)
        index, size = index >> 1, (size + 1) >> 1
    return None if rest else found


def read_text(path: Path) -> str:
    """Read a text file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UnreadableError(f"{path}: {exc}") from exc


def read_kept(paths: list[Path]) -> dict[Path, str]:
    """Read kept checkpoints: files, and folders of `*.checkpoint` files."""
    kept: dict[Path, str] = {}
    for path in paths:
        found = sorted(path.glob("*.checkpoint")) if path.is_dir() else [path]
        if not found:
            raise UnreadableError(f"{path}: there is no *.checkpoint file here")
        kept |= {file: read_text(file) for file in found}
    return kept


def duration(text: str) -> timedelta:
    """Read a duration such as 15m."""
    if not re.fullmatch("[0-9]{1,6}[smhd]", text):
        raise argparse.ArgumentTypeError("a number and s, m, h or d, such as 15m")
    return timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])


def arguments(given: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Check a ledger of the corrigibility watchdog without the watchdog.")
    parser.add_argument("ledger", nargs="?", type=Path)
    parser.add_argument("--key", action="append", required=True, help="verifier key; may be given more than once")
    parser.add_argument("--accept-fork", action="append", default=[], help="verifier key of a fork that you checked")
    parser.add_argument("--checkpoint", action="append", type=Path, default=[], help="file, or folder of *.checkpoint")
    parser.add_argument("--proof", action="append", type=Path, default=[], help="a .tlog-proof file; needs no ledger")
    parser.add_argument("--max-gap", type=duration, default=timedelta(minutes=15), help="default 15m")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, help="print incident events from this day on")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date.max, help="up to this day, included")
    chosen = parser.parse_args(given)
    if (chosen.ledger is None) == (not chosen.proof):
        parser.error("name either a ledger or proofs")
    return chosen


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked, print it, and return the exit code."""
    keys = [Key.parse(text) for text in chosen.key]
    if chosen.proof:
        faults = 0
        for path in chosen.proof:
            index, leaf, fault = check_proof(read_text(path), keys)
            print(f"{path}: {fault}" if fault else f"{path}: leaf {index} is in the signed tree: {ascii(leaf)[2:-1]}")
            faults += fault is not None
        return 1 if faults else 0
    kept = read_kept(chosen.checkpoint)
    sizes = {Checkpoint.parse(note).size for note in kept.values()}
    accepted = [Key.parse(text) for text in chosen.accept_fork]
    ledger = Ledger(keys, accepted, sizes, chosen.max_gap, (chosen.first or date.max, chosen.last))
    own = read_ledger(chosen.ledger, ledger)
    found, known = check_ledger(ledger, own, kept)
    for event in ledger.events:
        print(json.dumps(event))
    for line in found + [f"accepted: {it}" for it in known]:
        print(ascii(line)[1:-1])
    root, state = base64.b64encode(ledger.root).decode(), f"{len(found)} faults" if found else "intact"
    print(f"{chosen.ledger}: {state}; {ledger.size} leaves, root {root}, {len(kept)} kept checkpoints held against it")
    return 1 if found else 0


def main(given: list[str] | None = None) -> int:
    """Run the command line."""
    try:
        return run(arguments(given))
    except UnreadableError as exc:
        print(f"Error: {exc}", file=sys.stderr)
        return 4


if __name__ == "__main__":
    sys.exit(main())
