"""Runs side by side: what differs first, parameters against metrics, series over each other."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.web.formats import best, direction
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.comparison import Comparison
from lineal.records.run import Run
from lineal.records.values import plain

MOST = 200
SECTIONS = ("params", "metrics", "inputs", "code", "environment")


def compare_page(visit: Visit) -> Page:
    """The comparison of the runs in the address."""
    references = visit.words("runs")[:MOST]
    if len(references) < 2:
        return Page(template="compare_empty.html", title="Compare", rail="runs", value={"runs": references})
    found = visit.workspace.runs.compare(references)
    context = {
        "comparison": found,
        "sections": [(name, _rows(found, name)) for name in SECTIONS],
        "chart": _chart(found),
        "series": sorted({key for run in found.runs for key, metric in run.metrics.items() if metric.points > 1}),
        "only": "all" if visit.word("show") == "all" else "differing",
    }
    return Page(template="compare.html", title=f"Compare {len(found.runs)} runs", rail="runs", value=found, context=context)


def _rows(found: Comparison, section: str) -> list[dict[str, Any]]:
    differing = set(found.differing.get(section, ()))
    table: dict[str, tuple[Any, ...]] = dict(getattr(found, section))
    rows = [
        {
            "key": key,
            "values": values,
            "differs": key in differing,
            "best": best(key, list(values)) if section == "metrics" else None,
            "direction": direction(key) if section == "metrics" else "",
        }
        for key, values in table.items()
    ]
    return sorted(rows, key=lambda row: (not row["differs"], row["key"].lower()))


def _chart(found: Comparison) -> dict[str, Any]:
    """What the scatter and the parallel coordinates are drawn from."""
    differing = [key for key in found.params if key in set(found.differing.get("params", ()))]
    metrics = [key for key, values in found.metrics.items() if any(value is not None for value in values)]
    return {
        "runs": [{"id": run.id, "label": _label(run), "started": run.started_at} for run in found.runs],
        "params": {key: [plain(value) for value in found.params[key]] for key in differing or found.params},
        "metrics": {key: [plain(value) for value in found.metrics[key]] for key in metrics},
        "summaries": [key for key in metrics if all(run.metrics[key].points == 1 for run in found.runs if key in run.metrics)],
        "has": {key: [run.id for run in found.runs if key in run.metrics] for key in metrics},
        "directions": {key: direction(key) for key in metrics},
    }


def _label(run: Run) -> str:
    return f"{run.name or 'run'} #{run.number}"
