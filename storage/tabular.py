"""Rows of the ledger's tables as files that other programs open: CSV for spreadsheets, Parquet for notebooks."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Integer, Table
from sqlalchemy.types import REAL

from storage.codec import read_instant
from watchdog.errors import InstallationError

Row = Sequence[object]

# A spreadsheet runs a cell that begins so as a formula (OWASP, "CSV Injection"); some first drop what cannot be seen.
_FORMULA = re.compile(r"[\s\x00-\x1f]*[=+\-@＝＋－＠]|[\t\r\n]")  # noqa: RUF001 - the wide forms are meant
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""What programs that read CSV stumble over, and what UTF-8 cannot hold."""


def csv_of(table: Table, rows: Iterable[Row]) -> bytes:
    """Return rows as CSV (RFC 4180, UTF-8), in which no cell is a formula.

    Texts are quoted, numbers are not, and null is an empty cell without quotes, which the module `csv` of Python 3.11
    cannot write.
    """
    header = ",".join(_quoted(column.name) for column in table.columns)
    lines = (",".join(map(_cell, row)) for row in rows)
    return "".join(f"{line}\r\n" for line in (header, *lines)).encode()


def parquet_of(table: Table, rows: Sequence[Row]) -> bytes:
    """Return rows as a Parquet file; instants are timestamps in UTC, everything else is as the table has it.

    Raises InstallationError when pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and heavy
        import pyarrow.parquet  # noqa: PLC0415 - the same
    except ImportError as exc:
        raise InstallationError(
            "Parquet needs pyarrow, which is not installed",
            hint="pip install 'corrigibility-watchdog[export]', or choose another --format",
        ) from exc
    columns = list(table.columns)
    shape = pa.schema(
        [pa.field(it.name, _arrow_type(pa, it), nullable=bool(it.nullable), metadata=_meaning(it)) for it in columns]
    )
    arrays = [
        pa.array([_value(it, row[at]) for row in rows], field.type)
        for at, (it, field) in enumerate(zip(columns, shape, strict=True))
    ]
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.Table.from_arrays(arrays, schema=shape), sink)
    return bytes(sink.getvalue())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(value)
    text = _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return _quoted(f"'{text}" if _FORMULA.match(text) else text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _arrow_type(pa: Any, column: "Column[Any]") -> Any:
    if _is_instant(column):
        return pa.timestamp("us", tz="UTC")
    if isinstance(column.type, Integer):
        return pa.int64()
    return pa.float64() if isinstance(column.type, REAL) else pa.string()


def _value(column: "Column[Any]", value: object) -> object:
    return read_instant(str(value)) if value is not None and _is_instant(column) else value


def _is_instant(column: "Column[Any]") -> bool:
    return "UTC" in (column.comment or "")


def _meaning(column: "Column[Any]") -> dict[str, str]:
    return {"description": column.comment or ""}
