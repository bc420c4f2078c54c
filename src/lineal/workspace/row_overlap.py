"""Rows for a test among the rows that a model was trained on: a question to the graph, asked once when a run has ended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from lineal.errors import LinealError
from lineal.ledger.nodes import reach_up
from lineal.ledger.portable import pieces
from lineal.ledger.schema import edges, occurrences, runs
from lineal.records.digest import Digest
from lineal.records.graph import USED
from lineal.records.location import RUN
from lineal.store.repository import Repository

TESTING = frozenset({"test", "validation"})
TRAINING = "train"
MOST_SETS = 20
"""Of the sets of training rows that a run stands on, how many are compared."""

LARGEST_SET = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedRows:
    """Rows that a run used: their name and role there, and the content with their hashes."""

    run: str
    run_name: str
    name: str
    role: str
    digest: Digest


def row_overlaps(connection: Connection, store: Repository, run_id: str) -> list[str]:
    """One sentence for each set of the run's test rows and each set of training rows of it, or of a run it stands on, that share rows."""
    own = used_rows(connection, [run_id])
    tests = [rows for rows in own if rows.role in TESTING]
    trained = [rows for rows in own if rows.role == TRAINING]
    if not tests and not trained:
        return []
    before = used_rows(connection, [found for found in reach_up(connection, [run_id]).ids if found != run_id])
    pairs = [(test, train) for test in tests for train in [*trained, *_of_role(before, {TRAINING})][:MOST_SETS]]
    return [sentence for test, train in pairs if (sentence := _compared(store, test, train, run_id))]


def used_rows(connection: Connection, identifiers: Iterable[str]) -> list[UsedRows]:
    """The rows that activities used."""
    columns = occurrences.c
    found: list[UsedRows] = []
    for piece in pieces(list(identifiers)):
        query = (
            select(edges.c.source, runs.c.name.label("run_name"), edges.c.role, edges.c.detail, columns.digest)
            .join(occurrences, columns.id == edges.c.target)
            .join(runs, runs.c.id == edges.c.source)
            .where(edges.c.source.in_(piece), edges.c.relation == USED, columns.root == RUN, columns.path > b"rows/", columns.path < b"rows0")
        )
        for row in connection.execute(query.order_by(edges.c.source, columns.path)):
            name = json.loads(row.detail).get("told", {}).get("rows", {}).get("name", row.role)
            found.append(UsedRows(run=row.source, run_name=row.run_name, name=name, role=row.role, digest=Digest(row.digest)))
    return found


def _of_role(found: Iterable[UsedRows], roles: Iterable[str]) -> list[UsedRows]:
    wanted = set(roles)
    return [rows for rows in found if rows.role in wanted]


def _compared(store: Repository, test: UsedRows, train: UsedRows, run_id: str) -> str:
    from lineal.capture.row_hashes import shared_rows

    try:
        if max(store.size(test.digest), store.size(train.digest)) > LARGEST_SET:
            return ""
        shared, total = shared_rows(store.read(test.digest), store.read(train.digest))
    except LinealError:  # what was not kept cannot be compared
        return ""
    if not shared:
        return ""
    where = "" if train.run == run_id else f" of run {train.run[:8]} ({train.run_name}), which this one stands on"
    return (
        f"{shared:,} of the {total:,} different rows of {test.name} are among the rows of {train.name}{where}: what was measured on them is too good"
    )
