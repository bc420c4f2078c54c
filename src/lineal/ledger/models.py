"""Model versions and aliases. Numbers count up per name and are never given twice, deleted ones included."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from lineal.ledger.schema import model_aliases, model_versions
from lineal.records.digest import Digest
from lineal.records.model import ModelVersion, Signature

_IN_BODY = ("path", "size", "format", "author", "note")


def next_number(connection: Connection, project_id: str, name: str) -> int:
    """The number that a new version of ``name`` gets."""
    query = select(func.max(model_versions.c.number)).where(model_versions.c.project_id == project_id, model_versions.c.name == name)
    return int(connection.execute(query).scalar() or 0) + 1


def add_version(connection: Connection, project_id: str, version: ModelVersion) -> None:
    """Inserts a version."""
    body: dict[str, Any] = {key: getattr(version, key) for key in _IN_BODY}
    body["signature"] = msgspec.to_builtins(version.signature)
    body["metrics"] = {key: repr(float(value)) for key, value in version.metrics.items()}  # JSON has no NaN
    body["profile"] = version.profile
    connection.execute(
        insert(model_versions).values(
            project_id=project_id,
            name=version.name,
            number=version.number,
            run_id=version.run,
            digest=version.digest,
            occurrence=version.occurrence,
            body=json.dumps(body),
            created_at=version.created_at,
            ever_deployed=version.ever_deployed,
        )
    )


def list_versions(connection: Connection, project_id: str, name: str = "") -> list[ModelVersion]:
    """Versions that are not deleted, by name and number."""
    query = select(model_versions).where(model_versions.c.project_id == project_id, model_versions.c.deleted_at.is_(None))
    if name:
        query = query.where(model_versions.c.name == name)
    known = _aliases(connection, project_id)
    rows = connection.execute(query.order_by(model_versions.c.name, model_versions.c.number)).mappings()
    return [_version(row, known) for row in rows]


def version_of(connection: Connection, project_id: str, occurrence: str) -> ModelVersion | None:
    """The version whose node in the graph that is, a deleted one too."""
    query = select(model_versions).where(model_versions.c.project_id == project_id, model_versions.c.occurrence == occurrence)
    row = connection.execute(query).mappings().first()
    return None if row is None else _version(row, _aliases(connection, project_id))


def set_alias(connection: Connection, project_id: str, *, name: str, alias: str, number: int) -> None:
    """Points the alias at that version, wherever it pointed before."""
    remove_alias(connection, project_id, name=name, alias=alias)
    connection.execute(insert(model_aliases).values(project_id=project_id, name=name, alias=alias, number=number))


def remove_alias(connection: Connection, project_id: str, *, name: str, alias: str) -> bool:
    """Takes the alias away; whether it was there."""
    here = (model_aliases.c.project_id == project_id, model_aliases.c.name == name, model_aliases.c.alias == alias)
    return bool(connection.execute(delete(model_aliases).where(*here)).rowcount)


def mark_deployed(connection: Connection, project_id: str, occurrence: str) -> None:
    """Notes that the version was in production once; nothing takes that back."""
    here = (model_versions.c.project_id == project_id, model_versions.c.occurrence == occurrence)
    connection.execute(update(model_versions).where(*here).values(ever_deployed=True))


def _aliases(connection: Connection, project_id: str) -> Mapping[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    query = select(model_aliases).where(model_aliases.c.project_id == project_id).order_by(model_aliases.c.alias)
    for row in connection.execute(query):
        key = (row.name, row.number)
        found[key] = (*found.get(key, ()), row.alias)
    return found


def _version(row: RowMapping, aliases: Mapping[tuple[str, int], tuple[str, ...]]) -> ModelVersion:
    body = json.loads(row["body"])
    version = ModelVersion(
        name=row["name"],
        number=row["number"],
        run=row["run_id"],
        path=body["path"],
        digest=Digest(row["digest"]),
        size=body["size"],
        format=body["format"],
        signature=msgspec.convert(body["signature"], Signature),
        aliases=aliases.get((row["name"], row["number"]), ()),
        metrics={key: float(value) for key, value in body["metrics"].items()},
        profile=None if body["profile"] is None else Digest(body["profile"]),
        author=body["author"],
        note=body["note"],
    )
    return dataclasses.replace(
        version,
        created_at=row["created_at"],
        occurrence=row["occurrence"],
        ever_deployed=row["ever_deployed"],
        deleted_at=row["deleted_at"],
    )
