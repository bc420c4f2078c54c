"""Table files: what is in them, cheaply; and how two of them differ."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

from lineal.errors import InvalidInput, LinealError
from lineal.records.row_diff import RowDiff, Table, compare_tables

DELIMITED = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
_SAMPLE = 64 * 1024
_LARGE = 256 * 1024 * 1024
_QUOTE, _LINE_END = b'"\n'
_INTEGER = re.compile(r"[+-]?\d{1,18}\Z")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z|nan\Z|[+-]?inf\Z", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?\Z")
_MISSING = frozenset({"", "NA", "NaN", "nan", "null", "NULL", "None"})


def suffix(name: str) -> str:
    """What says that a file is a table, or an empty string."""
    ending = posixpath.splitext(name.lower())[1]
    return ending if ending in DELIMITED or ending == PARQUET else ""


class DelimitedFacts:
    """Counts rows and keeps the beginning of a CSV or TSV file while it goes by; ``seen`` says how many bytes did."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._beginning = bytearray()
        self._lines = 0
        self.seen = 0
        self._last = b"\n"
        self._quoted = False

    def observe(self, data: memoryview) -> None:
        """Takes the next bytes."""
        if not data:
            return
        self.seen += len(data)
        if len(self._beginning) < _SAMPLE:
            self._beginning += data[: _SAMPLE - len(self._beginning)]
        plain = None if self._quoted or self.seen < _LARGE else _plain_line_ends(data)
        self._lines += self._line_ends(bytes(data)) if plain is None else plain
        self._last = bytes(data[-1:])

    def facts(self) -> dict[str, Any]:
        """``format``, ``columns`` (name and type, guessed from the first rows) and ``rows`` without the header; empty if it is no table."""
        text = self._beginning.decode("utf-8-sig", "replace")
        whole = len(self._beginning) < _SAMPLE
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))
        except csv.Error:
            return {}
        if not rows or not any(rows[0]):
            return {}
        lines = self._lines + (self._last != b"\n")
        columns = [{"name": name, "type": _column_type(rows[1 : None if whole else -1], place)} for place, name in enumerate(rows[0])]
        return {"format": "csv", "columns": columns, "rows": max(0, lines - 1)}

    def _line_ends(self, piece: bytes) -> int:
        """Line ends outside quotes (RFC 4180); a doubled quote inside them toggles twice."""
        if b'"' not in piece:
            return 0 if self._quoted else piece.count(b"\n")
        parts = piece.split(b'"')
        first = 1 if self._quoted else 0
        self._quoted = bool((len(parts) - 1 + first) % 2)
        return sum(part.count(b"\n") for part in parts[first::2])


def _plain_line_ends(data: memoryview) -> int | None:
    """Line ends of bytes without quotes; None where there are any. Importing numpy costs what counting half a gigabyte without it does."""
    import numpy as np

    values = np.frombuffer(data, dtype=np.uint8)
    return None if (values == _QUOTE).any() else int(np.count_nonzero(values == _LINE_END))


def parquet_facts(file: BinaryIO) -> dict[str, Any]:
    """``format``, ``columns`` and ``rows`` from a Parquet file's own footer; empty where pyarrow is not installed or it is none."""
    parquet = _pyarrow_parquet()
    if parquet is None:
        return {}
    import pyarrow as pa

    try:
        metadata = parquet.ParquetFile(file)
        columns = [{"name": field.name, "type": str(field.type)} for field in metadata.schema_arrow]
    except (pa.ArrowException, OSError):
        return {}
    return {"format": "parquet", "columns": columns, "rows": metadata.metadata.num_rows}


def row_diff(name: str, before: BinaryIO, after: BinaryIO) -> Mapping[str, Any]:
    """How two versions of a table file differ, as a JSON object with `RowDiff`'s keys; empty where they cannot be read as tables."""
    ending = suffix(name)
    try:
        if ending in DELIMITED:
            found = compare_tables(*(read_delimited(file.read(), DELIMITED[ending]) for file in (before, after)))
        elif ending == PARQUET and _pyarrow_parquet() is not None:
            found = _parquet_diff(before, after)
        else:
            return {}
    except InvalidInput:
        return {}
    return row_diff_document(found)


def row_diff_document(found: RowDiff) -> dict[str, Any]:
    """A row diff in JSON's types."""
    return {
        "rows_before": found.rows_before,
        "rows_after": found.rows_after,
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "columns": dict(found.columns),
        "columns_added": list(found.columns_added),
        "columns_removed": list(found.columns_removed),
        "examples": [dict(example) for example in found.examples],
    }


