"""Rows as nodes and edges of the graph: what a thing is called, how it is marked, and what it is tied to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, func, literal, select, union_all

from lineal.ledger import schema
from lineal.ledger.portable import pieces
from lineal.records.graph import Edge, Node
from lineal.records.location import HOME, PROJECT

EVERYTHING = 10_000_000
"""A cap that only keeps a mistake from taking all memory."""

RUN_REFERENCE_DIGITS = 12

_Direction = tuple[Column[str], Column[str]]
_FAILED = frozenset({"failed", "crashed"})


def load_nodes(connection: Connection, project_id: str, identifiers: Iterable[str]) -> dict[str, Node]:
    """The nodes of those ids that exist, deleted ones too, in the order given."""
    wanted = list(dict.fromkeys(identifiers))
    protected = protected_ids(connection, project_id)
    found: dict[str, Node] = {}
    for some in pieces(wanted):
        for node in _activity_nodes(connection, project_id, some):
            found[node.id] = node
        for node in _occurrence_nodes(connection, project_id, some):
            found[node.id] = node
    return {key: _guarded(found[key], protected) for key in wanted if key in found}


def protected_ids(connection: Connection, project_id: str) -> frozenset[str]:
    """Ids of everything that a production deployment stands on, stopped ones included, and those deployments themselves."""
    start = select(schema.deployments.c.id).where(
        schema.deployments.c.project_id == project_id, schema.deployments.c.trial.is_(False), schema.deployments.c.deleted_at.is_(None)
    )
    return frozenset(connection.execute(_closure(start, schema.edges.c.source, schema.edges.c.target)).scalars().all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Ids in the order of their distance, and whether a cap left some out."""

    ids: tuple[str, ...]
    truncated: bool


def reach_up(connection: Connection, start: Sequence[str], *, depth: int | None = None, limit: int = EVERYTHING) -> Reached:
    """What ``start`` stands on, itself included, over at most ``depth`` edges and ``limit`` nodes."""
    return _reach(connection, start, (schema.edges.c.source, schema.edges.c.target), depth=depth, limit=limit)


def reach_down(connection: Connection, start: Sequence[str], *, depth: int | None = None, limit: int = EVERYTHING) -> Reached:
    """What came of ``start``, itself included, over at most ``depth`` edges and ``limit`` nodes."""
    return _reach(connection, start, (schema.edges.c.target, schema.edges.c.source), depth=depth, limit=limit)


def edges_among(connection: Connection, identifiers: Iterable[str]) -> list[Edge]:
    """Every edge whose both ends are among the ids; several paths between the same two ends are several edges."""
    inside = set(identifiers)
    found: list[Edge] = []
    for some in pieces(sorted(inside)):
        rows = connection.execute(select(schema.edges).where(schema.edges.c.source.in_(some)))
        found.extend(_edge(row) for row in rows if row.target in inside)
    return sorted(found, key=lambda edge: (edge.source, edge.target, edge.relation, edge.path))


def newest_ids(connection: Connection, project_id: str, *, limit: int) -> list[str]:
    """Ids of the newest activities and occurrences that are not deleted, newest first."""
    parts = [
        select(table.c.id, table.c.at).where(table.c.project_id == project_id, table.c.deleted_at.is_(None))
        for table in (schema.activities, schema.occurrences)
    ]
    both = union_all(*parts).subquery()
    return list(connection.execute(select(both.c.id).order_by(both.c.at.desc(), both.c.id).limit(limit)).scalars())


def run_reference(run_id: str) -> str:
    """How a run is named on a command line."""
    return f"run:{run_id[:RUN_REFERENCE_DIGITS]}"


def occurrence_reference(identifier: str, root: str, path: bytes) -> str:
    """How a file's occurrence is named: its path with the beginning of its id; only the id where the path is no text."""
    text = _path_text(root, path)
    if text is None or root not in (PROJECT, HOME, "absolute"):
        return f"id:{identifier}"
    return f"path:{text}#{identifier[:RUN_REFERENCE_DIGITS]}"


