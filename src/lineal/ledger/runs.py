"""Runs in the ledger: read one, search many, change what people may change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, delete, select, update

from lineal.errors import NotFound
from lineal.ledger.portable import pieces, storable, upsert
from lineal.ledger.run_rows import runs_of
from lineal.ledger.schema import runs, tags
from lineal.records.digest import Digest
from lineal.records.run import FileUse, Run, RunPage

if TYPE_CHECKING:
    from lineal.records.filter import Filter

EDITABLE = frozenset({"name", "experiment", "note", "mistake"})


class Holds(Protocol):
    """What a store is asked here."""

    def contains(self, digest: Digest) -> bool:
        """Whether the bytes of that content are there."""


def load_run(connection: Connection, project_id: str, run_id: str, store: Holds | None = None) -> Run:
    """The whole record of a run, a deleted one too. With a store, ``restorable`` is what the store says now.

    Raises:
        NotFound: kind ``unknown-reference``.
    """
    row = connection.execute(select(runs).where(runs.c.id == run_id, runs.c.project_id == project_id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no run {run_id}", kind="unknown-reference", hint="See which there are with: lineal runs")
    (run,) = runs_of(connection, [row])
    if store is None:
        return run
    inputs, outputs = (tuple(_restorable(use, store) for use in uses) for uses in (run.inputs, run.outputs))
    return dataclasses.replace(run, inputs=inputs, outputs=outputs)


def search_runs(
    connection: Connection,
    project_id: str,
    *,
    where: str | Filter | None = "",
    order: str = "",
    limit: int = 100,
    offset: int = 0,
    life: str = "active",
    experiments: Sequence[str] | None = None,
) -> RunPage:
    """A page of the runs that match, with everything a table of runs shows.

    Deleted runs match only where they are asked for; runs marked as mistakes only where ``where`` speaks of ``mistake``.

    Args:
        where: the filter grammar of `lineal.records.filter`, or what was read of it.
        order: a metric, parameter, tag or attribute; ``-key`` or ``key desc`` for the largest first. Newest first where empty.
        life: ``active``, ``deleted`` or ``all``; experiments: only runs of these.

    Raises:
        InvalidInput: kind ``bad-filter`` or ``bad-order``.
    """
    from lineal.ledger.search import Search  # the grammar, which reading or writing one run does not need

    search = Search(connection, project_id, where, life=life, experiments=experiments)
    ids = search.page(order=order, limit=limit, offset=offset).ids
    rows = {}
    for piece in pieces(ids):
        rows.update({row["id"]: row for row in connection.execute(select(runs).where(runs.c.id.in_(piece))).mappings()})
    return RunPage(runs=runs_of(connection, [rows[identifier] for identifier in ids]), total=search.count())


def update_run(connection: Connection, project_id: str, run_id: str, *, tags_: Mapping[str, str | None] | None = None, **fields: str) -> None:
    """Changes ``name``, ``experiment``, ``note`` or ``mistake`` of a run, and its tags (None takes a tag off).

    Raises:
        NotFound: kind ``unknown-reference``.
    """
    unknown = fields.keys() - EDITABLE
    if unknown:
        raise TypeError(f"a run has no editable {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {key: storable(value) for key, value in fields.items()} or {"id": run_id}
    changed = connection.execute(update(runs).where(runs.c.id == run_id, runs.c.project_id == project_id).values(values))
    if not changed.rowcount:
        raise NotFound(f"there is no run {run_id}", kind="unknown-reference", hint="See which there are with: lineal runs")
    if tags_:
        set_tags(connection, project_id, run_id, tags_)


def set_tags(connection: Connection, project_id: str, run_id: str, values: Mapping[str, str | None]) -> None:
    """Sets tags; None takes one off."""
    gone = [storable(key) for key, value in values.items() if value is None]
    if gone:
        connection.execute(delete(tags).where(tags.c.run_id == run_id, tags.c.key.in_(gone)))
    rows = [
        {"project_id": project_id, "run_id": run_id, "key": storable(key), "value": storable(value)}
        for key, value in values.items()
        if value is not None
    ]
    upsert(connection, tags, rows, keys=("run_id", "key"))


def _restorable(use: FileUse, store: Holds) -> FileUse:
    if not use.restorable or use.digest is None or not use.digest.startswith("blake3:"):
        return use
    return dataclasses.replace(use, restorable=store.contains(use.digest))
