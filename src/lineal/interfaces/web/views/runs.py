"""The table of runs: searched, sorted, with chosen columns; the address is the state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from starlette.responses import Response, StreamingResponse

from lineal.errors import InvalidInput, LinealError
from lineal.interfaces.exports import CSV, PARQUET, as_csv, as_parquet, runs_table
from lineal.interfaces.web.formats import best, direction
from lineal.interfaces.web.links import place, with_query
from lineal.interfaces.web.pages import Page, Visit
from lineal.interfaces.web.searching import field, where_of
from lineal.records.resources import is_resource
from lineal.records.run import Run, RunPage, RunStatus

PAGE = 100
MOST = 200
MOST_ORIGINALS = 20
METRIC_COLUMNS = 4
PARAM_COLUMNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A chosen column of the table.

    Attributes:
        key: such as ``metrics.auc``, ``params.depth`` or ``tags.stage``.
        best: the best value on this page, where the name says what is better.
    """

    key: str
    section: str
    name: str
    numeric: bool
    best: float | None = None

    @property
    def order(self) -> str:
        """The column as a key to order by."""
        return field(self.section, self.name)


def runs_page(visit: Visit) -> Page:
    """Every run that matches, a page at a time."""
    limit = min(visit.number("limit", PAGE), MOST) or PAGE
    offset = visit.number("offset", 0)
    order = visit.word("order")
    trouble: InvalidInput | None = None
    try:
        found = visit.workspace.runs.search(where=where_of(visit), order=order, limit=limit, offset=offset)
    except InvalidInput as error:
        if visit.as_json:
            raise
        found, trouble = RunPage(runs=(), total=0), error  # what was typed stays in its box, with what is wrong below it
    columns = _columns(found.runs, visit.words("columns"))
    context = {
        "runs": found.runs,
        "total": found.total,
        "columns": columns,
        "known": _known(found.runs, columns),
        "chosen": {column.key for column in columns},
        "selected": visit.words("selected"),
        "reruns": _originals(visit, found.runs),
        "statuses": [str(status) for status in RunStatus],
        "order": order,
        "pager": _pager(visit, offset, limit, found.total),
        "running": [run.id for run in found.runs if not run.status.ended],
        "trouble": trouble,
        "filtered": any(visit.word(name) for name in ("where", "status", "experiment")),
    }
    return Page(template="runs.html", title="Runs", rail="runs", value=found, context=context)


def _originals(visit: Visit, runs: Sequence[Run]) -> dict[str, str]:
    """How the runs are called that others on this page are reruns of, by id."""
    wanted = {run.tags["reproduces"] for run in runs if run.tags.get("reproduces")}
    here = {run.id: f"#{run.number}" for run in runs if run.id in wanted}
    for reference in sorted(wanted - set(here))[:MOST_ORIGINALS]:
        with suppress(LinealError):
            here[reference] = f"#{visit.workspace.runs.get(reference).number}"
    return here


def runs_csv(visit: Visit) -> Response:
    """Every run that matches, as CSV with every parameter, metric and tag."""
    return _download(as_csv(runs_table(visit.workspace, where=where_of(visit), order=visit.word("order"))), CSV, "runs.csv")


def runs_parquet(visit: Visit) -> Response:
    """The same as Parquet."""
    return _download(as_parquet(runs_table(visit.workspace, where=where_of(visit), order=visit.word("order"))), PARQUET, "runs.parquet")


def _download(pieces: Iterator[bytes], media: str, name: str) -> Response:
    first = next(pieces, b"")  # fetched at once, so that an error becomes a page and not a broken file
    return StreamingResponse(chain((first,), pieces), media_type=media, headers={"content-disposition": f'attachment; filename="{name}"'})


def running_cells(visit: Visit) -> Page:
    """The cells of running runs that change, for the table to take in."""
    runs = [visit.workspace.runs.get(identifier) for identifier in visit.words("runs")[:MOST]]
    columns = _columns(runs, visit.words("columns"))
    return Page(template="parts/running.html", title="", value={"runs": runs}, context={"runs": runs, "columns": columns})


def _columns(runs: Sequence[Run], chosen: Sequence[str]) -> list[Column]:
    keys = [key for key in chosen if key != "none"] if chosen else _telling(runs)
    return [_column(key, runs) for key in keys if key.partition(".")[0] in {"metrics", "params", "tags"}]


def _telling(runs: Sequence[Run]) -> list[str]:
    """The columns shown unless others are chosen: summaries first among the metrics, and the parameters that differ."""
    metrics: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    for run in runs:
        metrics.update({key: 2 if metric.points == 1 else 1 for key, metric in run.metrics.items() if not is_resource(key)})
        for key, param in run.params.items():
            values.setdefault(key, set()).add(str(param.value))
    differing = sorted(values, key=lambda key: (len(values[key]) < 2, list(values).index(key)))
    shown = [f"metrics.{key}" for key, _ in metrics.most_common(METRIC_COLUMNS)]
    return shown + [f"params.{key}" for key in differing[:PARAM_COLUMNS]]


def _column(key: str, runs: Sequence[Run]) -> Column:
    section, _, name = key.partition(".")
    values = [cell(run, section, name) for run in runs]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    marked = best(name, [*numbers]) if section == "metrics" else None
    return Column(key=key, section=section, name=name, numeric=section == "metrics" or len(numbers) > len(values) / 2, best=marked)


def cell(run: Run, section: str, name: str) -> Any:
    """The value of a run in a column, None where it has none."""
    if section == "metrics":
        metric = run.metrics.get(name)
        return None if metric is None else metric.last
    if section == "params":
        param = run.params.get(name)
        return None if param is None else param.value
    return run.tags.get(name)


def _known(runs: Sequence[Run], columns: Sequence[Column]) -> dict[str, list[str]]:
    keys = {
        "metrics": sorted({key for run in runs for key in run.metrics}),
        "params": sorted({key for run in runs for key in run.params}),
        "tags": sorted({key for run in runs for key in run.tags}),
    }
    for column in columns:
        if column.name not in keys[column.section]:
            keys[column.section].append(column.name)
    return keys


def next_order(order: str, key: str) -> str:
    """The order after a click on a head: the better end first, then the other, then as before."""
    first = f"{key} desc" if direction(key.partition(".")[2]) != "lower" else key
    second = key if first != key else f"{key} desc"
    return {"": first, first: second, second: ""}.get(order if order in {first, second} else "", first)


def _pager(visit: Visit, offset: int, limit: int, total: int) -> dict[str, Any]:
    def link(to: int) -> str:
        pairs = [(key, value) for key, value in visit.query.multi_items() if key != "offset"]
        return with_query(place("/runs"), [*pairs, ("offset", to or "")])

    return {
        "first": offset + 1 if total else 0,
        "last": min(offset + limit, total),
        "total": total,
        "before": link(max(0, offset - limit)) if offset else "",
        "after": link(offset + limit) if offset + limit < total else "",
    }
