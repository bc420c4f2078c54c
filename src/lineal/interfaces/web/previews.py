"""What a file of a run looks like, from its beginning: a table, a tree of values, a text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from lineal.interfaces.markdown import rendered
from lineal.interfaces.shown import shown_as

LARGEST_TEXT = 200_000
LARGEST_JSON = 1_000_000
LARGEST_PARQUET = 256 * 1024 * 1024
ROWS = 100
COLUMNS = 100
VALUES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is shown of a file.

    Attributes:
        kind: ``image``, ``audio``, ``video``, ``html``, ``table``, ``json``, ``markdown``, ``text``, or ``none``.
        text: the text, or HTML that is safe to show for Markdown.
        columns, rows: of a table, as far as they are shown.
        value: what a JSON file holds.
        note: what is not shown, and why.
    """

    kind: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    value: Any = None
    note: str = ""


def preview(name: str, stream: BinaryIO, *, size: int) -> Preview:
    """The preview of a file, by its name and its beginning."""
    shown = shown_as(name)
    if shown is not None:
        return Preview(kind=shown.kind)
    ending = name.rpartition(".")[2].lower()
    if ending in {"parquet", "pq"}:
        return _parquet(stream, size)
    if ending == "json" and size <= LARGEST_JSON:
        return _json(stream.read(LARGEST_JSON + 1))
    data = stream.read(LARGEST_TEXT + 4)
    if b"\0" in data or not _is_text(data):
        return Preview(kind="none", note="This is no text and no image: it can only be downloaded.")
    text = data[:LARGEST_TEXT].decode("utf-8", "ignore")
    note = f"The first {LARGEST_TEXT:,} of {size:,} bytes." if size > LARGEST_TEXT else ""
    if ending in {"csv", "tsv"}:
        return _delimited(text, "\t" if ending == "tsv" else ",", cut=bool(note))
    if ending in {"md", "markdown"}:
        return Preview(kind="markdown", text=rendered(text), note=note)
    return Preview(kind="text", text=text, note=note)


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(data) - 4 and len(data) > 4  # only its last character was cut
    return True


def _json(data: bytes) -> Preview:
    try:
        value = json.loads(data)
        shown = data.decode("utf-8", "replace")
    except (ValueError, RecursionError):
        return Preview(kind="text", text=data[:LARGEST_TEXT].decode("utf-8", "replace"), note="This is no valid JSON.")
    if not isinstance(value, dict | list):
        return Preview(kind="text", text=shown[:LARGEST_TEXT])
    left = [VALUES]
    kept = _pruned(value, left, depth=0)
    return Preview(kind="json", value=kept, note="" if left[0] > 0 else f"The first {VALUES:,} values.")


def _pruned(value: Any, left: list[int], *, depth: int) -> Any:
    """The value with at most so many others in it, and not too deep for a page."""
    left[0] -= 1
    if isinstance(value, dict | list) and depth >= 20:
        return "…"
    if isinstance(value, dict):
        return {key: _pruned(item, left, depth=depth + 1) for key, item in value.items() if left[0] > 0}
    if isinstance(value, list):
        return [_pruned(item, left, depth=depth + 1) for item in value if left[0] > 0]
    return value


def _delimited(text: str, delimiter: str, *, cut: bool) -> Preview:
    lines = io.StringIO(text, newline="")
    try:
        rows = list(islice(csv.reader(lines, delimiter=delimiter), ROWS + 2))
    except csv.Error:
        return Preview(kind="text", text=text, note="This is no table that can be read.")
    if not rows:
        return Preview(kind="text", note="The file is empty.")
    more = len(rows) > ROWS + 1 or cut
    notes = ([f"The first {ROWS} rows."] if more else []) + ([f"The first {COLUMNS} of {len(rows[0]):,} columns."] if len(rows[0]) > COLUMNS else [])
    return Preview(kind="table", columns=rows[0][:COLUMNS], rows=[row[:COLUMNS] for row in rows[1 : ROWS + 1]], note=" ".join(notes))


def _parquet(stream: BinaryIO, size: int) -> Preview:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        return Preview(kind="none", note="To see the first rows here, install pyarrow where the pages are served: pip install pyarrow")
    if size > LARGEST_PARQUET:
        return Preview(kind="none", note="It is too large to be looked into here.")
    try:
        file = parquet.ParquetFile(stream)
        names = [str(name) for name in file.schema_arrow.names]
        batch = next(file.iter_batches(batch_size=ROWS, columns=names[:COLUMNS]), None)
    except (ArrowException, OSError, ValueError) as error:
        return Preview(kind="none", note=f"It cannot be read as Parquet: {str(error)[:200]}")
    columns = [[_cell(item) for item in column.to_pylist()] for column in batch.columns] if batch is not None else []
    total = file.metadata.num_rows
    note = f"{total:,} rows of {len(names):,} columns" + (f"; the first {ROWS} rows" if total > ROWS else "")
    return Preview(kind="table", columns=names[:COLUMNS], rows=list(zip(*columns, strict=True)), note=f"{note}.")


def _cell(item: Any) -> str:
    return "" if item is None else str(item)[:500]