def _reach(connection: Connection, start: Sequence[str], along: _Direction, *, depth: int | None, limit: int) -> Reached:
    first = union_all(*[select(literal(identifier).label("id")) for identifier in start]).subquery()
    if depth is None:
        found = list(connection.execute(_closure(select(first.c.id), *along).limit(limit + 1)).scalars())
        return Reached(ids=tuple(found[:limit]), truncated=len(found) > limit)
    rows = connection.execute(_closure_to(select(first.c.id), along, depth + 1).limit(limit + 1)).all()
    near = [row[0] for row in rows if row[1] <= depth]
    return Reached(ids=tuple(near[:limit]), truncated=len(rows) > len(near[:limit]))


def _closure(start: Select[Any], here: Column[str], there: Column[str]) -> Select[Any]:
    reached = start.cte("reached", recursive=True)
    reached = reached.union(select(there).join(reached, here == reached.c.id))
    return select(reached.c.id)


def _closure_to(start: Select[Any], along: _Direction, depth: int) -> Select[Any]:
    here, there = along
    reached = start.add_columns(literal(0).label("depth")).cte("reached", recursive=True)
    step: ColumnElement[int] = (reached.c.depth + 1).label("depth")
    reached = reached.union(select(there, step).join(reached, here == reached.c.id).where(reached.c.depth < depth))
    nearest = func.min(reached.c.depth)
    return select(reached.c.id, nearest).group_by(reached.c.id).order_by(nearest, reached.c.id)


def _activity_nodes(connection: Connection, project_id: str, identifiers: Sequence[str]) -> Iterator[Node]:
    runs = _by_id(connection, schema.runs, project_id, identifiers)
    deployments = _by_id(connection, schema.deployments, project_id, identifiers)
    corrections = _corrections(connection, identifiers)
    activities = _by_id(connection, schema.activities, project_id, identifiers)
    for identifier, row in activities.items():
        if identifier in runs:
            yield _run_node(runs[identifier], corrects=corrections.get(identifier, ""))
        elif identifier in deployments:
            yield _deployment_node(deployments[identifier])
        else:
            marks = _marks(deleted=row.deleted_at is not None)
            yield Node(id=row.id, kind=row.kind, label=row.label, reference=f"id:{row.id}", marks=marks, at=row.at)


def _run_node(row: Row[Any], *, corrects: str) -> Node:
    marks = _marks(
        mistake=bool(row.mistake),
        deleted=row.deleted_at is not None,
        failed=row.status in _FAILED,
        running=row.status == "running",
        correction=bool(corrects),
    )
    detail = {"name": row.name, "number": row.number, "status": row.status, "experiment": row.experiment, "mistake": row.mistake}
    label = f"{row.name} #{row.number}" if row.name else f"run #{row.number}"
    if corrects:
        detail["corrects"] = corrects
    return Node(id=row.id, kind="run", label=label, reference=run_reference(row.id), marks=marks, detail=detail, at=row.started_at)


def _deployment_node(row: Row[Any]) -> Node:
    serving = row.stopped_at is None
    marks = _marks(trial=row.trial, deployed=serving and not row.trial, running=serving, deleted=row.deleted_at is not None)
    detail = {
        "name": row.name,
        "model": row.model,
        "model_occurrence": row.model_occurrence,
        "target": row.target,
        "url": row.url,
        "status": "serving" if serving else "stopped",
        "stopped_at": row.stopped_at,
    }
    label = f"{row.name} (trial)" if row.trial else row.name
    return Node(id=row.id, kind="deployment", label=label, reference=f"deployment:{row.id}", marks=marks, detail=detail, at=row.started_at)


def _occurrence_nodes(connection: Connection, project_id: str, identifiers: Sequence[str]) -> Iterator[Node]:
    models = _by_occurrence(connection, schema.model_versions, project_id, identifiers)
    datasets = _by_occurrence(connection, schema.dataset_versions, project_id, identifiers)
    served = _served(connection, project_id, identifiers)
    for row in _by_id(connection, schema.occurrences, project_id, identifiers).values():
        if row.id in models:
            yield _model_node(row, models[row.id], served=row.id in served)
        elif row.id in datasets:
            yield _dataset_node(row, datasets[row.id])
        else:
            yield _file_node(row)


