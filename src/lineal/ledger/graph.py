"""Writes the graph: activities, occurrences and the edges between them; and reads what is reachable in few queries.

Nobody draws the graph. Runs, imports, registrations and deployments add themselves with these functions, in the transaction of the change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from lineal.ledger.portable import insert_or_ignore, pieces
from lineal.ledger.schema import activities, edges, occurrences
from lineal.records.graph import GENERATED
from lineal.records.values import plain

NewId = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """A file or folder as an activity read or wrote it.

    Attributes:
        root, path: its location; the path as bytes.
        digest: content id, or None where it could not be digested.
        kind: ``file``, ``folder`` or ``model``.
        detail: further facts for people, such as ``note``, or a model's format and signature.
    """

    root: str
    path: bytes
    digest: str | None
    size: int = 0
    kind: str = "file"
    role: str = ""
    role_origin: str = "guessed"
    declared: bool = False
    restorable: bool = True
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The path for people."""
        return self.path.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode() or "."

    @property
    def edge_detail(self) -> dict[str, Any]:
        """What the edge keeps: how the activity came to know the file."""
        found = {"declared": self.declared, "role_origin": self.role_origin, "note": self.note, "restorable": self.restorable}
        return {key: value for key, value in found.items() if value != ""}


def add_activity(connection: Connection, *, id: str, project_id: str, kind: str, label: str, at: int) -> str:  # noqa: A002 - the column's name
    """Adds an activity (``run``, ``import``, ``registration``, ``deployment``) and returns its id. One that is there already stays."""
    insert_or_ignore(connection, activities, {"id": id, "project_id": project_id, "kind": kind, "label": label, "at": at})
    return id


def add_occurrence(
    connection: Connection,
    *,
    id: str,  # noqa: A002 - the column's name
    project_id: str,
    kind: str,
    label: str,
    digest: str | None,
    at: int,
    root: str = "project",
    path: bytes = b"",
    size: int = 0,
    restorable: bool = True,
    detail: Mapping[str, Any] | None = None,
) -> str:
    """Adds an occurrence (``file``, ``folder``, ``dataset``, ``source``, ``model``) and returns its id."""
    row = {
        "id": id,
        "project_id": project_id,
        "kind": kind,
        "label": label,
        "root": root,
        "path": path,
        "digest": digest,
        "size": size,
        "restorable": restorable,
        "at": at,
        "detail": json.dumps(plain(detail or {})),
    }
    connection.execute(insert(occurrences).values(row))
    return id


