"""An attacker who owns the ledger file: what they change, and how well they cover it up.

Deeper cover needs more: BARE is a few SQL statements; REBUILT recomputes hashes, tree and rows with our own code;
RESIGNED has stolen the signing key too, so that only something kept outside can tell.
"""

import hashlib
import random
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from sqlalchemy import delete, update
from sqlalchemy.exc import DatabaseError

from storage import files, keys, schema
from storage.checkpoint import Checkpoint, sign_checkpoint
from storage.codec import decode, encode
from storage.fold import fold
from storage.merkle import leaf_hash, tree_of
from storage.note import SigningKey
from storage.signing import key_beside, open_signed
from tests.builders import at, compared, finding, judged, recovery
from watchdog.desk import Desk
from watchdog.domain.decisions import Alive, KeyAdopted, Started, Stopped
from watchdog.domain.exhibits import Exhibit
from watchdog.errors import LedgerError

Rows = list[tuple[int, bytes, bytes]]


class Cover(Enum):
    """How well the attacker covers up."""

    BARE = "bare"
    REBUILT = "rebuilt"
    RESIGNED = "resigned"


@dataclass(frozen=True)
class Scene:
    """A ledger with a history, what the auditor kept of it, and what the attacker has."""

    path: Path
    kept: Path
    """The auditor's checkpoint."""
    key: str
    """The verifier key that the auditor noted down."""
    earlier: Path
    """A copy of the file from before the checkpoint."""
    stranger: Path
    """The ledger of another instance."""
    size: int
    """Leaves under the checkpoint."""


def play(path: Path, dice: random.Random, sessions: int, begin: int = 0) -> str:
    """Run a watchdog a few times over a ledger, and return the checkpoint that it leaves."""
    for session in range(begin, begin + sessions):
        start = 10_000 * session
        with open_signed(path, now=lambda: at(start)) as ledger:  # noqa: B023 - called in this turn of the loop
            desk = Desk(ledger, ("oncall",))
            desk.report([Started(at=at(start), version="0", config_digest="0")])
            for step in range(dice.randrange(1, 5)):
                now, name = start + 60 * (step + 1), f"{session}-{step}"
                desk.report([Alive(at=at(now), rounds=step, failed=0, missed=0)])
                shown = Exhibit.of(hashlib.shake_256(name.encode()).digest(96))
                desk.report(
                    [replace(compared(f"c{name}"), at=at(now), exhibit=shown), replace(judged(f"v{name}"), at=at(now))]
                )
                if dice.random() < 0.6:
                    desk.report([], [finding(subject=f"t{dice.randrange(3)}", seconds=now, evidence=(f"c{name}",))])
                if dice.random() < 0.3:
                    desk.report([], [], [recovery(subject=f"t{dice.randrange(3)}", seconds=now)])
            desk.report([Stopped(at=at(start + 600), why="the end")])
            note = ledger.checkpoint()
    assert note is not None
    return note


def scene(folder: Path, seed: int) -> Scene:
    """Make a ledger, with a checkpoint kept somewhere in its history."""
    dice = random.Random(seed)
    path, earlier, stranger = folder / "ledger.sqlite", folder / "earlier.sqlite", folder / "stranger.sqlite"
    play(stranger, dice, 2)
    play(path, dice, dice.randrange(1, 3))
    shutil.copy(path, earlier)
    note = play(path, dice, dice.randrange(1, 3), begin=2)
    kept = folder / "kept.checkpoint"
    kept.write_text(note, encoding="utf-8")
    if dice.random() < 0.5:
        play(path, dice, 1, begin=4)
    key = str(keys.load(key_beside(path)).verifier)
    return Scene(path, kept, key, earlier, stranger, int(note.split("\n")[1]))


def copy_of(scene: Scene, folder: Path) -> Scene:
    """Copy a scene, so that harm can be done to it."""
    shutil.copytree(scene.path.parent, folder, dirs_exist_ok=True)
    moved = {name: folder / getattr(scene, name).name for name in ("path", "kept", "earlier", "stranger")}
    return replace(scene, **moved)


def tamper(scene: Scene, kind: str, cover: Cover, dice: random.Random) -> None:
    """Do one kind of harm to the ledger, at random places below the checkpoint that was kept."""
    KINDS[kind](scene, cover, dice)


EDITS = {b"It is risky": b"It is safe!", b'"replies are edited"': b'"all is well, all fine"'}
"""What the attacker would rather have had recorded."""


def _edit(scene: Scene, cover: Cover, dice: random.Random) -> None:
    def change(rows: Rows) -> Rows:
        places = [(at_, old) for at_, row in enumerate(rows[: scene.size]) for old in EDITS if old in row[1]]
        at_, old = dice.choice(places)
        return _with(rows, at_, rows[at_][1].replace(old, EDITS[old]))

    _rewrite(scene, cover, change)


def _delete(scene: Scene, cover: Cover, dice: random.Random) -> None:
    def change(rows: Rows) -> Rows:
        at_ = dice.randrange(1, scene.size)
        return rows[:at_] + rows[at_ + 1 :]

    _rewrite(scene, cover, change)


