"""Writes the graph: activities, occurrences and the edges between them. `lineal.ledger.nodes` reads it.

Nobody draws the graph. Runs, imports, registrations and deployments add themselves with these functions, in the transaction of the change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, update

from lineal.ledger.portable import insert_or_ignore, pieces
from lineal.ledger.schema import activities, dataset_versions, deployments, edges, model_versions, occurrences, runs
from lineal.records.graph import GENERATED
from lineal.records.tracked import SourceFacts
from lineal.records.values import plain

NewId = Callable[[], str]

_MARKED = (activities.c.id, occurrences.c.id, runs.c.id, deployments.c.id, dataset_versions.c.occurrence, model_versions.c.occurrence)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """A file or folder as an activity read or wrote it.

    Attributes:
        root, path: its location; the path as bytes.
        digest: content id, or None where it could not be digested.
        kind: ``file``, ``folder`` or ``model``.
        detail: further facts for people, such as ``note``, or a model's format and signature.
        facts: what is known of the bytes where they were not digested here.
        told: what the edge keeps besides, for people.
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
    facts: SourceFacts | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The path for people."""
        return self.path.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode() or "."

    @property
    def title(self) -> str:
        """What it is called where it has a name besides its path."""
        return str(self.detail.get("name") or self.label)

    @property
    def edge_detail(self) -> dict[str, Any]:
        """What the edge keeps: how the activity came to know the file."""
        found = {"declared": self.declared, "role_origin": self.role_origin, "note": self.note, "restorable": self.restorable, "told": self.told}
        return {key: value for key, value in found.items() if value not in ("", {})}


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
    brought_in = add_activity(connection, id=new_id(), project_id=project_id, kind="import", label=f"import {file.title}", at=at)
    identifier = add_occurrence(
        connection,
        id=new_id(),
        project_id=project_id,
        kind="source",
        label=file.title,
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
    """Marks nodes, and the rows that say more of them, as deleted at a time; or as there again with None."""
    for piece in pieces(ids):
        for key in _MARKED:
            connection.execute(update(key.table).where(key.in_(piece)).values(deleted_at=at))
