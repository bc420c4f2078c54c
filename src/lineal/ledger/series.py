"""Metric series: compressed blocks of columns, and one row per series with its last, smallest and largest value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from lineal.ledger.blocks import Columns, decimate, decimate_each, decode_block, encode_block, in_step_order, join, parts_standing, rises, standing
from lineal.ledger.metric_rows import SeriesKey, blank_row, metric_rows, storable_row
from lineal.ledger.portable import pieces, upsert
from lineal.ledger.run_rows import number_of
from lineal.ledger.schema import metric_blocks, metrics, runs
from lineal.records.run import Series

LARGEST_BLOCK = 65_536
SMALL_BLOCK = 4_096
"""Blocks of fewer points are merged with what comes next, so that frequent small ingestions leave no thousands of blocks."""

_LOWER_IS_BETTER = ("loss", "error", "err", "mae", "mse", "rmse", "mape", "perplexity", "nll", "brier")


def append_points(connection: Connection, *, project_id: str, run_id: str, attempt: int, series: Mapping[SeriesKey, Columns]) -> None:
    """Appends points to a run's series and brings their rows up to date."""
    keys = sorted({key for key, _rank in series})
    tails = _tails(connection, run_id, keys)
    fresh: list[dict[str, Any]] = []
    for (key, rank), points in series.items():
        sequence, small = tails.get((key, rank), (-1, None))
        if small is not None and small["attempt"] == attempt:
            merged = join((decode_block(small["body"]), points))
            _replace(connection, small, merged.take(slice(None, LARGEST_BLOCK)))
            rest = merged.take(slice(LARGEST_BLOCK, None))
        else:
            rest = points
        fresh.extend(_blocks(run_id, (key, rank), attempt, rest, after=sequence))
    if fresh:
        connection.execute(insert(metric_blocks), fresh)
    _update_rows(connection, project_id, run_id, attempt, series)


def read_series(
    connection: Connection,
    run_id: str,
    key: str,
    *,
    points: int | None = None,
    start: int | None = None,
    stop: int | None = None,
    rank: int | None = None,
) -> tuple[Series, ...]:
    """The series of a metric, one per rank in their order; empty where there is none.

    Args:
        points: decimated to about so many for each rank.
        start, stop: only the steps from one to the other, both included. Blocks outside are not read.
        rank: only this one.
    """
    table = metric_blocks.c
    here = (table.run_id == run_id, table.key == key)
    firsts: dict[int, dict[int, int]] = {}
    for each, attempt, first in connection.execute(
        select(table.rank, table.attempt, func.min(table.first_step)).where(*here).group_by(table.rank, table.attempt)
    ):
        firsts.setdefault(each, {})[attempt] = first
    if not firsts:
        return _summary(connection, run_id, key)
    query = select(table.rank, table.attempt, table.body).where(*here, *_within(start, stop), *((table.rank == rank,) if rank is not None else ()))
    blocks: dict[int, list[tuple[int, Columns]]] = {each: [] for each in sorted(firsts) if rank in {None, each}}
    for each, attempt, body in connection.execute(query.order_by(table.rank, table.sequence)):
        blocks[each].append((attempt, decode_block(body)))
    shown = {each: _shown(parts_standing(parts, firsts[each]), points, start, stop) for each, parts in blocks.items()}
    return tuple(_series(key, *found, rank=each, ranks=len(firsts)) for each, found in shown.items())


def _shown(parts: Sequence[Columns], wanted: int | None, start: int | None, stop: int | None) -> tuple[Columns, int]:
    """What is shown of the parts of a series, and of how many points that is."""
    if wanted is not None and rises(parts):
        inside = [_cut(part, start, stop) for part in parts]
        return decimate_each(inside, wanted), sum(map(len, inside))
    whole = _cut(in_step_order(join(parts)), start, stop)
    return whole if wanted is None else decimate(whole, wanted), len(whole)


def _within(start: int | None, stop: int | None) -> list[ColumnElement[bool]]:
    """Blocks that hold steps of the range."""
    found = [metric_blocks.c.last_step >= start] if start is not None else []
    return found + ([metric_blocks.c.first_step <= stop] if stop is not None else [])


def _cut(points: Columns, start: int | None, stop: int | None) -> Columns:
    """What lies in the range, of points in step order."""
    if start is None and stop is None:
        return points
    first = 0 if start is None else int(np.searchsorted(points.steps, start, side="left"))
    last = len(points) if stop is None else int(np.searchsorted(points.steps, stop, side="right"))
    return points.take(slice(first, last))


def _series(key: str, shown: Columns, total: int, *, rank: int, ranks: int) -> Series:
    return Series(
        key=key,
        steps=tuple(shown.steps.tolist()),
        values=tuple(shown.values.tolist()),
        times=tuple(shown.times.tolist()),
        total=total,
        decimated=len(shown) < total,
        rank=rank,
        ranks=ranks,
    )


