"""Runs side by side: what differs first, parameters against metrics, series over each other; of two runs, code and logs line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lineal.interfaces.web.formats import best, direction
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.comparison import Comparison
from lineal.records.difference import differ
from lineal.records.run import Run
from lineal.records.text_diff import Hunk, TextDiff
from lineal.records.values import plain

MOST = 200
UNFOLDED = 300
"""A text that differs in more lines is folded at first."""
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
        "pair": differ(*found.runs) if len(found.runs) == 2 else None,
        "only": "all" if visit.word("show") == "all" else "differing",
    }
    return Page(template="compare.html", title=f"Compare {len(found.runs)} runs", rail="runs", value=found, context=context)


def difference_part(visit: Visit) -> Page:
    """Inputs, packages, code and logs of the two runs in the address, as far as they differ."""
    before, after = visit.word("before"), visit.word("after")
    found = visit.workspace.runs.difference(before, after)
    context = {
        "difference": found,
        "packages": [(kind, [change for change in found.packages if change.change == kind]) for kind in ("added", "removed", "changed")],
        "texts": [_Text(diff) for diff in (*found.code, *((found.uncommitted,) if found.uncommitted is not None else ()))],
        "log": _Text(found.log) if found.log is not None else None,
    }
    return Page(template="parts/difference.html", title="", value=found, context=context)


class _Text:
    """A text that differs, as the template draws it."""

    def __init__(self, diff: TextDiff) -> None:
        self.diff = diff
        self.open = sum(len(hunk.lines) for hunk in diff.hunks) <= UNFOLDED
        self.hunks = [(hunk, list(_numbered(hunk))) for hunk in diff.hunks]


def _numbered(hunk: Hunk) -> Iterator[tuple[str, int | str, int | str, str]]:
    """Each line with its class, its number before and after, and its text."""
    before, after = hunk.before, hunk.after
    for line in hunk.lines:
        sign, text = line[:1], line[1:]
        yield {"+": "plus", "-": "minus"}.get(sign, ""), before if sign != "+" else "", after if sign != "-" else "", text
        before += sign != "+"
        after += sign != "-"


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
