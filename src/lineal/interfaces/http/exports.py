"""Tables of runs, series and comparisons to download."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lineal.errors import InvalidInput
from lineal.interfaces.exports import CSV, PARQUET, as_csv, as_parquet, comparison_table, runs_table, series_table
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import Endpoint, Parameter, parameter, required
from lineal.records.access import Role


def runs_as_csv(call: Call) -> Iterator[bytes]:
    """Every run that matches, in CSV."""
    return as_csv(runs_table(call.workspace, where=call.query.get("where", ""), order=call.query.get("order", "")))


def runs_as_parquet(call: Call) -> Iterator[bytes]:
    """Every run that matches, in Parquet."""
    return as_parquet(runs_table(call.workspace, where=call.query.get("where", ""), order=call.query.get("order", "")))


def series_as_csv(call: Call) -> Iterator[bytes]:
    """Every point of a run, in CSV."""
    return as_csv(series_table(call.workspace, call.path["run"], _keys(call)))


def series_as_parquet(call: Call) -> Iterator[bytes]:
    """Every point of a run, in Parquet."""
    return as_parquet(series_table(call.workspace, call.path["run"], _keys(call)))


def comparison_as_csv(call: Call) -> Iterator[bytes]:
    """Runs side by side, in CSV."""
    return as_csv(comparison_table(call.workspace, _runs(call)))


def comparison_as_parquet(call: Call) -> Iterator[bytes]:
    """Runs side by side, in Parquet."""
    return as_parquet(comparison_table(call.workspace, _runs(call)))


def _keys(call: Call) -> tuple[str, ...]:
    key = call.query.get("key", "")
    return (key,) if key else ()


def _runs(call: Call) -> list[str]:
    references = [text for text in call.need("runs").split(",") if text]
    if len(references) < 2:
        raise InvalidInput("a comparison takes at least two runs", kind="too-few-runs", hint="?runs=3f2a,91bc")
    return references


_SEARCH = (parameter("where", "filter, as in `lineal runs --where`"), parameter("order", "key to order by, as in `--order`"))
_KEY = (parameter("key", "only this metric; every one unless given"),)
_RUNS = (required("runs", "two or more references, with commas between"),)


def _export(path: str, handlers: Sequence[Callable[[Call], Any]], summary: str, query: tuple[Parameter, ...]) -> Iterator[Endpoint]:
    """A table's endpoints, one for each format."""
    for handler, (ending, name, media) in zip(handlers, (("csv", "CSV", CSV), ("parquet", "Parquet", PARQUET)), strict=True):
        yield Endpoint(
            method="GET",
            path=f"{path}.{ending}",
            summary=f"{summary} in {name}",
            handler=handler,
            group="runs",
            role=Role.READER,
            query=query,
            answers=media,
            download=f"{path.rpartition('/')[2]}.{ending}",
        )


ENDPOINTS = (
    *_export("/export/runs", (runs_as_csv, runs_as_parquet), "Every run that matches,", _SEARCH),
    *_export("/export/comparison", (comparison_as_csv, comparison_as_parquet), "Runs side by side,", _RUNS),
    *_export("/runs/{run}/export/series", (series_as_csv, series_as_parquet), "Every point of a run,", _KEY),
)
