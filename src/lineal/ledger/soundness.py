"""Whether the ledger is whole: the database itself, and what its rows say of one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, exists, func, or_, select, union_all

from lineal.ledger import schema
from lineal.records.digest import Digest

_SHOWN = 50

_CONTENTS: tuple[tuple[str, Column[Any], Column[Any]], ...] = (
    ("the log of run", schema.runs.c.id, schema.runs.c.log),
    ("dataset version", schema.dataset_versions.c.name, schema.dataset_versions.c.digest),
    ("the commit of dataset", schema.dataset_versions.c.name, schema.dataset_versions.c.commit),
    ("model version", schema.model_versions.c.name, schema.model_versions.c.digest),
)


def database_damage(connection: Connection) -> Iterator[str]:
    """What the database finds wrong with itself; PostgreSQL watches over its own pages."""
    if connection.dialect.name != "sqlite":
        return
    for (text,) in connection.exec_driver_sql("PRAGMA integrity_check").all():
        if text != "ok":
            yield f"the database is damaged: {text}"
    for table, rowid, parent, _key in connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        yield f"row {rowid} of {table} belongs to a row of {parent} that is not there"


def dangling_edges(connection: Connection, project_id: str) -> Iterator[str]:
    """Edges that lead to or from nothing."""
    edges = schema.edges.c
    for end in (edges.source, edges.target):
        missing = [
            ~exists().where(schema.activities.c.id == end),
            ~exists().where(schema.occurrences.c.id == end),
        ]
        query = select(edges.source, edges.target, edges.relation).where(edges.project_id == project_id, *missing).limit(_SHOWN)
        for source, target, relation in connection.execute(query):
            yield f"the edge {source} {relation} {target} leads to nothing"


def orphaned_versions(connection: Connection, project_id: str) -> Iterator[str]:
    """Dataset and model versions whose node is gone, and runs that are not in the graph."""
    for table in (schema.dataset_versions, schema.model_versions):
        query = select(table.c.name, table.c.number).where(
            table.c.project_id == project_id, ~exists().where(schema.occurrences.c.id == table.c.occurrence)
        )
        for name, number in connection.execute(query.limit(_SHOWN)):
            yield f"{name}@{number} has no node in the graph"
    runs = select(schema.runs.c.id).where(schema.runs.c.project_id == project_id, ~exists().where(schema.activities.c.id == schema.runs.c.id))
    for identifier in connection.execute(runs.limit(_SHOWN)).scalars():
        yield f"run {identifier} has no node in the graph"


def contents_named(connection: Connection, project_id: str, *, expired_before: int) -> Iterator[tuple[str, Digest]]:
    """What the ledger says the store has: what it is, and its digest. What was deleted before then need not be there any more."""
    occurrences = schema.occurrences.c
    kept = select(occurrences.label, occurrences.digest).where(
        occurrences.project_id == project_id,
        occurrences.restorable.is_(True),
        occurrences.digest.startswith("blake3:"),
        occurrences.kind.in_(("file", "folder", "model")),
        _kept(schema.occurrences, expired_before),
    )
    for label, digest in connection.execute(kept):
        yield str(label), Digest(digest)
    for what, name, column in _CONTENTS:
        query = select(name, column).where(name.table.c.project_id == project_id, column.isnot(None), _kept(name.table, expired_before))
        for label, digest in connection.execute(query):
            yield f"{what} {label}", Digest(digest)


def absent_contents(connection: Connection, project_id: str, contains: Callable[[Digest], bool], *, expired_before: int) -> Iterator[str]:
    """Contents that the ledger says the store has and that it has not; each digest once."""
    seen: set[Digest] = set()
    for label, digest in contents_named(connection, project_id, expired_before=expired_before):
        if digest not in seen and not contains(digest):
            yield f"{label} should be in the store and is not: {digest}"
        seen.add(digest)


def _kept(table: FromClause, expired_before: int) -> ColumnElement[bool]:
    return or_(table.c.deleted_at.is_(None), table.c.deleted_at >= expired_before)


def count_rows(connection: Connection, project_id: str) -> int:
    """How many nodes and edges there are."""
    parts = [select(table.c.project_id).where(table.c.project_id == project_id) for table in (schema.activities, schema.occurrences, schema.edges)]
    everything = union_all(*parts).subquery()
    return int(connection.execute(select(func.count()).select_from(everything)).scalar_one())
