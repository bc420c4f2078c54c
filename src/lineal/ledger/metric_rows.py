"""The row of a metric series: its last, smallest and largest value. Without numpy, because every run that ends is written through here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from lineal.ledger.portable import pieces, upsert
from lineal.ledger.schema import metrics

SeriesKey = tuple[str, int]
"""A metric's name and the rank of the process that logged it."""


def set_summary(connection: Connection, *, project_id: str, run_id: str, values: Mapping[str, float], on: str) -> None:
    """Sets final figures: series of one point without a step. One that was logged as a series keeps its points."""
    known = metric_rows(connection, run_id, sorted(values))
    rows = []
    for key, value in values.items():
        row = known.get((key, 0)) or blank_row(project_id, run_id, (key, 0))
        if row["last_step"] is None:
            row = {**row, "minimum": value, "maximum": value, "points": 1}
        rows.append({**row, "last": value, "on": on})
    upsert(connection, metrics, [storable_row(row) for row in rows], keys=("run_id", "key", "rank"))


def metric_rows(connection: Connection, run_id: str, keys: Sequence[str]) -> dict[SeriesKey, dict[str, Any]]:
    """The rows of a run's series of those names, by name and rank."""
    found: dict[SeriesKey, dict[str, Any]] = {}
    for piece in pieces(keys):
        for row in connection.execute(select(metrics).where(metrics.c.run_id == run_id, metrics.c.key.in_(piece))).mappings():
            found[row["key"], row["rank"]] = dict(row)
    return found


def blank_row(project_id: str, run_id: str, series: SeriesKey) -> dict[str, Any]:
    """The row of a series that has no point yet."""
    blank = {"last": None, "minimum": None, "maximum": None, "points": 0, "last_step": None, "best_step": None, "on": ""}
    return {"project_id": project_id, "run_id": run_id, "key": series[0], "rank": series[1], **blank}


def storable_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """NaN as NULL: the databases disagree about it."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