def _summary(connection: Connection, run_id: str, key: str) -> tuple[Series, ...]:
    query = select(metrics.c.last, runs.c.started_at, runs.c.ended_at).join(runs, runs.c.id == metrics.c.run_id)
    row = connection.execute(query.where(metrics.c.run_id == run_id, metrics.c.key == key)).first()
    if row is None:
        return ()
    return (Series(key=key, steps=(0,), values=(number_of(row.last),), times=(row.ended_at or row.started_at,), total=1),)


def _blocks(run_id: str, series: SeriesKey, attempt: int, points: Columns, *, after: int) -> list[dict[str, Any]]:
    found = []
    for place, start in enumerate(range(0, len(points), LARGEST_BLOCK)):
        part = points.take(slice(start, start + LARGEST_BLOCK))
        names = {"run_id": run_id, "key": series[0], "rank": series[1], "sequence": after + 1 + place, "attempt": attempt}
        found.append({**names, **_block_values(part)})
    return found


def _block_values(points: Columns) -> dict[str, Any]:
    return {
        "points": len(points),
        "first_step": int(points.steps.min()),
        "last_step": int(points.steps.max()),
        "body": encode_block(points),
    }


def _tails(connection: Connection, run_id: str, keys: Sequence[str]) -> dict[SeriesKey, tuple[int, Any]]:
    """For each series its last sequence, and its last block's row where that is small enough to be merged."""
    table = metric_blocks.c
    found: dict[SeriesKey, tuple[int, Any]] = {}
    for piece in pieces(keys):
        here = (table.run_id == run_id, table.key.in_(piece))
        highest = select(table.key, table.rank, func.max(table.sequence)).where(*here).group_by(table.key, table.rank)
        for key, rank, sequence in connection.execute(highest):
            found[key, rank] = (sequence, None)
        for row in connection.execute(select(metric_blocks).where(*here, table.points < SMALL_BLOCK)).mappings():
            series = (row["key"], row["rank"])
            if row["sequence"] == found[series][0]:
                found[series] = (row["sequence"], row)
    return found


def _replace(connection: Connection, block: Any, points: Columns) -> None:
    table = metric_blocks.c
    here = (table.run_id == block["run_id"], table.key == block["key"], table.rank == block["rank"], table.sequence == block["sequence"])
    connection.execute(update(metric_blocks).where(*here).values(_block_values(points)))


def _update_rows(connection: Connection, project_id: str, run_id: str, attempt: int, series: Mapping[SeriesKey, Columns]) -> None:
    known = metric_rows(connection, run_id, sorted({key for key, _rank in series}))
    rows = []
    for name, points in series.items():
        row = known.get(name) or blank_row(project_id, run_id, name)
        superseding = attempt > 1 and row["last_step"] is not None and int(points.steps.min()) <= row["last_step"]
        if superseding:  # rare: the whole series is read again
            points, row = _standing_now(connection, run_id, name), blank_row(project_id, run_id, name)  # noqa: PLW2901
        rows.append(_extended(row, points))
    upsert(connection, metrics, [storable_row(row) for row in rows], keys=("run_id", "key", "rank"))


def _standing_now(connection: Connection, run_id: str, series: SeriesKey) -> Columns:
    table = metric_blocks.c
    query = select(table.attempt, table.body).where(table.run_id == run_id, table.key == series[0], table.rank == series[1])
    return standing([(attempt, decode_block(body)) for attempt, body in connection.execute(query.order_by(table.sequence))])


def _extended(row: Mapping[str, Any], points: Columns) -> dict[str, Any]:
    """A series' row with further points."""
    new = {**row, "points": row["points"] + len(points) if row["last_step"] is not None else len(points)}
    highest = int(points.steps.max())
    if row["last_step"] is None or highest >= row["last_step"]:
        new["last_step"] = highest
        new["last"] = float(points.values[np.flatnonzero(points.steps == highest)[-1]])
    numbers = points.take(~np.isnan(points.values))
    if len(numbers):
        _extend_extremes(new, numbers)
    return new


def _extend_extremes(row: dict[str, Any], numbers: Columns) -> None:
    smallest, largest = int(np.argmin(numbers.values)), int(np.argmax(numbers.values))
    lower = any(word in row["key"].lower() for word in _LOWER_IS_BETTER)
    if row["minimum"] is None or numbers.values[smallest] < row["minimum"]:
        row["minimum"] = float(numbers.values[smallest])
        row["best_step"] = int(numbers.steps[smallest]) if lower else row["best_step"]
    if row["maximum"] is None or numbers.values[largest] > row["maximum"]:
        row["maximum"] = float(numbers.values[largest])
        row["best_step"] = row["best_step"] if lower else int(numbers.steps[largest])
