"""A ledger of any released schema is brought to this version's, and is whole; a newer one is left alone."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from storage import revisions
from storage.audit import audit
from storage.codec import decode
from storage.ledger import SqliteLedger
from storage.reader import open_reader
from storage.rebuilding import rebuild, upgrade
from storage.shape import pieces
from tests.any_decision import KINDS
from watchdog.errors import LedgerError

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "tests" / "ledgers"
REMEDY = "record it again: python tests/ledgers/record.py (unless a version with this schema was released)"
NEXT = """\
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("ALTER TABLE incident ADD COLUMN mood TEXT")
    op.execute("CREATE VIEW moods AS SELECT mood FROM incident")
"""


def _restore(revision: str, folder: Path) -> Path:
    path = folder / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((RECORDED / f"{revision}.sql").read_text(encoding="utf-8"))
    return path


def _leaves(path: Path) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT idx, body FROM leaf ORDER BY idx").fetchall()


@pytest.fixture(params=revisions.known())
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A ledger as the version with this schema left it."""
    return _restore(request.param, tmp_path)


def test_there_is_a_recorded_ledger_of_every_schema() -> None:
    assert sorted(it.stem for it in RECORDED.glob("*.sql")) == sorted(revisions.known())


def test_a_recorded_ledger_has_the_tables_that_its_revision_makes(recorded: Path) -> None:
    engine, fresh = create_engine(f"sqlite:///{recorded}"), create_engine("sqlite://")
    with engine.connect() as old, fresh.connect() as new:
        revision = revisions.standing(old, recorded)
        revisions.make(new, revision)
        assert sorted(pieces(old, "main"), key=str) == sorted(pieces(new, "main"), key=str), f"{revision}: {REMEDY}"
    engine.dispose()
    fresh.dispose()


def test_the_newest_recorded_ledger_has_a_leaf_of_every_kind(tmp_path: Path) -> None:
    found = {type(decode(body, index=index)) for index, body in _leaves(_restore(revisions.head(), tmp_path))}
    assert found == set(KINDS), REMEDY


def test_a_ledger_of_every_schema_is_upgraded_and_whole_after_a_rebuild(recorded: Path) -> None:
    leaves = _leaves(recorded)
    _, after = upgrade(recorded)
    assert after == revisions.head()
    assert rebuild(recorded).left == ()
    assert audit(recorded, keys=None).faults == (), REMEDY
    assert _leaves(recorded) == leaves


def test_a_ledger_of_this_schema_is_whole_as_it_was_recorded(tmp_path: Path) -> None:
    assert audit(_restore(revisions.head(), tmp_path), keys=None).faults == (), REMEDY


def test_another_programs_database_gets_no_tables_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="not a ledger"):
        SqliteLedger(path)
    assert path.read_bytes() == before


def test_the_next_version_upgrades_this_ones_ledger_and_this_one_then_refuses_it(tmp_path: Path) -> None:
    path = _restore(revisions.head(), tmp_path)
    shutil.copytree(ROOT / "storage", tmp_path / "storage", ignore=shutil.ignore_patterns("__pycache__"))
    following = tmp_path / "storage" / "migrations" / "versions" / "9999_next.py"
    following.write_text(NEXT.format(head=revisions.head()), encoding="utf-8")

    def next_version(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = "from watchdog.cli import main; main()"
        command = [sys.executable, "-c", code, *arguments, "--ledger", str(path)]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    refused = next_version("audit", "verify")
    assert refused.returncode == 4
    assert f"the schema of an older version ({revisions.head()})" in refused.stderr
    assert "corrigibility-watchdog db upgrade" in refused.stderr

    done = next_version("db", "upgrade")
    assert done.returncode == 0, done.stderr
    assert f"the schema was {revisions.head()} and is 9999" in done.stdout
    assert f"rows made from {len(_leaves(path))} leaves; the same as before" in done.stdout
    assert "the schema is 9999, which is this version's" in next_version("db", "upgrade").stdout
    assert next_version("db", "rebuild").returncode == 0

    for use in (SqliteLedger, upgrade, rebuild, lambda it: open_reader(it).__enter__()):
        with pytest.raises(LedgerError, match="newer version") as caught:
            use(path)
        assert "upgrade corrigibility-watchdog" in caught.value.hint