def _file_node(row: Row[Any]) -> Node:
    reference = occurrence_reference(row.id, row.root, row.path)
    marks = _marks(deleted=row.deleted_at is not None)
    return Node(id=row.id, kind=row.kind, label=row.label, reference=reference, marks=marks, detail=_content_facts(row), at=row.at)


def _dataset_node(row: Row[Any], version: Row[Any]) -> Node:
    body = json.loads(version.body)
    name = f"{version.name}@{version.number}" if version.number else f"{version.name}@~{version.commit.partition(':')[2][:4]}"
    facts = {"name": version.name, "number": version.number, "commit": version.commit}
    facts |= {key: body[key] for key in ("files", "source", "message") if body.get(key)}
    marks = _marks(deleted=row.deleted_at is not None or version.deleted_at is not None)
    return Node(id=row.id, kind="dataset", label=name, reference=f"data:{name}", marks=marks, detail={**_content_facts(row), **facts}, at=row.at)


def _model_node(row: Row[Any], version: Row[Any], *, served: bool) -> Node:
    name = f"{version.name}@{version.number}"
    facts = {"name": version.name, "number": version.number, "run": version.run_id, "ever_deployed": version.ever_deployed}
    marks = _marks(deployed=served, deleted=row.deleted_at is not None or version.deleted_at is not None)
    return Node(id=row.id, kind="model", label=name, reference=f"model:{name}", marks=marks, detail={**_content_facts(row), **facts}, at=row.at)


def _content_facts(row: Row[Any]) -> dict[str, Any]:
    facts = {**json.loads(row.detail or "{}"), "digest": row.digest, "size": row.size, "restorable": row.restorable, "root": row.root}
    facts["path"] = os.fsdecode(row.path).encode("utf-8", "replace").decode()
    return facts


def _path_text(root: str, path: bytes) -> str | None:
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return None
    return f"~/{text}" if root == HOME else text


def _marks(**named: bool) -> frozenset[str]:
    return frozenset(name for name, there in named.items() if there)


def _guarded(node: Node, protected: frozenset[str]) -> Node:
    if node.id not in protected:
        return node
    return Node(
        id=node.id,
        kind=node.kind,
        label=node.label,
        reference=node.reference,
        marks=node.marks | {"protected"},
        detail=node.detail,
        at=node.at,
    )


def _corrections(connection: Connection, identifiers: Sequence[str]) -> dict[str, str]:
    tags = schema.tags.c
    query = select(tags.run_id, tags.value).where(tags.run_id.in_(identifiers), tags.key == "corrects")
    return {row.run_id: row.value for row in connection.execute(query)}


def _served(connection: Connection, project_id: str, identifiers: Sequence[str]) -> frozenset[str]:
    columns = schema.deployments.c
    query = select(columns.model_occurrence).where(
        columns.project_id == project_id, columns.model_occurrence.in_(identifiers), columns.stopped_at.is_(None), columns.trial.is_(False)
    )
    return frozenset(connection.execute(query).scalars())


def _by_id(connection: Connection, table: Any, project_id: str, identifiers: Sequence[str]) -> dict[str, Row[Any]]:
    query = select(table).where(table.c.project_id == project_id, table.c.id.in_(identifiers))
    return {row.id: row for row in connection.execute(query)}


def _by_occurrence(connection: Connection, table: Any, project_id: str, identifiers: Sequence[str]) -> dict[str, Row[Any]]:
    query = select(table).where(table.c.project_id == project_id, table.c.occurrence.in_(identifiers))
    return {row.occurrence: row for row in connection.execute(query)}


def _edge(row: Row[Any]) -> Edge:
    path = os.fsdecode(row.path).encode("utf-8", "replace").decode()
    return Edge(source=row.source, target=row.target, relation=row.relation, role=row.role, path=path)