def read_delimited(data: bytes, delimiter: str) -> Table:
    """A CSV or TSV file as a table; rows stay bytes until their cells are asked for, unless a quoted cell has a line end in it."""
    lines = data.splitlines()
    if not lines:
        return Table(columns=(), rows=(), cells=list)
    if b'"' in data and _breaks_in_quotes(data):
        return _parsed(data, delimiter)

    def cells(line: bytes) -> Sequence[str]:
        return next(csv.reader([line.decode("utf-8", "replace")], delimiter=delimiter), [])

    lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
    return Table(columns=_distinct(cells(lines[0])), rows=lines[1:], cells=cells)


def _parsed(data: bytes, delimiter: str) -> Table:
    try:
        rows = [tuple(row) for row in csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""), delimiter=delimiter)]
    except csv.Error as error:
        raise InvalidInput(f"this is no table: {error}", kind="not-a-table") from error
    return Table(columns=_distinct(rows[0]), rows=rows[1:], cells=list)


def _breaks_in_quotes(data: bytes) -> bool:
    return any(b"\n" in part for part in data.split(b'"')[1::2])


def _distinct(names: Sequence[str]) -> Sequence[str]:
    """Column names, told apart where two are the same."""
    found: list[str] = []
    for name in names:
        count = sum(1 for other in found if other == name or other.startswith(f"{name}."))
        found.append(f"{name}.{count}" if name in found else name)
    return found


def _column_type(rows: Sequence[Sequence[str]], place: int) -> str:
    values = [row[place] for row in rows if place < len(row) and row[place] not in _MISSING]
    if not values:
        return "unknown"
    for name, pattern in (("int", _INTEGER), ("float", _NUMBER), ("timestamp", _MOMENT)):
        if all(pattern.match(value) for value in values):
            return name
    return "bool" if all(value.lower() in {"true", "false"} for value in values) else "str"


def _pyarrow_parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        return None
    return parquet


def _parquet_diff(before: BinaryIO, after: BinaryIO) -> RowDiff:
    """Compares columns as they lie in memory; only rows that differ become Python values, unless rows have moved."""
    import pyarrow as pa

    try:
        one, other = (_pyarrow_parquet().read_table(file) for file in (before, after))
    except (pa.ArrowException, OSError, LinealError) as error:
        raise InvalidInput(f"this is no Parquet table: {error}", kind="not-a-table") from error
    if one.schema.names == other.schema.names and one.num_rows == other.num_rows:
        places = _places_that_differ(one, other)
        if len(places) <= max(1, one.num_rows // 2):
            return _placed(compare_tables(_arrow_table(one.take(places)), _arrow_table(other.take(places))), places, one.num_rows)
    return compare_tables(_arrow_table(one), _arrow_table(other))


def _places_that_differ(one: Any, other: Any) -> Sequence[int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    differs = pa.array([False] * one.num_rows) if not one.num_columns else None
    for name in one.schema.names:
        left, right = one.column(name).combine_chunks(), other.column(name).combine_chunks()
        if left.type != right.type:
            left, right = left.cast(pa.string()), right.cast(pa.string())
        unequal = pc.fill_null(pc.not_equal(left, right), False)
        unequal = pc.or_(unequal, pc.xor(left.is_null(), right.is_null()))
        differs = unequal if differs is None else pc.or_(differs, unequal)
    return cast("Sequence[int]", pc.indices_nonzero(differs).to_pylist())


def _placed(found: RowDiff, places: Sequence[int], rows: int) -> RowDiff:
    examples = tuple({**example, "row": places[int(example["row"]) - 1] + 1} for example in found.examples)
    return RowDiff(
        rows_before=rows,
        rows_after=rows,
        added=found.added,
        removed=found.removed,
        changed=found.changed,
        columns=found.columns,
        examples=examples,
    )


def _arrow_table(table: Any) -> Table:
    columns = [_hashable(column.to_pylist()) for column in table.columns]
    return Table(columns=list(table.schema.names), rows=list(zip(*columns, strict=True)), cells=list)


def _hashable(values: list[Any]) -> list[Any]:
    if any(isinstance(value, list | dict) for value in values[:100]):
        return [repr(value) for value in values]
    return [None if value != value else value for value in values]  # noqa: PLR0124 - a NaN is a missing value, and equals no other
