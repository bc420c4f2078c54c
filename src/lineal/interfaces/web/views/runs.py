"""The table of runs: searched, sorted, with chosen columns; the address is the state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from lineal.errors import InvalidInput
from lineal.interfaces.exports import CSV, PARQUET, as_csv, as_parquet, runs_table
from lineal.interfaces.web.formats import best, direction
from lineal.interfaces.web.links import place, with_query
from lineal.interfaces.web.pages import Page, Visit
from lineal.interfaces.web.searching import ANY_MISTAKE, column_of, where_of
from lineal.interfaces.web.views.groups import choices, grouped
from lineal.records.access import Role
from lineal.records.filter import quoted, written
from lineal.records.resources import is_resource
from lineal.records.run import Metric, Param, Run, RunStatus
from lineal.records.run_table import RowPage, RunRow
from lineal.records.saved_view import view_query

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
        return written(self.section, self.name)


def runs_page(visit: Visit) -> Page:
    """Every run that matches: the first of them at once, and the script fetches the others as they are scrolled to. Nothing is counted here."""
    if visit.as_json:
        limit = min(visit.number("limit", PAGE), MOST) or PAGE
        whole = visit.workspace.runs.search(where=where_of(visit), order=visit.word("order"), limit=limit, offset=visit.number("offset", 0))
        return Page(template="runs.html", title="Runs", rail="runs", value=whole)
    offset, by = visit.number("offset", 0), visit.word("group")
    keys = visit.workspace.table.keys()
    groups: Mapping[str, Any] = {}
    where, found, trouble = "", RowPage(rows=()), None
    try:
        where = where_of(visit)
        if by:
            groups = grouped(visit, by, where, keys)
        else:
            found = visit.workspace.table.rows(where=where, order=visit.word("order"), limit=PAGE, offset=offset, columns=_asked_for(visit))
    except InvalidInput as error:  # what was typed stays in its box, with what is wrong below it
        trouble = error
    columns = _columns(found.rows, visit.words("columns"))
    context = {
        **_table(visit, found, columns),
        "groups": [],
        "measures": [],
        "by": by,
        **groups,
        "choices": choices(keys),
        "total": None if by or found.after or (offset and not found.rows) else offset + len(found.rows),
        "known": _known(keys, columns),
        "chosen": set(visit.words("columns")) or {column.key for column in columns},
        "statuses": [str(status) for status in RunStatus],
        "order": visit.word("order"),
        "where": where,
        "words": urlencode([pair for pair in visit.query.multi_items() if pair[0] in _WORDS]),
        "keys": ",".join(column.key for column in columns) or "none",
        "views": visit.workspace.views.list(),
        "kept": view_query(str(visit.query)),
        "may_save": visit.principal.role.covers(Role.CONTRIBUTOR),
        "offset": offset,
        "pager": _pager(visit, offset, more=bool(found.after)),
        "trouble": trouble,
        "column": column_of(trouble, visit.word("where")),
        "filtered": any(visit.word(name) for name in ("where", "status", "experiment")),
    }
    return Page(template="runs.html", title="Runs", rail="runs", value=None, context=context)


_WORDS = frozenset({"where", "status", "experiment", "mistakes", "order"})
"""What says which runs are shown, and in which order."""


def run_rows(visit: Visit) -> Page:
    """Further rows of the table: those behind a place, from an offset on, or of some runs that changed."""
    ids = visit.words("runs")[:MOST]
    if ids:
        where = f"id in ({', '.join(map(quoted, ids))}) and {ANY_MISTAKE}"
        found = visit.workspace.table.rows(where=where, limit=len(ids), columns=_asked_for(visit))
    else:
        limit, offset = min(visit.number("limit", PAGE), MOST) or PAGE, visit.number("offset", 0)
        found = visit.workspace.table.rows(
            where=where_of(visit), order=visit.word("order"), limit=limit, offset=offset, after=visit.word("after"), columns=_asked_for(visit)
        )
    columns = _columns(found.rows, visit.words("columns"))
    return Page(template="parts/run_rows.html", title="", value=found, context=_table(visit, found, columns))


def _table(visit: Visit, found: RowPage, columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "runs": found.rows,
        "after": found.after,
        "columns": columns,
        "selected": visit.words("selected"),
        "reruns": _originals(visit, found.rows),
    }


def _asked_for(visit: Visit) -> list[str] | None:
    """The parameters and metrics that are wanted of each run; every one where columns are still to be chosen."""
    return [key for key in visit.words("columns") if key != "none"] or ([] if visit.words("columns") else None)


def _originals(visit: Visit, runs: Sequence[RunRow]) -> dict[str, str]:
    """How the runs are called that others on this page are reruns of, by id."""
    wanted = {run.tags["reproduces"] for run in runs if run.tags.get("reproduces")}
    here = {run.id: f"#{run.number}" for run in runs if run.id in wanted}
    away = sorted(wanted - set(here))[:MOST_ORIGINALS]
    if away:
        where = f"id in ({', '.join(map(quoted, away))}) and {ANY_MISTAKE}"
        here |= {run.id: f"#{run.number}" for run in visit.workspace.table.rows(where=where, limit=len(away), columns=[]).rows}
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


def _columns(runs: Sequence[RunRow], chosen: Sequence[str]) -> list[Column]:
    keys = [key for key in chosen if key != "none"] if chosen else _telling(runs)
    return [_column(key, runs) for key in keys if key.partition(".")[0] in {"metrics", "params", "tags"}]


def _telling(runs: Sequence[RunRow]) -> list[str]:
    """The columns shown unless others are chosen: the metrics that most have, and the parameters that differ."""
    metrics: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    for run in runs:
        metrics.update(key for key in run.metrics if not is_resource(key))
        for key, value in run.params.items():
            values.setdefault(key, set()).add(str(value))
    differing = sorted(values, key=lambda key: (len(values[key]) < 2, list(values).index(key)))
    shown = [f"metrics.{key}" for key, _ in metrics.most_common(METRIC_COLUMNS)]
    return shown + [f"params.{key}" for key in differing[:PARAM_COLUMNS]]


def _column(key: str, runs: Sequence[RunRow]) -> Column:
    section, _, name = key.partition(".")
    values = [cell(run, section, name) for run in runs]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    there = sum(value is not None for value in values)
    marked = best(name, [*numbers]) if section == "metrics" else None
    return Column(key=key, section=section, name=name, numeric=section == "metrics" or len(numbers) > there / 2, best=marked)


def cell(run: Run | RunRow, section: str, name: str) -> Any:
    """The value of a run in a column, None where it has none."""
    found: Any = {"metrics": run.metrics, "params": run.params}.get(section, run.tags).get(name)
    return found.last if isinstance(found, Metric) else found.value if isinstance(found, Param) else found


def _known(keys: Mapping[str, Sequence[str]], columns: Sequence[Column]) -> dict[str, list[str]]:
    """What can be a column: the names of the whole project, what machines measure of themselves behind the others, and what is chosen already."""
    known = {section: sorted(keys[section], key=lambda key: (is_resource(key), key)) for section in ("metrics", "params", "tags")}
    for column in columns:
        if column.name not in known[column.section]:
            known[column.section].append(column.name)
    return known


def next_order(order: str, key: str) -> str:
    """The order after a click on a head: the better end first, then the other, then as before."""
    first = f"{key} desc" if direction(key.partition(".")[2]) != "lower" else key
    second = key if first != key else f"{key} desc"
    return {"": first, first: second, second: ""}.get(order if order in {first, second} else "", first)


def _pager(visit: Visit, offset: int, *, more: bool) -> dict[str, str]:
    """Where the pages before and behind are, for browsers without the script."""

    def link(to: int) -> str:
        pairs = [(key, value) for key, value in visit.query.multi_items() if key != "offset"]
        return with_query(place("/runs"), [*pairs, ("offset", to or "")])

    return {"before": link(max(0, offset - PAGE)) if offset else "", "after": link(offset + PAGE) if more else ""}
