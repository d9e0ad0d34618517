"""Files for other programs: nothing in them runs, and what can be kept is kept."""

import csv
import io
import string
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import schema
from storage.codec import instant
from storage.tabular import csv_of, parquet_of
from tests.builders import NOW

OUTBOX = [column.name for column in schema.outbox.columns]
EXPORTED = (schema.incident, schema.incident_event, schema.finding, schema.conclusion)


def _row(answer: str | None = "ok") -> list[object]:
    at = instant(NOW)
    values = {"notice_id": "n", "notifier": "oncall", "event_id": "e", "state": "accepted", "attempts": 2}
    values |= {"queued_at": at, "next_at": None, "answered_at": at, "answer": answer, "leaf": 7}
    return [values[name] for name in OUTBOX]


def _answer(body: bytes) -> str:
    header, row = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    assert header == OUTBOX
    return row[OUTBOX.index("answer")]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\N{NO-BREAK SPACE}=1",
        "\N{FULLWIDTH EQUALS SIGN}1",
        "\N{FULLWIDTH COMMERCIAL AT}x",
        "\x01=1",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert _answer(csv_of(schema.outbox, [_row(text)])) == "'" + text


@pytest.mark.parametrize(
    "text", ["", "plain", "2+2=4", "a,b", 'say "hi"', "two\r\nlines", "'quoted'", "été \N{SNOWMAN}"]
)
def test_other_text_is_as_it_was(text: str) -> None:
    assert _answer(csv_of(schema.outbox, [_row(text)])) == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_comes_back_with_at_most_an_apostrophe_before_it(text: str) -> None:
    found = _answer(csv_of(schema.outbox, [_row(text)]))
    assert found in (text, "'" + text)
    assert found.lstrip(string.whitespace)[:1] not in ("=", "+", "-", "@")


def test_nul_and_halves_of_surrogate_pairs_are_shown_as_replaced() -> None:
    assert _answer(csv_of(schema.outbox, [_row("a\0b\ud800c")])) == "a�b�c"


def test_null_is_empty_and_an_empty_text_is_quoted() -> None:
    body = csv_of(schema.outbox, [_row(None), _row("")]).decode()
    assert [line.rpartition(",")[0].rpartition(",")[2] for line in body.split("\r\n")[1:3]] == ["", '""']
    assert body.endswith("\r\n")


@given(st.text(st.characters(codec="utf-8")))
def test_parquet_keeps_everything(text: str) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(parquet_of(schema.outbox, [_row(text), _row(None)])))
    first, second = table.to_pylist()
    assert first["answer"] == text
    assert second["answer"] is None
    assert first["answered_at"] == NOW.astimezone(UTC)
    assert (first["next_at"], first["attempts"], first["leaf"]) == (None, 2, 7)


def test_parquet_of_no_rows_has_the_columns_and_what_they_mean() -> None:
    shape = pyarrow.parquet.read_schema(io.BytesIO(parquet_of(schema.outbox, [])))
    assert shape.names == OUTBOX
    assert shape.field("answer").metadata == {b"description": schema.outbox.c.answer.comment.encode()}
    assert not shape.field("state").nullable


def test_instants_and_nothing_else_are_timestamps() -> None:
    instants = set()
    for table in EXPORTED:
        shape = pyarrow.parquet.read_schema(io.BytesIO(parquet_of(table, [])))
        instants |= {field.name for field in shape if pa.types.is_timestamp(field.type)}
    assert instants == {"at", "affected_from", "affected_to"} | {
        column.name for table in EXPORTED for column in table.columns if column.name.endswith("_at")
    }


def test_an_instant_keeps_its_microseconds() -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    row = [instant(at) if name == "queued_at" else value for name, value in zip(OUTBOX, _row(), strict=True)]
    table = pyarrow.parquet.read_table(io.BytesIO(parquet_of(schema.outbox, [row])))
    assert table.to_pylist()[0]["queued_at"] == at


def test_without_pyarrow_parquet_is_refused_with_the_command_that_helps() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from storage import schema; from storage.tabular import parquet_of\n"
        "from watchdog.errors import InstallationError\n"
        "try:\n    parquet_of(schema.outbox, [])\n"
        "except InstallationError as exc:\n    print(exc.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'corrigibility-watchdog[export]'" in done.stdout
