"""The names of parameters, metrics and tags that a project's runs have, read by leaping along an index from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table, func, select

from lineal.ledger.schema import metrics, params, tags
from lineal.records.filter import METRICS, PARAMS, TAGS

MOST = 500


def known_keys(connection: Connection, project_id: str, *, limit: int = MOST) -> Mapping[str, Sequence[str]]:
    """Names by section, in the database's order, at most ``limit`` of each."""
    return {section: _keys(connection, table, project_id, limit) for section, table in ((METRICS, metrics), (PARAMS, params), (TAGS, tags))}


def _keys(connection: Connection, table: Table, project_id: str, limit: int) -> Sequence[str]:
    first = select(func.min(table.c.key).label("key")).where(table.c.project_id == project_id)
    leap = first.cte(recursive=True)
    following = select(func.min(table.c.key)).where(table.c.project_id == project_id, table.c.key > leap.c.key).correlate(leap).scalar_subquery()
    leap = leap.union_all(select(following).where(leap.c.key.is_not(None)))
    return list(connection.execute(select(leap.c.key).where(leap.c.key.is_not(None)).limit(limit)).scalars())
