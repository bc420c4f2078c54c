"""The table of runs over HTTP."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, Endpoint, parameter, required
from lineal.records.access import Role

MOST_ROWS = 1000
MOST_METRICS = 8
MOST_TYPED = 4000


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


def group_runs(call: Call) -> Any:
    """The runs that match in groups."""
    metrics = [name for name in call.query.get("metrics", "").split(",") if name]
    return {"groups": call.workspace.table.groups(call.need("by"), where=call.query.get("where", ""), metrics=metrics[:MOST_METRICS])}


def complete_filter(call: Call) -> Any:
    """What could come next at the end of a filter."""
    return {"completions": call.workspace.table.complete(call.query.get("text", "")[:MOST_TYPED])}


def list_keys(call: Call) -> Any:
    """Names of metrics, parameters and tags."""
    return call.workspace.table.keys()


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
        path="/groups",
        summary="Group runs",
        handler=group_runs,
        group="runs",
        role=Role.READER,
        query=(
            required("by", "params.NAME, tags.NAME, dataset, commit, status, experiment, author, name or host"),
            _WHERE,
            parameter("metrics", "at most eight names, whose last values are taken together"),
        ),
    ),
    Endpoint(
        method="GET",
        path="/complete",
        summary="Complete a filter",
        handler=complete_filter,
        group="runs",
        role=Role.READER,
        query=(parameter("text", "a filter up to where one types"),),
    ),
    Endpoint(method="GET", path="/keys", summary="List names of metrics, parameters and tags", handler=list_keys, group="runs", role=Role.READER),
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
