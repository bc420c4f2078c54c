"""Every change of state inserts an event in its own transaction: who, when, what, and a salted digest of the payload."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from lineal.ledger.schema import events
from lineal.records.values import plain


def record_event(connection: Connection, *, project_id: str, at: int, actor: str, action: str, subject: str, payload: Mapping[str, Any]) -> None:
    """Inserts an event into the caller's transaction.

    Args:
        at: microseconds UTC.
        action: the noun and what happened to it, such as ``run.deleted``.
        subject: a reference, such as ``run:3f2a…``.
        payload: small facts; no secrets, no content.
    """
    text = json.dumps(plain(payload), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    salt = secrets.token_hex(16)
    digest = "sha256:" + hashlib.sha256(f"{salt}{text}".encode()).hexdigest()
    connection.execute(
        insert(events).values(
            project_id=project_id,
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            payload=text,
            salt=salt,
            digest=digest,
        )
    )


def list_events(
    connection: Connection, *, project_id: str, subject: str = "", limit: int = 200, before: int | None = None
) -> list[Mapping[str, Any]]:
    """Events, newest first; ``before`` is the sequence to page from."""
    query = select(events).where(events.c.project_id == project_id).order_by(events.c.sequence.desc()).limit(limit)
    if subject:
        query = query.where(events.c.subject == subject)
    if before is not None:
        query = query.where(events.c.sequence < before)
    return [dict(row) for row in connection.execute(query).mappings()]
