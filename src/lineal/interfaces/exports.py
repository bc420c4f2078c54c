"""Runs, series and comparisons as tables, in CSV and in Parquet; written as they are read, never all in memory at once."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from lineal.errors import Unavailable
from lineal.records.run import Run, Series
from lineal.records.values import encode_value, plain

if TYPE_CHECKING:
    from lineal.records.run_table import RunRow
    from lineal.workspace.interface import Workspace

CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
FORMATS = ("csv", "parquet")
PAGE = 1_000
"""As many runs are read at once."""
GROUP = 20_000
"""As many rows of a Parquet file stand in one group."""
WINDOW = 50_000
"""About as many points of a series are read at once."""
_PIECE = 1 << 18
_FACTS = {"id": "text", "number": "int", "name": "text", "status": "text", "experiment": "text", "author": "text", "started_at": "time"}
_FACTS |= {"ended_at": "time", "exit_code": "int", "mistake": "text", "note": "text"}
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table to export.

    Attributes:
        columns: kinds by name: ``text``, ``int``, ``float``, ``bool`` or ``time`` (microseconds UTC).
        rows: gives the rows from the beginning, values in the order of the columns.
    """

    columns: dict[str, str]
    rows: Callable[[], Iterator[Sequence[Any]]]


def runs_table(workspace: Workspace, *, where: str = "", order: str = "", limit: int | None = None) -> Table:
    """The runs that match, one row each: facts, then ``params.…``, ``metrics.…`` and ``tags.…``.

    They are read twice, since the columns are only known once every run was seen. Raises InvalidInput as the search does.
    """

    def found() -> Iterator[RunRow]:
        return islice(_rows(workspace, where, order), limit)

    kinds: dict[str, dict[str, set[str]]] = {"params": {}, "metrics": {}, "tags": {}}
    for row in found():
        for section, known in kinds.items():
            for key, value in getattr(row, section).items():
                known.setdefault(key, set()).add(_kind(value))
    named = [(section, key) for section, known in kinds.items() for key in sorted(known)]
    columns = {f"{section}.{key}": "float" if section == "metrics" else _common(kinds[section][key]) for section, key in named}

    def rows() -> Iterator[Sequence[Any]]:
        for row in found():
            yield [*(getattr(row, fact) for fact in _FACTS), *(getattr(row, section).get(key) for section, key in named)]

    return Table(columns={**_FACTS, **columns}, rows=rows)


def _rows(workspace: Workspace, where: str, order: str) -> Iterator[RunRow]:
    after = ""
    while True:
        page = workspace.table.rows(where=where, order=order, limit=PAGE, after=after)
        yield from page.rows
        after = page.after
        if not after:
            return


def series_table(workspace: Workspace, reference: str, keys: Sequence[str] = ()) -> Table:
    """Every point of the metrics named, of all unless given. Raises NotFound kind ``unknown-metric``."""
    run = workspace.runs.get(reference)
    for key in keys:
        workspace.runs.series(run.id, key, points=2)

    def rows() -> Iterator[Sequence[Any]]:
        for key in keys or run.metrics:
            for one in workspace.runs.series(run.id, key, points=4):
                yield from _points(workspace, run, one)

    return Table(columns={"key": "text", "rank": "int", "step": "int", "value": "float", "time": "time"}, rows=rows)


def _points(workspace: Workspace, run: Run, one: Series) -> Iterator[Sequence[Any]]:
    """The points of a rank's series, a stretch of steps at a time."""
    for start, stop in _windows(workspace, run, one):
        for part in workspace.runs.series(run.id, one.key, start=start, stop=stop, rank=one.rank) if one.decimated else (one,):
            for step, value, time in zip(part.steps, part.values, part.times, strict=True):
                yield one.key, one.rank, step, value, time


def _windows(workspace: Workspace, run: Run, one: Series) -> Iterable[tuple[int | None, int | None]]:
    if one.total <= WINDOW:
        return [(None, None)]
    (few,) = workspace.runs.series(run.id, one.key, points=max(4, 2 * one.total // WINDOW), rank=one.rank)
    bounds = sorted(set(few.steps))
    starts: list[int | None] = [None, *bounds[1:]]
    return zip(starts, [*(bound - 1 for bound in bounds[1:]), None], strict=True)


def comparison_table(workspace: Workspace, references: Sequence[str]) -> Table:
    """Runs side by side: a row for each parameter, metric, input, and fact of code and environment, a column for each run."""
    found = workspace.runs.compare(references)
    heads = {f"{run.name or 'run'} #{run.number} {run.id[:8]}": "text" for run in found.runs}

    def rows() -> Iterator[Sequence[Any]]:
        for section in ("params", "metrics", "inputs", "code", "environment"):
            differing = set(found.differing.get(section, ()))
            for key, values in getattr(found, section).items():
                yield [section, key, key in differing, *values]

    return Table(columns={"section": "text", "key": "text", "differs": "bool", **heads}, rows=rows)


def as_csv(table: Table) -> Iterator[bytes]:
    """The table in CSV (UTF-8), with no cell that a spreadsheet would take for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_safe(name) for name in table.columns])
    for row in table.rows():
        writer.writerow([_safe(item) for item in row])
        if text.tell() >= _PIECE:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "replace")


def _safe(item: Any) -> Any:
    shown = "" if item is None else plain(item)
    if isinstance(shown, list | dict):
        shown = encode_value(shown)[1]
    return f"'{shown}" if isinstance(shown, str) and shown.startswith(_FORMULAS) else shown


def as_parquet(table: Table) -> Iterator[bytes]:
    """The table in Parquet: written to a file beside, group by group, then given piece by piece.

    Raises:
        Unavailable: kind ``missing-extra``, if pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise Unavailable(
            "Parquet needs pyarrow, which is not installed", kind="missing-extra", hint="Install it with: pip install pyarrow"
        ) from None
    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in table.columns.items()])
    rows = table.rows()
    with tempfile.TemporaryFile() as file:
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            while group := list(islice(rows, GROUP)):
                columns = [[_typed(row[place], kind) for row in group] for place, kind in enumerate(table.columns.values())]
                writer.write_table(
                    pa.table([pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)], schema=schema)
                )
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


WRITERS = {"csv": as_csv, "parquet": as_parquet}


def _typed(item: Any, kind: str) -> Any:
    if item is None:
        return None
    if kind == "float":
        return float(item)
    return str(item if isinstance(item, str) else encode_value(item)[1]).encode("utf-8", "replace").decode() if kind == "text" else item


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int" if -(2**63) <= value < 2**63 else "text"
        case float():
            return "float"
        case None:
            return "null"
    return "text"


def _common(kinds: set[str]) -> str:
    """The kind of a column whose values are of these.

    >>> _common({"int", "null"}), _common({"int", "float"}), _common({"bool", "int"})
    ('int', 'float', 'text')
    """
    found = kinds - {"null"}
    if len(found) == 1:
        return next(iter(found))
    return "float" if found == {"int", "float"} else "text"
