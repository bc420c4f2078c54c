"""The runs that match in groups: counts, what metrics come to, and the runs of those groups that are open. The address is the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lineal.interfaces.web.links import place, with_query
from lineal.interfaces.web.pages import Visit
from lineal.records.filter import written
from lineal.records.run_table import RunGroup, RunRow

SHOWN = 20
"""Runs of an open group; a link leads to all of them."""
MOST_OPEN = 10
MEASURES = 3
PLAIN = ("status", "experiment", "author", "name", "commit", "host", "dataset")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGroup:
    """A group of the table.

    Attributes:
        toggle: the address with the group open, or closed if it is.
        alone: the address of all its runs.
        runs: some of them, where it is open.
    """

    group: RunGroup
    name: str
    toggle: str
    alone: str
    runs: Sequence[RunRow] | None = None


def grouped(visit: Visit, by: str, where: str, keys: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What the page shows of the groups. Raises InvalidInput kinds ``bad-filter`` and ``bad-group``."""
    metrics = measures(visit, keys)
    opened = visit.query.getlist("open")[:MOST_OPEN]
    groups = visit.workspace.table.groups(by, where=where, metrics=metrics)
    return {"by": by, "groups": [_shown(visit, group, where, opened, metrics) for group in groups], "measures": metrics}


def choices(keys: Mapping[str, Sequence[str]]) -> list[str]:
    """What runs can be grouped by."""
    return [*PLAIN, *(written(section, key) for section in ("params", "tags") for key in keys.get(section, ()))]


def measures(visit: Visit, keys: Mapping[str, Sequence[str]]) -> list[str]:
    """The metrics that are taken together: those among the chosen columns, else the first ones."""
    chosen = [key.removeprefix("metrics.") for key in visit.words("columns") if key.startswith("metrics.")]
    return (chosen or [key for key in keys.get("metrics", ()) if not key.startswith("system/")][:MEASURES])[:8]


def _shown(visit: Visit, group: RunGroup, where: str, opened: Sequence[str], metrics: Sequence[str]) -> ShownGroup:
    name = group.where
    is_open = name in opened
    inside = f"{where} and {group.where}" if where else group.where
    pairs = [(key, value) for key, value in visit.query.multi_items() if (key, value) != ("open", name)]
    runs: Sequence[RunRow] | None = None
    if is_open:
        runs = visit.workspace.table.rows(where=inside, order=visit.word("order"), limit=SHOWN, columns=[f"metrics.{key}" for key in metrics]).rows
    return ShownGroup(
        group=group,
        name=name,
        toggle=with_query(place("/runs"), pairs if is_open else [*pairs, ("open", name)]),
        alone=with_query(place("/runs"), _alone(visit, group)),
        runs=runs,
    )


def _alone(visit: Visit, group: RunGroup) -> list[tuple[str, str]]:
    """The words of the page with the group's filter among them and no groups."""
    typed = visit.word("where")
    kept = [(key, value) for key, value in visit.query.multi_items() if key not in {"group", "open", "where", "offset"}]
    return [("where", f"({typed}) and {group.where}" if typed else group.where), *kept]
