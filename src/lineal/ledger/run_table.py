"""Rows of a table of runs: a fixed number of small queries for a page of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from lineal.ledger.portable import pieces
from lineal.ledger.run_rows import number_of
from lineal.ledger.schema import metrics, params, runs, tags
from lineal.records.filter import METRICS, PARAMS, TAGS, parse_field
from lineal.records.run import RunStatus
from lineal.records.run_table import RowPage, RunRow
from lineal.records.values import decode_value

_FACTS = ("id", "name", "number", "experiment", "author", "started_at", "ended_at", "exit_code", "mistake", "note")


def search_rows(
    connection: Connection,
    project_id: str,
    *,
    where: str = "",
    order: str = "",
    limit: int = 100,
    offset: int = 0,
    after: str = "",
    columns: Sequence[str] | None = None,
) -> RowPage:
    """A page of the runs that match, as rows; nothing is counted.

    Args:
        where, order: as of `lineal.ledger.runs.search_runs`.
        offset, after: where the page begins; ``after`` is the cursor of the page before.
        columns: names such as ``metrics.auc`` and ``params.depth``; every one unless given. Tags are always there.

    Raises:
        InvalidInput: kind ``bad-filter``, ``bad-order`` or ``bad-cursor``.
    """
    from lineal.ledger.search import Search

    found = Search(connection, project_id, where).page(order=order, limit=limit, offset=offset, after=after)
    return RowPage(rows=rows_of(connection, found.ids, columns=columns), after=found.after)


def count_runs(connection: Connection, project_id: str, where: str) -> int:
    """How many runs match. Raises InvalidInput kind ``bad-filter``."""
    from lineal.ledger.search import Search

    return Search(connection, project_id, where).count()


def rows_of(connection: Connection, ids: Sequence[str], *, columns: Sequence[str] | None = None) -> tuple[RunRow, ...]:
    """The rows of runs, in the order of their ids; ids that are gone are passed over."""
    wanted = [parse_field(name) for name in columns or ()]
    names = {section: None if columns is None else [field.key for field in wanted if field.section == section] for section in (PARAMS, METRICS)}
    facts = {row.id: dict(row._mapping) for row in _rows(connection, runs, ids, keys=None, by=runs.c.id)}  # noqa: SLF001 - public, for all its name
    values: dict[str, dict[str, dict[str, Any]]] = {section: defaultdict(dict) for section in (PARAMS, METRICS, TAGS)}
    for row in _rows(connection, params, ids, keys=names[PARAMS]):
        values[PARAMS][row.run_id][row.key] = decode_value(row.type, row.text)
    for row in _rows(connection, metrics, ids, keys=names[METRICS], ranked=True):
        values[METRICS][row.run_id].setdefault(row.key, number_of(row.last))
    for row in _rows(connection, tags, ids, keys=None):
        values[TAGS][row.run_id][row.key] = row.value
    return tuple(_row(facts[run], {section: found[run] for section, found in values.items()}) for run in ids if run in facts)


def _row(facts: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]]) -> RunRow:
    known = {name: facts[name] for name in _FACTS}
    return RunRow(**known, status=RunStatus(facts["status"]), tags=values[TAGS], params=values[PARAMS], metrics=values[METRICS])


_COLUMNS: Mapping[str, Sequence[str]] = {
    "runs": (*_FACTS, "status"),
    "params": ("run_id", "key", "type", "text"),
    "metrics": ("run_id", "key", "rank", "last"),
    "tags": ("run_id", "key", "value"),
}


def _rows(
    connection: Connection, table: Table, ids: Sequence[str], *, keys: Sequence[str] | None, by: Any = None, ranked: bool = False
) -> list[Row[Any]]:
    """The rows of a table that belong to runs, only those of some keys where they are given."""
    found: list[Row[Any]] = []
    if keys is not None and not keys:
        return found
    for piece in pieces(ids):
        query = select(*(table.c[name] for name in _COLUMNS[table.name])).where((table.c.run_id if by is None else by).in_(piece))
        if by is None:
            query = query.order_by(table.c.key, *([table.c.rank] if ranked else []))
        if keys is not None:
            query = query.where(table.c.key.in_(keys))
        found += connection.execute(query).all()
    return found
