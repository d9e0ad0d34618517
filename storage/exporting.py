"""Incidents as a folder of files, each row with the proof that the ledger holds the leaf it was made from."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import Table, select
from sqlalchemy.exc import DatabaseError

from storage import files, schema
from storage.checkpoint import claimed
from storage.codec import decode_as
from storage.incident_rows import incident_rows
from storage.proof import Proof
from storage.receipts import newest_checkpoint, prove
from storage.tabular import csv_of, parquet_of
from watchdog.domain.decisions import IncidentChanged
from watchdog.domain.incidents import IncidentState
from watchdog.errors import ConfigError

Format = Literal["jsonl", "csv", "parquet"]

_TABLES = (schema.incident, schema.incident_event, schema.finding, schema.conclusion)
_US = "corrigibility-watchdog"
_VERIFY = """python verify_ledger.py --key "$(cat watchdog.vkey)" $(printf -- '--proof %s ' proofs/*.tlog-proof)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which incidents are exported: those of which a step falls into the days, each with its whole life."""

    first: date = date.min
    last: date = date.max
    """The last day, included."""
    state: IncidentState | None = None
    """Where they have to stand now; None for anywhere."""

    def __str__(self) -> str:
        days = "" if self.first == date.min else f" from {self.first}"
        days += "" if self.last == date.max else f" until {self.last}"
        return days + ("" if self.state is None else f", {self.state} now")


@dataclass(frozen=True, slots=True)
class Step:
    """One leaf about an incident."""

    leaf: int
    body: bytes
    decision: IncidentChanged


def export(path: Path, to: Path, *, form: Format, wanted: Wanted, now: datetime, version: str) -> list[Step]:
    """Write the wanted incidents of the ledger at `path` to the new folder `to`, and return the steps that are in it.

    Raises LedgerError when the ledger cannot be read or is not signed, ConfigError when the folder cannot be written:
    then there is none.
    """
    _require_free(to)
    steps = _steps(path, wanted)
    proofs = prove(path, [it.leaf for it in steps])
    checkpoint = proofs[0].checkpoint if proofs else newest_checkpoint(path)
    readme = _readme(claimed(checkpoint).origin, wanted, steps, f"{now:%Y-%m-%d %H:%M:%S} UTC by {_US} {version}")
    content = {**_content(form, steps), "ledger.checkpoint": checkpoint.encode(), "README.txt": readme.encode()}
    _write(to, content, proofs)
    return steps


def incidents_in(steps: Sequence[Step]) -> int:
    """Return how many incidents steps belong to."""
    return len({it.decision.event.incident.id for it in steps})


def _readme(origin: str, wanted: Wanted, steps: Sequence[Step], exported: str) -> str:
    return (
        f"Incidents of the ledger {origin}{wanted}: {incidents_in(steps)}, with {len(steps)} steps. "
        f"Exported {exported}.\n"
        "Each row names its leaf. proofs/leaf-N.tlog-proof holds that leaf whole, and proves it under "
        "ledger.checkpoint.\n"
        f"To verify, get `{_US} audit verifier > verify_ledger.py` (it needs Python 3.11 and `cryptography`), and put "
        "the key that you noted down into watchdog.vkey. Then:\n"
        f"{_VERIFY}\n"
        "What the columns mean: docs/ledger-tables.md. In CSV an apostrophe keeps a spreadsheet from running a text as "
        "a formula; the leaves are as they were.\n"
    )


def _steps(path: Path, wanted: Wanted) -> list[Step]:
    step, leaf = schema.incident_event, schema.leaf
    query = select(leaf.c.idx, leaf.c.body).join(step, step.c.leaf == leaf.c.idx).order_by(leaf.c.idx)
    engine = files.open_for_reading(path)
    try:
        with engine.connect() as connection:
            rows = connection.execute(query).all()
    except DatabaseError as exc:
        raise files.unusable(path, exc) from exc
    finally:
        engine.dispose()
    found = [Step(row.idx, row.body, decode_as(IncidentChanged, row.body, index=row.idx)) for row in rows]
    now = {it.decision.event.incident.id: it.decision.event.incident.state for it in found}
    live = {it.decision.event.incident.id for it in found if wanted.first <= it.decision.event.at.date() <= wanted.last}
    kept = {id_ for id_ in live if wanted.state in (None, now[id_])}
    return [it for it in found if it.decision.event.incident.id in kept]


def _content(form: Format, steps: Sequence[Step]) -> dict[str, bytes]:
    if form == "jsonl":
        lines = (json.dumps({"leaf": it.leaf, **json.loads(it.body)}) + "\n" for it in steps)
        return {"incident_events.jsonl": "".join(lines).encode()}
    write = csv_of if form == "csv" else parquet_of
    return {f"{table.name}.{form}": write(table, rows) for table, rows in _rows(steps).items()}


def _rows(steps: Sequence[Step]) -> dict[Table, list[list[object]]]:
    """Return the rows of each table as the steps leave them, made from the leaves as the ledger makes its own."""
    found: dict[Table, dict[object, dict[str, object]]] = {table: {} for table in _TABLES}
    for it in steps:
        for table, row in incident_rows(it.decision):
            key = row[next(iter(table.primary_key)).name]
            found[table][key] = row | {"leaf": it.leaf}
    return {
        table: [[row[column.name] for column in table.columns] for row in rows.values()]
        for table, rows in found.items()
    }


def _require_free(to: Path) -> None:
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ConfigError(f"{to}: there is something already", hint="name a new folder with --to")


def _write(to: Path, content: Mapping[str, bytes], proofs: Sequence[Proof]) -> None:
    """Write everything to a folder beside, and move it to its place when it is whole."""
    part: Path | None = None
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
        (part / "proofs").mkdir(mode=0o700)
        for name, body in _all_files(content, proofs):
            descriptor = os.open(part / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
        part.rename(to)
    except OSError as exc:
        raise ConfigError(f"{to}: cannot be written: {exc.strerror}", hint="name another folder with --to") from exc
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _all_files(content: Mapping[str, bytes], proofs: Sequence[Proof]) -> Iterator[tuple[str, bytes]]:
    yield from content.items()
    for it in proofs:
        yield f"proofs/leaf-{it.index}.tlog-proof", str(it).encode()
