"""Ids of the things that a name, a number, a prefix, a path or a digest fits."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, cast, select

from lineal.ledger import schema
from lineal.records.dataset import MAIN
from lineal.records.digest import Digest
from lineal.records.ids import RUN_PREFIX
from lineal.records.location import Location, locate

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_VERSION = re.compile(r"(?P<name>.+?)@(?P<which>.+)\Z", re.DOTALL)
_COMMIT = re.compile(r"~?(blake3:)?(?P<hex>[0-9a-f]{4,64})\Z")
_CONTENT = re.compile(r"(blake3|sha256|md5):[0-9a-f]+\Z")
_MOST = 50
_LONGEST_NUMBER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Where to look.

    Attributes:
        root: the project's folder on this machine.
        tip: the newest commit of a dataset's line, by the names of both; None where there is none, or nobody who knows.
    """

    connection: Connection
    project_id: str
    root: Path
    tip: Callable[[str, str], str | None] = lambda _name, _line: None

    def ids(self, table: Any, column: ColumnElement[str], *conditions: ColumnElement[bool]) -> list[str]:
        """The column of up to 50 rows of this project that meet the conditions; living ones hide deleted ones."""
        query = select(column, table.c.deleted_at).where(table.c.project_id == self.project_id, *conditions).limit(_MOST)
        rows = self.connection.execute(query).all()
        alive = [row[0] for row in rows if row[1] is None]
        return alive or [row[0] for row in rows]


def _number(digits: str) -> int:
    """A number that a column can hold; one that is too large for any is that of nothing."""
    return int(digits) if len(digits) < _LONGEST_NUMBER else -1


def run_ids(query: Query, text: str) -> list[str]:
    """Runs by number (``#7``), by id or a prefix of at least 4 digits of it, and by name."""
    columns = schema.runs.c
    if text.startswith("#") and text[1:].isdecimal():
        return query.ids(schema.runs, columns.id, columns.number == _number(text[1:]))
    found = query.ids(schema.runs, columns.id, columns.name == text)
    if RUN_PREFIX.match(text):
        found += query.ids(schema.runs, columns.id, columns.id >= text, columns.id < text + "g")  # a range, because LIKE would read every run
    return found


def dataset_occurrences(query: Query, text: str) -> list[str]:
    """Dataset versions: ``name`` is the main line's latest, ``name@2`` that number, ``name@cleaning`` a branch's, ``name@~3f2a`` that commit."""
    columns = schema.dataset_versions.c
    match = _VERSION.match(text)
    if match and match["which"].isdecimal():
        return query.ids(schema.dataset_versions, columns.occurrence, columns.name == match["name"], columns.number == _number(match["which"]))
    if match and (commit := _COMMIT.match(match["which"])):
        condition = columns.commit.startswith(f"blake3:{commit['hex']}", autoescape=True)
        return query.ids(schema.dataset_versions, columns.occurrence, columns.name == match["name"], condition)
    which = match["which"] if match else "latest"
    return _on_line(query, match["name"] if match else text, MAIN if which == "latest" else which)


def model_occurrences(query: Query, text: str) -> list[str]:
    """Model versions: ``name`` is the latest, ``name@2`` that number, ``name@champion`` what the alias points to."""
    columns = schema.model_versions.c
    match = _VERSION.match(text)
    if not match or match["which"] == "latest":
        return _latest(query, schema.model_versions, "latest", match["name"] if match else text)
    name, which = match["name"], match["which"]
    if which.isdecimal():
        return query.ids(schema.model_versions, columns.occurrence, columns.name == name, columns.number == _number(which))
    aliases = schema.model_aliases.c
    number = select(aliases.number).where(aliases.project_id == query.project_id, aliases.name == name, aliases.alias == which)
    return query.ids(schema.model_versions, columns.occurrence, columns.name == name, columns.number.in_(number))


def deployment_ids(query: Query, text: str) -> list[str]:
    """Deployments by id, or by name: the one that serves, else the latest."""
    columns = schema.deployments.c
    by_id = query.ids(schema.deployments, columns.id, columns.id == text)
    if by_id:
        return by_id
    named = select(columns.id).where(columns.project_id == query.project_id, columns.name == text)
    order = (columns.deleted_at.isnot(None), columns.stopped_at.isnot(None), columns.started_at.desc())
    row = query.connection.execute(named.order_by(*order).limit(1)).first()
    return [row.id] if row else []


def path_occurrences(query: Query, text: str) -> list[str]:
    """The latest occurrence at a path, ``path#id`` for a certain one, or of a digest; else the node a run found the path in."""
    if _CONTENT.match(text):
        return _latest_occurrence(query, schema.occurrences.c.digest == text)
    exact = _at_location(query, _location(query, text))
    if exact:
        return exact
    path, mark, prefix = text.rpartition("#")
    if mark and RUN_PREFIX.match(prefix):
        where = _location(query, path)
        columns = schema.occurrences.c
        found = query.ids(schema.occurrences, columns.id, _here(columns, where), cast(columns.id, String).startswith(prefix, autoescape=True))
        if found:
            return found
    return _through_edges(query, _location(query, text))


def node_ids(_query: Query, text: str) -> list[str]:
    """The node of exactly that id."""
    return [text]


