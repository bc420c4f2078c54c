"""The table of runs over HTTP."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, Endpoint, parameter
from lineal.records.access import Role

MOST_ROWS = 1000


def search_rows(call: Call) -> Any:
    """The runs that match, as rows of a table."""
    return call.workspace.table.rows(
        where=call.query.get("where", ""),
        order=call.query.get("order", ""),
        limit=call.number("limit", 100, most=MOST_ROWS),
        offset=call.number("offset", 0, most=2**53),
        after=call.query.get("after", ""),
        columns=columns_of(call.query.get("columns", "")),
    )


def columns_of(text: str) -> list[str] | None:
    """The names in a text with commas; ``none`` is no column, and an empty text every one."""
    return [name for name in text.split(",") if name and name != "none"] if text else None


def count_runs(call: Call) -> Any:
    """How many runs match."""
    return {"count": call.workspace.table.count(where=call.query.get("where", ""))}


def read_pulse(call: Call) -> Any:
    """How far the runs are."""
    return call.workspace.table.pulse(call.number("after", 0, most=2**53) if call.query.get("after") else None)


_WHERE = parameter("where", "filter, as in `lineal runs --where`")

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/rows",
        summary="Search runs, as rows of a table",
        handler=search_rows,
        group="runs",
        role=Role.READER,
        query=(
            _WHERE,
            parameter("order", "key to order by, as in `--order`"),
            parameter("limit", "at most so many", NUMBER),
            parameter("offset", "leave out so many", NUMBER),
            parameter("after", "go on behind this place, as the last page gave it"),
            parameter("columns", "names such as metrics.auc,params.depth, or none; every one unless given"),
        ),
    ),
    Endpoint(method="GET", path="/count", summary="Count runs", handler=count_runs, group="runs", role=Role.READER, query=(_WHERE,)),
    Endpoint(
        method="GET",
        path="/pulse",
        summary="How far the runs are",
        handler=read_pulse,
        group="runs",
        role=Role.READER,
        query=(parameter("after", "sequence of the last event that is known", NUMBER),),
    ),
)
