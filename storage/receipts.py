"""What an auditor takes home from a ledger: its newest checkpoint, and proofs of single leaves."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from storage import files, schema
from storage.checkpoint import claimed
from storage.merkle import inclusion_path, leaf_hash, levels_of
from storage.proof import Proof
from storage.reader import open_reader
from watchdog.domain.incidents import evidence_of
from watchdog.errors import LedgerError


def newest_checkpoint(path: Path) -> str:
    """Return the signed checkpoint that the ledger carries.

    Raises LedgerError when it carries none, or cannot be read.
    """
    engine = files.open_for_reading(path)
    try:
        with engine.connect() as connection:
            return _checkpoint(connection, path)
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        engine.dispose()


def newest_key(path: Path) -> str:
    """Return the verifier key that the ledger adopted last.

    Raises LedgerError when it never adopted one, or cannot be read.
    """
    adopted = schema.signing_key
    engine = files.open_for_reading(path)
    try:
        with engine.connect() as connection:
            key = connection.scalar(select(adopted.c.key).order_by(adopted.c.leaf.desc()).limit(1))
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        engine.dispose()
    if key is None:
        raise _unsigned(path)
    return str(key)


def origins(path: Path) -> frozenset[str]:
    """Return every name that the ledger had in its checkpoints.

    Raises LedgerError when it cannot be read.
    """
    engine = files.open_for_reading(path)
    try:
        with engine.connect() as connection:
            return frozenset(connection.scalars(select(schema.signing_key.c.origin)))
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        engine.dispose()


def prove(path: Path, indices: Sequence[int]) -> list[Proof]:
    """Return a proof for each leaf, against the checkpoint that the ledger carries.

    Raises LedgerError when there is no such leaf, it was altered, or the checkpoint is not about these leaves.
    """
    leaf = schema.leaf
    engine = files.open_for_reading(path)
    try:
        with engine.begin() as connection:
            checkpoint = _checkpoint(connection, path)
            hashes = list(connection.scalars(select(leaf.c.hash).order_by(leaf.c.idx)))
            bodies = [connection.scalar(select(leaf.c.body).where(leaf.c.idx == index)) for index in indices]
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        engine.dispose()
    levels, claim = levels_of(hashes), claimed(checkpoint)
    if (len(hashes), levels[-1][-1:]) != (claim.size, [claim.root]):
        raise LedgerError(
            f"{path}: the checkpoint is not about these leaves", hint="run `corrigibility-watchdog audit verify`"
        )
    leaves = {index: _as_written(path, index, body, hashes) for index, body in zip(indices, bodies, strict=True)}
    return [
        Proof(index=index, path=inclusion_path(levels, index), checkpoint=checkpoint, leaf=body)
        for index, body in leaves.items()
    ]


def leaves_of(path: Path, incident: str) -> list[int]:
    """Return the leaves that an incident rests on: its events, and what its findings point at.

    Raises LedgerError when no incident, or more than one, has an id that begins so.
    """
    with open_reader(path) as reader:
        found = reader.incident(incident)
        events = reader.events(found.id)
    evidence = set(evidence_of(events))
    step = schema.incident_event
    engine = files.open_for_reading(path)
    try:
        with engine.connect() as connection:
            indices = set(connection.scalars(select(step.c.leaf).where(step.c.incident_id == found.id)))
            for table in (schema.comparison, schema.verdict, schema.alarm):
                # One by one: SQLite limits how many values a statement may hold.
                for id_ in evidence:
                    indices.update(connection.scalars(select(table.c.leaf).where(table.c.id == id_)))
    finally:
        engine.dispose()
    return sorted(indices)


def _as_written(path: Path, index: int, body: bytes | None, hashes: Sequence[bytes]) -> bytes:
    if body is None:
        raise LedgerError(f"{path}: there is no leaf {index}", hint=f"leaves are 0 to {len(hashes) - 1}")
    if leaf_hash(body) != hashes[index]:
        raise LedgerError(
            f"{path}: leaf {index} is not what it was when it was written",
            hint="run `corrigibility-watchdog audit verify`, and keep the file as evidence",
        )
    return body


def _checkpoint(connection: Connection, path: Path) -> str:
    note = connection.scalar(select(schema.tree.c.checkpoint))
    if note is None:
        raise _unsigned(path)
    return str(note)


def _unsigned(path: Path) -> LedgerError:
    return LedgerError(
        f"{path}: the ledger is not signed", hint="a command that writes, such as `once`, signs it as it ends"
    )
