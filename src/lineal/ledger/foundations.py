"""What the ledger stands on: every content that any of its rows names, whatever the row is about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, LargeBinary, String, Table, and_, cast, exists, or_, select

from lineal.ledger import schema
from lineal.records.digest import Digest
from lineal.records.location import Location

DIGEST = re.compile(r"blake3:[0-9a-f]{64}")

_HISTORY = frozenset({"events", "deletions", "meta", "leases", "metric_blocks"})
"""Tables that tell of what was, or cannot name contents."""
_PAGE = 10_000


def contents_stood_on(connection: Connection, *, expired_before: int) -> Iterator[Digest]:
    """Every content named in any text of any row, of all projects of the ledger, in no order and perhaps more than once.

    So a column that is added tomorrow is kept as well. Rows that were deleted before ``expired_before`` (microseconds UTC) are left out.
    """
    for table in schema.metadata.sorted_tables:
        if table.name not in _HISTORY:
            yield from _named_in(connection, table, expired_before)


def expired_versions(connection: Connection, project_id: str, *, expired_before: int) -> dict[Digest, str]:
    """Dataset versions of a project that were deleted before then: their references, by commit."""
    columns = schema.dataset_versions.c
    query = select(columns.commit, columns.name, columns.number).where(columns.project_id == project_id, columns.deleted_at < expired_before)
    return {Digest(commit): f"{name}@{number}" for commit, name, number in connection.execute(query)}


def version_names(connection: Connection, project_id: str) -> dict[Digest, str]:
    """What people call each commit of a project's datasets, such as ``flights@3``."""
    columns = schema.dataset_versions.c
    query = select(columns.commit, columns.name, columns.number).where(columns.project_id == project_id)
    return {Digest(commit): f"{name}@{number}" for commit, name, number in connection.execute(query)}


def dataset_places(connection: Connection, project_id: str) -> dict[str, Location]:
    """Where each of a project's datasets lies, by its name."""
    columns = schema.datasets.c
    query = select(columns.name, columns.root, columns.path).where(columns.project_id == project_id)
    return {name: Location(root=root, path=bytes(path)) for name, root, path in connection.execute(query)}


def _named_in(connection: Connection, table: Table, expired_before: int) -> Iterator[Digest]:
    texts = [column for column in table.c if isinstance(column.type, String) and not isinstance(column.type, LargeBinary)]
    if not texts:
        return
    naming = or_(*(cast(column, String).contains("blake3:") for column in texts))
    query = select(*texts).where(naming, *_alive(table, expired_before)).execution_options(yield_per=_PAGE)
    for row in connection.execute(query):
        for text in row:
            if text:
                yield from map(Digest, DIGEST.findall(text))


def _alive(table: Table, expired_before: int) -> Iterator[ColumnElement[bool]]:
    """Conditions that leave out what was deleted long ago; an edge goes with the node it begins at."""
    if "deleted_at" in table.c:
        yield or_(table.c.deleted_at.is_(None), table.c.deleted_at >= expired_before)
    if table.name == "edges":
        for nodes in (schema.activities, schema.occurrences):
            yield ~exists().where(and_(nodes.c.id == table.c.source, nodes.c.deleted_at < expired_before))
    if table.name == "occurrences":
        yield or_(table.c.kind != "source", _used_by_more_than_imports(expired_before))


def _used_by_more_than_imports(expired_before: int) -> ColumnElement[bool]:
    """Where data was brought in from says what was there then; that the version holds, and no longer than the version."""
    edges, activities = schema.edges.c, schema.activities.c
    alive = or_(activities.deleted_at.is_(None), activities.deleted_at >= expired_before)
    return exists().where(and_(edges.target == schema.occurrences.c.id, activities.id == edges.source, activities.kind != "import", alive))
