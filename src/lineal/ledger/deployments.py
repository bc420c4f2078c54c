"""Deployments: one row per service that was ever started for good, stopped ones included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from lineal.ledger.schema import deployments
from lineal.records.deployment import Deployment, DeploymentStatus


def add_deployment(connection: Connection, project_id: str, deployment: Deployment) -> None:
    """Inserts a deployment."""
    body = {"handle": dict(deployment.handle), "skip_drift": list(deployment.skip_drift), "author": deployment.author, "detail": deployment.detail}
    connection.execute(
        insert(deployments).values(
            id=deployment.id,
            project_id=project_id,
            name=deployment.name,
            model=deployment.model,
            model_occurrence=deployment.model_occurrence,
            target=deployment.target,
            url=deployment.url,
            trial=deployment.trial,
            started_at=deployment.started_at,
            stopped_at=deployment.stopped_at,
            body=json.dumps(body),
        )
    )


def mark_stopped(connection: Connection, project_id: str, identifier: str, at: int) -> bool:
    """Notes when a deployment stopped; whether it had not stopped before."""
    here = (deployments.c.project_id == project_id, deployments.c.id == identifier, deployments.c.stopped_at.is_(None))
    return bool(connection.execute(update(deployments).where(*here).values(stopped_at=at)).rowcount)


def list_deployments(connection: Connection, project_id: str, name: str = "") -> list[Deployment]:
    """Deployments that are not deleted, oldest first. ``status`` is what the ledger knows: ``starting`` or ``stopped``."""
    query = select(deployments).where(deployments.c.project_id == project_id, deployments.c.deleted_at.is_(None))
    if name:
        query = query.where(deployments.c.name == name)
    return [_deployment(row) for row in connection.execute(query.order_by(deployments.c.started_at, deployments.c.id)).mappings()]


def load_deployment(connection: Connection, project_id: str, identifier: str) -> Deployment | None:
    """The deployment of that id, a deleted one too."""
    query = select(deployments).where(deployments.c.project_id == project_id, deployments.c.id == identifier)
    row = connection.execute(query).mappings().first()
    return None if row is None else _deployment(row)


def _deployment(row: RowMapping) -> Deployment:
    body: Mapping[str, Any] = json.loads(row["body"])
    return Deployment(
        id=row["id"],
        name=row["name"],
        model=row["model"],
        model_occurrence=row["model_occurrence"],
        target=row["target"],
        url=row["url"],
        status=DeploymentStatus.STARTING if row["stopped_at"] is None else DeploymentStatus.STOPPED,
        trial=row["trial"],
        started_at=row["started_at"],
        stopped_at=row["stopped_at"],
        skip_drift=tuple(body.get("skip_drift", ())),
        handle=body.get("handle", {}),
        occurrence=row["id"],
        author=body.get("author", ""),
        detail=body.get("detail", ""),
    )