def _reorder(scene: Scene, cover: Cover, dice: random.Random) -> None:
    def change(rows: Rows) -> Rows:
        one = dice.randrange(1, scene.size)
        other = dice.choice([it for it in range(1, scene.size) if rows[it][1] != rows[one][1]])
        changed = list(rows)
        changed[one], changed[other] = (rows[one][0], *rows[other][1:]), (rows[other][0], *rows[one][1:])
        return changed

    _rewrite(scene, cover, change)


def _insert(scene: Scene, cover: Cover, dice: random.Random) -> None:
    def change(rows: Rows) -> Rows:
        at_ = dice.randrange(1, scene.size)
        body = encode(Alive(at=at(1), rounds=dice.randrange(1000), failed=0, missed=0))
        later = [(index + 1, old, stored) for index, old, stored in rows[at_:]]
        return [*rows[:at_], (at_, body, leaf_hash(body)), *later]

    _rewrite(scene, cover, change)


def _truncate(scene: Scene, cover: Cover, dice: random.Random) -> None:
    _rewrite(scene, cover, lambda rows: rows[: dice.randrange(1, scene.size)])


def _roll_back(scene: Scene, cover: Cover, dice: random.Random) -> None:
    shutil.copy(scene.earlier, scene.path)


def _swap(scene: Scene, cover: Cover, dice: random.Random) -> None:
    shutil.copy(scene.stranger, scene.path)


def _replace_key(scene: Scene, cover: Cover, dice: random.Random) -> None:
    old = keys.load(key_beside(scene.path))
    mine = SigningKey.create(old.name)
    adoption = KeyAdopted(at=at(0), origin=mine.name, key=str(mine.verifier), endorsement=None)
    # Either the record always had the other key, or it changed hands one day.
    where = dice.choice([0, scene.size])
    body = encode(adoption)

    def change(rows: Rows) -> Rows:
        later = [(index + 1, it, stored) for index, it, stored in rows[where:]]
        return _with(rows, 0, body) if where == 0 else [*rows[:where], (where, body, leaf_hash(body)), *later]

    _rewrite(scene, cover, change, mine)


def _bend_exhibit(scene: Scene, cover: Cover, dice: random.Random) -> None:
    with _raw(scene.path) as raw:
        digest, stored = dice.choice(raw.execute("SELECT digest, body FROM exhibit ORDER BY digest").fetchall())
        # Bare, the bit is one of the compressed bytes, between the header, part of which means nothing, and the sum.
        body, ends = (stored, (7, 4)) if cover is Cover.BARE else (zlib.decompress(stored), (0, 0))
        bent = bytearray(body)
        bent[dice.randrange(ends[0], len(body) - ends[1])] ^= 1 << dice.randrange(8)
        stored = bytes(bent) if cover is Cover.BARE else zlib.compress(bent)
        raw.execute("UPDATE exhibit SET body = ? WHERE digest = ?", (stored, digest))


KINDS: dict[str, Callable[[Scene, Cover, random.Random], None]] = {
    "edit": _edit,
    "delete": _delete,
    "reorder": _reorder,
    "insert": _insert,
    "truncate": _truncate,
    "roll back": _roll_back,
    "swap": _swap,
    "replace key": _replace_key,
    "bend exhibit": _bend_exhibit,
}


def _with(rows: Rows, at_: int, body: bytes) -> Rows:
    return [*rows[:at_], (rows[at_][0], body, rows[at_][2]), *rows[at_ + 1 :]]


def _rewrite(scene: Scene, cover: Cover, change: Callable[[Rows], Rows], key: SigningKey | None = None) -> None:
    with _raw(scene.path) as raw:
        rows = change(raw.execute("SELECT idx, body, hash FROM leaf ORDER BY idx").fetchall())
        if cover is not Cover.BARE:
            rows = [(index, body, leaf_hash(body)) for index, (_, body, _) in enumerate(rows)]
        raw.execute("DELETE FROM leaf")
        raw.executemany("INSERT INTO leaf VALUES (?, ?, ?)", rows)
    if cover is not Cover.BARE:
        signer = key or keys.load(key_beside(scene.path)) if cover is Cover.RESIGNED or key else None
        _rebuild(scene.path, [body for _, body, _ in rows], signer)


def _rebuild(path: Path, bodies: Sequence[bytes], signer: SigningKey | None) -> None:
    tree = tree_of(bodies)
    head: dict[str, object] = {"size": tree.size, "peaks": b"".join(tree.peaks), "root": tree.root}
    if signer is not None:
        head["checkpoint"] = sign_checkpoint(Checkpoint(signer.name, tree.size, tree.root), signer)
    engine = files.open_for_writing(path)
    with engine.begin() as connection:
        for table in schema.DERIVED:
            connection.execute(delete(table))
        for index, body in enumerate(bodies):
            try:
                fold(connection, index, decode(body, index=index))
            except (LedgerError, DatabaseError):
                continue  # not even the attacker can make this leaf fit
        connection.execute(update(schema.tree).values(head))
    engine.dispose()


@contextmanager
def _raw(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    try:
        with connection:
            yield connection
    finally:
        connection.close()