def holders(query: Query, text: str) -> Iterator[tuple[Digest, str, bytes]]:
    """Datasets whose folder a path lies below, newest first: the tree's root, the occurrence, and the path inside."""
    where = _location(query, text)
    columns, versions = schema.occurrences.c, schema.dataset_versions.c
    joined = schema.occurrences.join(schema.dataset_versions, versions.occurrence == columns.id)
    newest = select(columns.id, columns.root, columns.path, columns.digest).select_from(joined)
    alive = (columns.project_id == query.project_id, columns.deleted_at.is_(None), columns.root == where.root)
    for row in query.connection.execute(newest.where(*alive).order_by(columns.at.desc())):
        folder = Location(root=row.root, path=row.path)
        if where.path != row.path and where.within(folder):
            yield Digest(row.digest), row.id, where.path[len(row.path) :].lstrip(b"/")


def all_deployments(connection: Connection, project_id: str) -> Sequence[Row[Any]]:
    """Every deployment's row, newest first, stopped ones too."""
    columns = schema.deployments.c
    return connection.execute(select(schema.deployments).where(columns.project_id == project_id).order_by(columns.started_at.desc())).all()


def known_names(connection: Connection, project_id: str) -> list[tuple[str, str]]:
    """Kind and name of everything that has a name and is not deleted, for suggestions."""
    tables = {
        "run": schema.runs,
        "data": schema.dataset_versions,
        "model": schema.model_versions,
        "deployment": schema.deployments,
    }
    found: list[tuple[str, str]] = []
    for kind, table in tables.items():
        query = select(table.c.name).distinct().where(table.c.project_id == project_id, table.c.deleted_at.is_(None)).limit(1000)
        found.extend((kind, name) for name in connection.execute(query).scalars() if name)
    paths = (
        select(schema.occurrences.c.path)
        .distinct()
        .where(
            schema.occurrences.c.project_id == project_id,
            schema.occurrences.c.deleted_at.is_(None),
            schema.occurrences.c.kind.in_(("file", "folder")),
        )
    )
    found.extend(("path", path.decode("utf-8", "replace")) for path in connection.execute(paths.limit(2000)).scalars())
    return found


def _on_line(query: Query, name: str, line: str) -> list[str]:
    """The newest version of a dataset's line that is not deleted; where only deleted ones are, the newest."""
    columns = schema.dataset_versions.c
    here = (columns.project_id == query.project_id, columns.name == name)
    is_dataset = select(schema.datasets.c.name).where(schema.datasets.c.project_id == query.project_id, schema.datasets.c.name == name)
    tip = query.tip(name, line) if query.connection.execute(is_dataset).first() else None
    if tip is None:
        return _latest(query, schema.dataset_versions, "latest" if line == MAIN else line, name)
    at_tip = select(columns.occurrence).where(*here, columns.commit == tip, columns.deleted_at.is_(None))
    if found := query.connection.execute(at_tip).scalars().first():
        return [found]
    rows = {row.commit: row for row in query.connection.execute(select(schema.dataset_versions).where(*here))}
    newest = rows.get(tip)
    row = newest
    while row is not None and row.deleted_at is not None:
        parents = json.loads(row.body).get("parents") or [""]
        row = rows.get(parents[0])
    chosen = row or newest
    return [] if chosen is None else [chosen.occurrence]


def _latest(query: Query, table: Any, which: str, name: str) -> list[str]:
    if which != "latest":
        return []
    condition = (table.c.project_id == query.project_id, table.c.name == name)
    order = (table.c.deleted_at.isnot(None), table.c.created_at.desc(), table.c.number.desc())
    row = query.connection.execute(select(table.c.occurrence).where(*condition).order_by(*order).limit(1)).first()
    return [row.occurrence] if row else []


def _latest_occurrence(query: Query, *conditions: ColumnElement[bool]) -> list[str]:
    columns = schema.occurrences.c
    found = select(columns.id).where(columns.project_id == query.project_id, *conditions)
    row = query.connection.execute(found.order_by(columns.deleted_at.isnot(None), columns.at.desc(), columns.id).limit(1)).first()
    return [row.id] if row else []


def _at_location(query: Query, where: Location) -> list[str]:
    return _latest_occurrence(query, _here(schema.occurrences.c, where), schema.occurrences.c.kind != "model")


def _here(columns: Any, where: Location) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = (columns.root == where.root) & (columns.path == where.path)
    return condition


def _through_edges(query: Query, where: Location) -> list[str]:
    """The newest occurrence, such as a dataset version, inside which a run used a file of that path."""
    edges, occurrences = schema.edges, schema.occurrences
    joined = edges.join(occurrences, occurrences.c.id == edges.c.target)
    found = select(occurrences.c.id).select_from(joined).where(edges.c.project_id == query.project_id, _here(edges.c, where))
    row = query.connection.execute(found.order_by(occurrences.c.deleted_at.isnot(None), occurrences.c.at.desc()).limit(1)).first()
    return [row.id] if row else []


def _location(query: Query, text: str) -> Location:
    root = os.fsencode(query.root)
    home = os.fsencode(os.path.expanduser("~"))
    path = os.fsencode(text)
    if path.startswith(b"~/"):
        return Location(root="home", path=os.path.normpath(path[2:]))
    return locate(os.path.normpath(os.path.join(root, path)), project=root, home=home)
