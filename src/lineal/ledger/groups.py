"""Runs in groups: by a parameter, a tag, a dataset or an attribute, counted and with metrics taken together in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, select

from lineal.errors import InvalidInput
from lineal.ledger.schema import edges, metrics, occurrences, params, runs, tags
from lineal.ledger.search import Search
from lineal.records.filter import ANY, ATTRIBUTES, PARAMS, TAGS, parse_field, quoted, written
from lineal.records.graph import USED
from lineal.records.run_table import RunGroup, Spread
from lineal.records.values import decode_value

MOST = 500
ATTRIBUTES_TO_GROUP_BY = ("status", "experiment", "author", "name", "commit", "host")
DATASET = "dataset"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grouping:
    """Where the value that makes a group stands."""

    name: str
    source: FromClause
    text: ColumnElement[Any]
    type: ColumnElement[Any] | None = None  # of texts there is only one


def group_runs(
    connection: Connection, project_id: str, by: str, *, where: str = "", measures: Sequence[str] = (), limit: int = MOST
) -> list[RunGroup]:
    """The runs that match in groups, the largest first.

    Args:
        by: a parameter, tag or attribute such as ``params.depth``, ``tags.team``, ``status``, or ``dataset``: then a run is in the group of each version it used.
        measures: metrics whose last values are taken together.

    Raises:
        InvalidInput: kind ``bad-filter``, or ``bad-group`` where nothing of a run is called so.
    """
    matches = Search(connection, project_id, where).matches
    grouping = _grouping(project_id, by)
    value = [column for column in (grouping.text, grouping.type) if column is not None]
    query = select(func.count(), *value).where(matches).group_by(*value)
    source, query = _measured(grouping.source, query, project_id, measures)
    rows = connection.execute(query.select_from(source).order_by(func.count().desc(), grouping.text).limit(limit))
    return [_group(grouping.name, list(row), measures, typed=grouping.type is not None) for row in rows]


def _measured(source: FromClause, query: Select[Any], project_id: str, measures: Sequence[str]) -> tuple[FromClause, Select[Any]]:
    for key in measures:
        table = metrics.alias()
        here = and_(table.c.run_id == runs.c.id, table.c.project_id == project_id, table.c.key == key, table.c.rank == 0)
        source = source.outerjoin(table, here)
        query = query.add_columns(func.count(table.c.last), func.min(table.c.last), func.avg(table.c.last), func.max(table.c.last))
    return source, query


def _grouping(project_id: str, by: str) -> _Grouping:
    field = parse_field(by)
    if field.section in {PARAMS, TAGS} and field.key:
        table = params.alias() if field.section == PARAMS else tags.alias()
        source = runs.outerjoin(table, and_(table.c.run_id == runs.c.id, table.c.project_id == project_id, table.c.key == field.key))
        return _Grouping(name=written(field.section, field.key), source=source, **_columns(table, field.section))
    if by == DATASET:
        return _Grouping(name="inputs.dataset", source=_datasets(), text=occurrences.c.label)
    if field.section in {ANY, ATTRIBUTES} and field.key in ATTRIBUTES_TO_GROUP_BY:
        return _Grouping(name=field.key, source=runs, text=runs.c[field.key])
    known = ", ".join((*ATTRIBUTES_TO_GROUP_BY, DATASET))
    raise InvalidInput(f"runs cannot be grouped by {by!r}", kind="bad-group", hint=f"Group by params.NAME, tags.NAME, {known}.")


def _columns(table: FromClause, section: str) -> Mapping[str, ColumnElement[Any]]:
    return {"text": table.c.text, "type": table.c.type} if section == PARAMS else {"text": table.c.value}


def _datasets() -> FromClause:
    used = edges.join(occurrences, and_(occurrences.c.id == edges.c.target, occurrences.c.kind == DATASET))
    return runs.outerjoin(used, and_(edges.c.source == runs.c.id, edges.c.relation == USED))


def _group(name: str, row: list[Any], measures: Sequence[str], *, typed: bool) -> RunGroup:
    count, text, *rest = row
    kind = str(rest.pop(0)) if typed else "str"
    value = None if text is None else decode_value(kind, text)
    spreads = {}
    for place, key in enumerate(measures):
        having, least, mean, most = rest[place * 4 : place * 4 + 4]
        if having:
            spreads[key] = Spread(runs=having, minimum=least, mean=float(mean), maximum=most)
    return RunGroup(value=value, count=count, where=_where(name, kind, text), metrics=spreads)


def _where(name: str, kind: str, text: str | None) -> str:
    """The filter that finds the runs of a group."""
    if text is None:
        return f"not {name}"
    if name == "commit":
        return f"code.commit = {quoted(text)}" if text else "commit = ''"
    return f"{name} = {text if kind in {'int', 'float', 'bool'} and text not in {'nan', 'inf', '-inf'} else quoted(text)}"
