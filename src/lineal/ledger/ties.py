"""Which occurrence a file was that an activity read.

The latest whose recorded path and content match, where a dataset version and a folded folder count for every path in them; else the latest with
that content anywhere; else a new source. What the activity made itself, or what stands on it, never counts: the graph has no cycle.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from lineal.ledger.graph import EntryAt, FileFact, NewId, add_edge, add_source
from lineal.ledger.schema import occurrences
from lineal.records.graph import USED


def tie_inputs(
    connection: Connection, *, project_id: str, activity: str, files: Sequence[FileFact], at: int, new_id: NewId, entry_at: EntryAt
) -> list[str]:
    """Ties every file to its occurrence; the occurrences' ids, in the files' order."""
    found = []
    for file in files:
        query = select(occurrences.c.id).where(
            occurrences.c.project_id == project_id,
            occurrences.c.root == file.root,
            occurrences.c.path == file.path,
            occurrences.c.digest == file.digest,
            occurrences.c.deleted_at.is_(None),
        )
        holder = connection.execute(query.order_by(occurrences.c.at.desc()).limit(1)).scalar()
        if holder is None:
            holder = add_source(connection, project_id=project_id, file=file, at=at, new_id=new_id)
        add_edge(connection, project_id=project_id, source=activity, target=holder, relation=USED, role=file.role, detail=file.edge_detail)
        found.append(holder)
    return found
