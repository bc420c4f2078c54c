"""Every run that matches as a point and as a line: parameters and metrics against one another."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from lineal.errors import InvalidInput
from lineal.interfaces.web.formats import direction
from lineal.interfaces.web.pages import Page, Visit
from lineal.interfaces.web.searching import where_of
from lineal.records.resources import is_resource
from lineal.records.run_table import RunRow
from lineal.records.values import plain

MOST = 5_000
COLUMNS = 40
"""Of parameters and of metrics; those that most runs have."""
_FILTERS = ("where", "status", "experiment", "mistakes")


def charts_page(visit: Visit) -> Page:
    """The page is small; what it draws it asks for."""
    trouble: InvalidInput | None = None
    total = 0
    try:
        where = where_of(visit)
        total = visit.workspace.table.count(where=where)
    except InvalidInput as error:
        if visit.as_json:
            raise
        trouble = error  # what was typed stays in its box, with what is wrong below it
    value = chart_data(visit.workspace.table.rows(where=where, limit=MOST).rows, total) if visit.as_json else {}
    kept = [(name, visit.word(name)) for name in _FILTERS]
    return Page(template="charts.html", title="Charts", rail="runs", value=value, context={"total": total, "trouble": trouble, "kept": kept})


def charts_data(visit: Visit) -> Response:
    """The same JSON, small."""
    where = where_of(visit)
    found = chart_data(visit.workspace.table.rows(where=where, limit=MOST).rows, visit.workspace.table.count(where=where))
    body = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, media_type="application/json")


def chart_data(rows: Sequence[RunRow], total: int) -> dict[str, Any]:
    """Columns of parameters that differ, and of metrics; the runs in their order."""
    params, more_params = _common([row.params for row in rows])
    metrics, more_metrics = _common([{key: value for key, value in row.metrics.items() if not is_resource(key)} for row in rows])
    columns = {key: [plain(row.params.get(key)) for row in rows] for key in params}
    return {
        "total": total,
        "left_out": more_params + more_metrics,
        "runs": [{"id": row.id, "label": f"{row.name or 'run'} #{row.number}"} for row in rows],
        "params": {key: values for key, values in columns.items() if any(value != values[0] for value in values)},
        "metrics": {key: [plain(row.metrics.get(key)) for row in rows] for key in metrics},
        "directions": {key: direction(key) for key in metrics},
    }


def _common(found: Sequence[Any]) -> tuple[list[str], int]:
    """The keys that most have, and how many more there are."""
    counted = Counter(key for each in found for key in each)
    return [key for key, _count in counted.most_common(COLUMNS)], max(0, len(counted) - COLUMNS)
