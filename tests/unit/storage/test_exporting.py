"""An export holds whole incidents, each step with its proof, and is there whole or not at all."""

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet
import pytest

from storage.exporting import Format, Wanted, export
from storage.ledger import SqliteLedger
from storage.proof import Proof
from storage.receipts import newest_checkpoint, newest_key
from storage.signing import open_signed
from storage.standalone import verify_ledger
from tests.builders import NOW, at, finding, recovery
from watchdog.desk import Desk
from watchdog.domain.actors import Actor
from watchdog.domain.conclusions import Conclusion, Disposition
from watchdog.domain.decisions import IncidentChanged
from watchdog.domain.incidents import IncidentState, close
from watchdog.errors import ConfigError, LedgerError

DAY = 86_400
TABLES = ("incident", "incident_event", "finding", "conclusion")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed ledger: an incident of March that recovered in April, an open one of April, and one that was closed."""
    folder = tmp_path_factory.mktemp("home")
    with open_signed(folder / "ledger.sqlite", now=lambda: NOW) as ledger:
        desk = Desk(ledger, ("oncall",))
        desk.report([], [finding(subject="old")])
        desk.report([], [finding(subject="old", seconds=DAY, evidence=("c1",))])
        desk.report([], [], [recovery(subject="old", seconds=35 * DAY)])
        desk.report([], [finding(subject="new", seconds=40 * DAY)])
        desk.report([], [finding(subject="shut", seconds=41 * DAY)])
        said = Conclusion(
            disposition=Disposition.FALSE_ALARM,
            root_cause="=cmd|' /C calc'!A0",
            by=Actor(name="Ada", uid=1000),
            concluded_at=at(42 * DAY),
        )
        with ledger.transaction() as transaction:
            current = transaction.open_incident(finding(subject="shut").fingerprint)
            assert current is not None
            event = close(current, said)
            transaction.append(IncidentChanged(at=event.at, event=event))
    return folder


@pytest.fixture
def path(home: Path, tmp_path: Path) -> Path:
    shutil.copytree(home, tmp_path / "home")
    return tmp_path / "home" / "ledger.sqlite"


def _export(path: Path, form: Format = "jsonl", wanted: Wanted | None = None) -> Path:
    to = path.parent.parent / f"out-{form}"
    export(path, to, form=form, wanted=wanted or Wanted(), now=NOW, version="0")
    return to


def _lines(to: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (to / "incident_events.jsonl").read_text(encoding="ascii").splitlines()]


def test_each_line_is_a_leaf_as_it_is_and_has_its_proof(path: Path) -> None:
    to = _export(path)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT idx, body FROM leaf WHERE idx IN (SELECT leaf FROM incident_event) ORDER BY idx"
        leaves = {index: json.loads(body) for index, body in connection.execute(query)}
    lines = _lines(to)
    assert [it["leaf"] for it in lines] == list(leaves)
    assert {it["leaf"]: {key: value for key, value in it.items() if key != "leaf"} for it in lines} == leaves
    proofs = {Proof.parse(it.read_text()).index for it in (to / "proofs").iterdir()}
    assert proofs == set(leaves)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_each_table_has_the_columns_and_rows_that_the_ledger_has(path: Path, form: Format) -> None:
    to = _export(path, form)
    with closing(sqlite3.connect(path)) as connection:
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table} ORDER BY leaf, 1")
            names = [column[0] for column in cursor.description]
            if form == "csv":
                header, *rows = csv.reader(io.StringIO((to / f"{table}.csv").read_bytes().decode(), newline=""))
                wanted = [
                    ["" if cell is None else str(cell).replace("=cmd", "'=cmd") for cell in row] for row in cursor
                ]
                assert header == names
                assert sorted(rows) == sorted(wanted)
            else:
                found = pyarrow.parquet.read_table(to / f"{table}.parquet")
                assert found.column_names == names
                assert found.num_rows == len(cursor.fetchall())


def test_the_readmes_command_verifies_every_proof(path: Path) -> None:
    to = _export(path)
    readme = (to / "README.txt").read_text()
    assert len(readme.splitlines()) == 5
    shutil.copy(Path(verify_ledger.__file__), to / "verify_ledger.py")
    (to / "watchdog.vkey").write_text(newest_key(path))
    (command,) = re.findall(r"^python verify_ledger\.py .*$", readme, re.MULTILINE)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], cwd=to, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is in the signed tree") == len(_lines(to))
    assert (to / "ledger.checkpoint").read_text() == newest_checkpoint(path)

    proof = next((to / "proofs").iterdir())
    proof.write_text(proof.read_text().replace("extra ", "extra AAAA", 1))
    done = subprocess.run(["bash", "-c", command], cwd=to, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("wanted", "subjects"),
    [
        (Wanted(), {"old", "new", "shut"}),
        (Wanted(first=NOW.date(), last=NOW.date()), {"old"}),
        (Wanted(first=NOW.date() + timedelta(days=35)), {"old", "new", "shut"}),
        (Wanted(first=NOW.date() + timedelta(days=36)), {"new", "shut"}),
        (Wanted(last=date(2026, 2, 28)), set()),
        (Wanted(state=IncidentState.OPEN), {"new"}),
        (Wanted(state=IncidentState.CLOSED), {"shut"}),
        (Wanted(state=IncidentState.OPEN, last=NOW.date()), set()),
    ],
)
def test_incidents_are_chosen_by_the_days_of_their_steps_and_come_whole(
    path: Path, wanted: Wanted, subjects: set[str]
) -> None:
    lines = _lines(_export(path, wanted=wanted))
    found = [it["event"]["incident"]["subject"] for it in lines]  # type: ignore[index]
    assert set(found) == subjects
    assert found.count("old") == (3 if "old" in subjects else 0)


def test_an_export_of_nothing_still_says_of_which_ledger(path: Path) -> None:
    to = _export(path, "csv", Wanted(last=date(2026, 2, 28)))
    assert (to / "ledger.checkpoint").read_text() == newest_checkpoint(path)
    assert list((to / "proofs").iterdir()) == []
    assert [len((to / f"{table}.csv").read_text().splitlines()) for table in TABLES] == [1, 1, 1, 1]


def test_only_its_user_can_read_it(path: Path) -> None:
    to = _export(path, "csv")
    modes = {it.name: it.stat().st_mode & 0o777 for it in to.rglob("*")}
    assert {mode for name, mode in modes.items() if name != "proofs"} == {0o600}
    assert (modes["proofs"], to.stat().st_mode & 0o777) == (0o700, 0o700)


def test_a_folder_with_something_in_it_is_left_alone(path: Path) -> None:
    to = path.parent.parent / "out-jsonl"
    to.mkdir()
    (to / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="there is something already"):
        _export(path)
    assert [it.name for it in to.iterdir()] == ["mine.txt"]
    (to / "mine.txt").unlink()
    assert (_export(path) / "README.txt").exists()


@pytest.mark.parametrize("change", ["x'7b7d'", "CAST(replace(body, 'replies are edited', 'all is well') AS BLOB)"])
def test_an_altered_leaf_is_not_exported_as_if_it_could_be_proved(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE leaf SET body = {change} WHERE idx = 1")
    with pytest.raises(LedgerError, match="leaf 1 is not"):
        _export(path)
    assert [it.name for it in path.parent.parent.iterdir()] == ["home"]


def test_a_folder_that_cannot_be_made_is_named(path: Path) -> None:
    to = path.parent / "none" / "out"
    with pytest.raises(ConfigError, match="cannot be written"):
        export(path, to, form="csv", wanted=Wanted(), now=NOW, version="0")


def test_an_unsigned_ledger_proves_nothing_and_is_not_exported(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    with SqliteLedger(folder / "ledger.sqlite") as ledger:
        Desk(ledger, ()).report([], [finding()])
    with pytest.raises(LedgerError, match="not signed"):
        _export(folder / "ledger.sqlite")
    assert [it.name for it in tmp_path.iterdir()] == ["home"]