def add_edge(
    connection: Connection,
    *,
    project_id: str,
    source: str,
    target: str,
    relation: str,
    path: bytes = b"",
    root: str = "project",
    digest: str | None = None,
    size: int = 0,
    role: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Adds an edge; the same one again changes nothing.

    Args:
        relation: ``used`` (an activity to an occurrence) or ``wasGeneratedBy`` (an occurrence to an activity).
        path, root, digest, size: what the activity knew, where that is something inside the node or at another place.
    """
    row = {
        "project_id": project_id,
        "source": source,
        "target": target,
        "relation": relation,
        "path": path,
        "root": root,
        "digest": digest,
        "size": size,
        "role": role,
        "detail": json.dumps(plain(detail or {})),
    }
    insert_or_ignore(connection, edges, row)


def add_output(connection: Connection, *, project_id: str, activity: str, file: FileFact, at: int, new_id: NewId) -> str:
    """Adds what an activity generated: always a new occurrence, whatever its bytes. Returns its id."""
    identifier = add_occurrence(
        connection,
        id=new_id(),
        project_id=project_id,
        kind=file.kind,
        label=str(file.detail.get("name") or file.label),
        digest=file.digest,
        at=at,
        root=file.root,
        path=file.path,
        size=file.size,
        restorable=file.restorable,
        detail=file.detail,
    )
    add_edge(connection, project_id=project_id, source=identifier, target=activity, relation=GENERATED, role=file.role, detail=file.edge_detail)
    return identifier


def add_source(connection: Connection, *, project_id: str, file: FileFact, at: int, new_id: NewId) -> str:
    """Adds content that nothing recorded made: a ``source`` occurrence, brought in by an ``import`` activity. Returns the occurrence's id."""
    brought_in = add_activity(connection, id=new_id(), project_id=project_id, kind="import", label=f"import {file.label}", at=at)
    identifier = add_occurrence(
        connection,
        id=new_id(),
        project_id=project_id,
        kind="source",
        label=file.label,
        digest=file.digest,
        at=at,
        root=file.root,
        path=file.path,
        size=file.size,
        restorable=file.restorable,
        detail={**file.detail, "kind": file.kind},
    )
    add_edge(connection, project_id=project_id, source=identifier, target=brought_in, relation=GENERATED)
    return identifier


def mark_deleted(connection: Connection, ids: Iterable[str], at: int | None) -> None:
    """Marks nodes as deleted at a time, or as there again with None."""
    for piece in pieces(ids):
        connection.execute(update(activities).where(activities.c.id.in_(piece)).values(deleted_at=at))
        connection.execute(update(occurrences).where(occurrences.c.id.in_(piece)).values(deleted_at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Part of the graph as it lies in the tables.

    Attributes:
        truncated: whether a cap on depth or nodes cut it.
    """

    activities: Sequence[RowMapping]
    occurrences: Sequence[RowMapping]
    edges: Sequence[RowMapping]
    truncated: bool = False


UP = "up"
"""Towards the causes: from an edge's source to its target."""

DOWN = "down"
"""Towards the effects: from an edge's target to its source."""


def reachable(connection: Connection, *, project_id: str, ids: Iterable[str], direction: str, depth: int | None = None, limit: int = 5000) -> Rows:
    """Nodes reachable from ``ids`` (themselves included) and every edge among them, nearest first.

    One query per step outwards, whatever the number of nodes in it.
    """
    seen, truncated = _walk(connection, project_id, ids, direction, depth=depth, limit=limit)
    return rows_of(connection, project_id=project_id, ids=seen, truncated=truncated)


def reachable_ids(connection: Connection, *, project_id: str, ids: Iterable[str], direction: str) -> list[str]:
    """Ids of everything reachable from ``ids``, themselves included, nearest first, without a cap."""
    return list(_walk(connection, project_id, ids, direction, depth=None, limit=None)[0])


def _walk(
    connection: Connection, project_id: str, ids: Iterable[str], direction: str, *, depth: int | None, limit: int | None
) -> tuple[dict[str, None], bool]:
    seen: dict[str, None] = dict.fromkeys(ids)
    front, truncated, steps = list(seen), False, 0
    while front:
        found = sorted(_next(connection, project_id, front, direction) - seen.keys())
        if depth is not None and steps >= depth:
            return seen, truncated or bool(found)
        front = found if limit is None else found[: max(0, limit - len(seen))]
        truncated = truncated or len(front) < len(found)
        seen.update(dict.fromkeys(front))
        steps += 1
    return seen, truncated


def rows_of(connection: Connection, *, project_id: str, ids: Iterable[str], truncated: bool = False) -> Rows:
    """The nodes of those ids and every edge among them."""
    wanted = list(dict.fromkeys(ids))
    inside = set(wanted)
    found: tuple[list[RowMapping], list[RowMapping], list[RowMapping]] = ([], [], [])
    for piece in pieces(wanted):
        for place, table in enumerate((activities, occurrences)):
            found[place].extend(connection.execute(select(table).where(table.c.project_id == project_id, table.c.id.in_(piece))).mappings())
        leaving = connection.execute(select(edges).where(edges.c.project_id == project_id, edges.c.source.in_(piece))).mappings()
        found[2].extend(row for row in leaving if row["target"] in inside)
    return Rows(activities=found[0], occurrences=found[1], edges=found[2], truncated=truncated)


def newest(connection: Connection, *, project_id: str, limit: int = 2000) -> Rows:
    """The newest activities of a project with what they used and generated, about ``limit`` nodes."""
    query = (
        select(activities.c.id)
        .where(activities.c.project_id == project_id, activities.c.deleted_at.is_(None))
        .order_by(activities.c.at.desc(), activities.c.id)
        .limit(limit + 1)
    )
    seen: dict[str, None] = {}
    chosen = list(connection.execute(query).scalars())
    truncated = len(chosen) > limit
    for piece in pieces(chosen, size=100):
        if len(seen) >= limit:
            truncated = True
            break
        seen.update(dict.fromkeys(piece))
        seen.update(dict.fromkeys(sorted(_next(connection, project_id, piece, UP) | _next(connection, project_id, piece, DOWN))))
    return rows_of(connection, project_id=project_id, ids=list(seen)[:limit], truncated=truncated or len(seen) > limit)


def same_content(connection: Connection, *, project_id: str, digest: str) -> Sequence[RowMapping]:
    """Every occurrence of that content that is not deleted, newest first. It never makes anything fall."""
    query = select(occurrences).where(occurrences.c.project_id == project_id, occurrences.c.digest == digest, occurrences.c.deleted_at.is_(None))
    return connection.execute(query.order_by(occurrences.c.at.desc(), occurrences.c.id)).mappings().all()


def _next(connection: Connection, project_id: str, front: Sequence[str], direction: str) -> set[str]:
    here, there = (edges.c.source, edges.c.target) if direction == UP else (edges.c.target, edges.c.source)
    found: set[str] = set()
    for piece in pieces(front):
        found.update(connection.execute(select(there).where(here.in_(piece), edges.c.project_id == project_id)).scalars())
    return found
