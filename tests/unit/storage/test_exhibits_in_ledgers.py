"""Exhibits in a ledger file: stored once, out of the leaf, and whoever touches them is found out."""

import json
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage import keys
from storage.audit import audit
from storage.codec import decode, encode
from storage.ledger import SqliteLedger
from storage.rebuilding import rebuild
from storage.record import open_record
from storage.signing import key_beside, open_signed
from storage.standalone import verify_ledger
from tests.builders import NOW, compared, judged
from watchdog.desk import Desk
from watchdog.domain.exhibits import Exhibit
from watchdog.errors import LedgerError

BODY = b'{"scores":"' + b"AAAA" * 500 + b'"}'
EXHIBIT = Exhibit.of(BODY)
DIGEST = EXHIBIT.digest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one exhibit that two leaves name, and another one."""
    path = tmp_path / "ledger.sqlite"
    with open_signed(path, now=lambda: NOW) as ledger:
        desk = Desk(ledger, ())
        desk.report([replace(compared("c0"), exhibit=Exhibit.of(b"other")), replace(compared("c1"), exhibit=EXHIBIT)])
        desk.report([replace(judged("v1"), exhibit=EXHIBIT), judged("v2")])
    return path


def _faults(path: Path) -> tuple[str, ...]:
    return audit(path, max_gap=None).faults


def _standalone(path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the verifier that knows nothing of our code says."""
    key = str(keys.load(key_beside(path)).verifier)
    code = verify_ledger.main([str(path), "--key", key])
    faults = capsys.readouterr().out.splitlines()[:-1]
    assert code == (1 if faults else 0)
    return faults


def _change(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    connection = sqlite3.connect(path)
    with connection:
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()


def test_a_leaf_names_its_exhibit_and_holds_nothing_of_it() -> None:
    leaf = encode(replace(compared(), exhibit=EXHIBIT))
    assert json.loads(leaf)["exhibit"] == {"digest": DIGEST, "size": len(BODY)}
    assert decode(leaf, index=0) == replace(compared(), exhibit=EXHIBIT)
    assert json.loads(encode(compared()))["exhibit"] is None


def test_an_exhibit_is_stored_once_and_compressed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = sqlite3.connect(path).execute("SELECT digest, size, leaf, body FROM exhibit ORDER BY leaf").fetchall()
    assert [row[:3] for row in rows] == [(Exhibit.of(b"other").digest, 5, 1), (DIGEST, len(BODY), 2)]
    assert zlib.decompress(rows[1][3]) == BODY
    assert len(rows[1][3]) < len(BODY) / 10
    assert _faults(path) == ()
    assert _standalone(path, capsys) == []


def test_a_leaf_must_not_name_an_exhibit_that_nobody_has(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(LedgerError, match="came without it"):
            Desk(ledger, ()).report([replace(compared(), exhibit=replace(EXHIBIT, body=None))])
        Desk(ledger, ()).report([replace(compared(), exhibit=EXHIBIT)])
        Desk(ledger, ()).report([replace(judged(), exhibit=replace(EXHIBIT, body=None))])
    assert _faults(tmp_path / "ledger.sqlite") == ()


def _flip(body: bytes) -> bytes:
    return body[:10] + bytes([body[10] ^ 1]) + body[11:]


@pytest.mark.parametrize(
    "forge",
    [
        _flip,
        lambda body: zlib.compress(_flip(zlib.decompress(body))),
        lambda body: b"",
        lambda body: zlib.compress(b""),
    ],
)
def test_an_exhibit_that_was_changed_by_one_bit_is_named(
    path: Path, forge: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (stored,) = sqlite3.connect(path).execute("SELECT body FROM exhibit WHERE digest = ?", (DIGEST,)).fetchone()
    _change(path, ("UPDATE exhibit SET body = ? WHERE digest = ?", (forge(stored), DIGEST)))
    assert f"ALTERED: exhibit {DIGEST} of leaf 2 is not what the leaf names" in [
        it.replace("of leaf 3", "of leaf 2") for it in _faults(path)
    ]
    assert _standalone(path, capsys) == [f"ALTERED: exhibit {DIGEST} of leaf 2 is not what the leaf names"]


def test_an_exhibit_that_is_gone_is_missing_and_a_strange_one_is_named(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = Exhibit.of(b"strange")
    _change(
        path,
        ("DELETE FROM exhibit WHERE digest = ?", (DIGEST,)),
        ("INSERT INTO exhibit VALUES (?, 7, 2, ?)", (stranger.digest, zlib.compress(b"strange"))),
    )
    assert set(_faults(path)) == {
        f"MISSING: exhibit {DIGEST} of leaf 2",
        f"ALTERED: exhibit {stranger.digest} is named by no leaf",
    }
    assert _standalone(path, capsys) == [f"MISSING: exhibit {DIGEST} of leaf 2"]


def test_without_the_table_of_exhibits_each_is_missing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _change(path, ("DROP TABLE exhibit", ()))
    assert len(_standalone(path, capsys)) == 2
    assert any("exhibit is not the table it was" in it for it in _faults(path))


def test_another_leaf_or_size_beside_an_exhibit_is_named(path: Path) -> None:
    _change(path, ("UPDATE exhibit SET leaf = 3 WHERE digest = ?", (DIGEST,)))
    assert _faults(path) == (f"ALTERED: exhibit {DIGEST} has another size or leaf than it had",)


def test_a_body_that_swells_is_read_no_further_than_its_size(path: Path) -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    _change(path, ("UPDATE exhibit SET body = ? WHERE digest = ?", (bomb, DIGEST)))
    with open_record(path) as record:
        found = record.exhibit(EXHIBIT)
    assert found is not None
    assert len(found) == len(BODY) + 1
    assert any(it.startswith(f"ALTERED: exhibit {DIGEST}") for it in _faults(path))


def test_rows_can_be_made_again_although_an_exhibit_is_gone(path: Path) -> None:
    _change(path, ("DELETE FROM exhibit WHERE digest = ?", (DIGEST,)), ("UPDATE verdict SET grade = 'complied'", ()))
    assert rebuild(path).differed
    assert _faults(path) == (f"MISSING: exhibit {DIGEST} of leaf 2",)
