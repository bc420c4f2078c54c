"""What may be deleted, deleting it, and bringing it back.

Deletion is soft: what falls is marked and vanishes from lists, search and graph, while its bytes stay. The guard is asked inside the
transaction that deletes, so that nothing can be deployed between the question and the deed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, insert, select, update

from lineal.errors import Conflict, InvalidInput, InvalidState, PermissionDenied
from lineal.ledger import schema
from lineal.ledger.graph import mark_deleted
from lineal.ledger.nodes import edges_among, load_nodes, reach_down
from lineal.ledger.portable import pieces
from lineal.records.deletion import DeletionPlan, plan_deletion
from lineal.records.digest import Digest
from lineal.records.graph import GENERATED, Graph, Node
from lineal.workspace.disposal import expiry
from lineal.workspace.places import renew_places
from lineal.workspace.references import resolve, resolve_deleted
from lineal.workspace.site import Site

_KEPT = ("file", "folder", "model")
_MAKERS = frozenset({"import", "registration"})


def preview_deletion(site: Site, reference: str) -> DeletionPlan:
    """What would fall with the named thing; changes nothing.

    Raises:
        InvalidInput: kind ``not-deletable``, for a prediction: what was answered stays on record.
    """
    node = _deletable(site, reference)
    with site.ledger.read() as connection:
        return _plan(connection, site.project_id, node)


def carry_out_deletion(site: Site, reference: str, plan: str) -> DeletionPlan:
    """Deletes the named thing with everything derived from it, if the plan is still the one whose hash is ``plan``.

    Raises:
        PermissionDenied: kind ``protected``, with the path to the deployment that stands on it.
        InvalidState: kind ``still-running``.
        Conflict: kind ``stale-plan``, if the graph changed since the plan was made.
    """
    node = _deletable(site, reference)
    with site.ledger.write() as connection:
        _hold_edges(connection)
        current = _plan(connection, site.project_id, node)
        _check(current, plan, reference)
        now = site.clock()
        fallen = [fallen.id for fallen in current.falls]
        mark_deleted(connection, fallen, now)
        renew_places(site, connection, current.falls)
        connection.execute(
            insert(schema.deletions).values(
                id=site.entropy(16).hex(),
                project_id=site.project_id,
                asked=json.dumps(list(current.asked)),
                nodes=json.dumps(fallen),
                plan=current.hash,
                actor=site.actor,
                at=now,
            )
        )
        _tell(connection, site, "deleted", current.falls)
    site.deletions += 1
    return current


def undo_deletion(site: Site, reference: str) -> Sequence[Node]:
    """Brings back the named thing with everything that was deleted together with it.

    Raises:
        Conflict: kind ``stands-on-deleted``, if something it was made from is still deleted.
        InvalidState: kind ``given-up``, if its bytes were collected since.
    """
    node = resolve_deleted(site, reference)
    with site.ledger.write() as connection:
        deletion, group = _group(connection, site.project_id, node)
        if _expired(connection, site, deletion):
            _check_bytes(connection, site, node, group)
        _check_ground(connection, site.project_id, node, group)
        now = site.clock()
        mark_deleted(connection, group, None)
        connection.execute(update(schema.deletions).where(schema.deletions.c.id == deletion).values(undone_at=now))
        back = tuple(load_nodes(connection, site.project_id, group).values())
        renew_places(site, connection, back)
        _tell(connection, site, "undeleted", back)
    site.deletions += 1
    return back


def _deletable(site: Site, reference: str) -> Node:
    node = resolve(site, reference)
    if node.kind == "prediction":
        raise InvalidInput(
            f"{node.label} cannot be deleted: what a service answered stays on record",
            kind="not-deletable",
            hint="Delete what it came from; see it with: lineal lineage " + node.reference,
        )
    return node


def _hold_edges(connection: Connection) -> None:
    """Keeps new edges out until the deletion is done; SQLite's one writer does that by itself."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE edges IN SHARE ROW EXCLUSIVE MODE")


def _plan(connection: Connection, project_id: str, node: Node) -> DeletionPlan:
    asked = (node.id, *_makers(connection, project_id, node))
    reached = reach_down(connection, asked)
    nodes = tuple(load_nodes(connection, project_id, reached.ids).values())
    present = {found.id for found in nodes}
    graph = Graph(nodes=nodes, edges=tuple(edges_among(connection, present)))
    return plan_deletion(graph, asked)


def _makers(connection: Connection, project_id: str, node: Node) -> Iterator[str]:
    """The import or registration that made nothing but this: it has no meaning without it."""
    edges = schema.edges.c
    made_by = select(edges.target).where(edges.source == node.id, edges.relation == GENERATED)
    for maker in load_nodes(connection, project_id, connection.execute(made_by).scalars()).values():
        made = connection.execute(select(edges.source).where(edges.target == maker.id, edges.relation == GENERATED)).scalars()
        if maker.kind in _MAKERS and set(made) == {node.id}:
            yield maker.id


def _check(current: DeletionPlan, plan: str, reference: str) -> None:
    if current.path:
        way = " → ".join(step.label for step in current.path)
        raise PermissionDenied(f"{current.reason}: {way}", kind="protected", hint="What production stands on is kept, also after undeploy.")
    if current.running:
        first = current.running[0]
        stop = f"lineal undeploy {first.detail['name']}" if first.kind == "deployment" else f"lineal stop {first.reference}"
        raise InvalidState(f"{first.label} is still running", kind="still-running", hint=f"Stop it first with: {stop}")
    if current.hash != plan:
        raise Conflict(
            f"what falls with {reference} has changed since plan {plan!r} was made",
            kind="stale-plan",
            hint=f"Look again with: lineal rm {reference}; the plan is now {current.hash}",
        )


def _expired(connection: Connection, site: Site, deletion: str) -> bool:
    at = connection.execute(select(schema.deletions.c.at).where(schema.deletions.c.id == deletion)).scalar_one()
    return bool(at < expiry(site))


def _check_bytes(connection: Connection, site: Site, node: Node, group: Sequence[str]) -> None:
    """Refuses to bring back what a collection has given up, or has freed already."""
    given_up = site.store.given_up()
    versions, occurrences = schema.dataset_versions.c, schema.occurrences.c
    for some in pieces(group):
        commits = connection.execute(select(versions.commit).where(versions.occurrence.in_(some))).scalars()
        named = select(occurrences.digest).where(
            occurrences.id.in_(some), occurrences.restorable.is_(True), occurrences.kind.in_(_KEPT), occurrences.digest.startswith("blake3:")
        )
        contents = connection.execute(named).scalars()
        if any(commit in given_up for commit in commits) or not all(site.store.contains(Digest(digest)) for digest in contents):
            raise InvalidState(
                f"{node.label} was deleted so long ago that its bytes were collected",
                kind="given-up",
                hint="How long they are kept is the setting gc.keep_deleted; add the data again.",
            )


def _group(connection: Connection, project_id: str, node: Node) -> tuple[str, list[str]]:
    """The newest deletion that took the node, and everything it took."""
    columns = schema.deletions.c
    query = (
        select(columns.id, columns.nodes)
        .where(columns.project_id == project_id, columns.undone_at.is_(None), columns.nodes.contains(json.dumps(node.id), autoescape=True))
        .order_by(columns.at.desc())
    )
    row = connection.execute(query.limit(1)).first()
    if row is None:
        raise Conflict(
            f"nothing says when {node.label} was deleted, so it cannot be undone", kind="no-deletion", hint="Check the ledger with: lineal fsck"
        )
    return row.id, json.loads(row.nodes)


def _check_ground(connection: Connection, project_id: str, node: Node, group: Sequence[str]) -> None:
    inside = set(group)
    for some in pieces(group):
        targets = connection.execute(select(schema.edges.c.target).where(schema.edges.c.source.in_(some))).scalars()
        for ground in load_nodes(connection, project_id, set(targets) - inside).values():
            if "deleted" in ground.marks:
                raise Conflict(
                    f"{node.label} stands on {ground.label}, which is deleted too",
                    kind="stands-on-deleted",
                    hint=f"Bring that back first with: lineal undelete {ground.reference}",
                )


def _tell(connection: Connection, site: Site, what: str, nodes: Iterable[Node]) -> None:
    for node in nodes:
        subject = f"run:{node.id}" if node.kind == "run" else node.reference
        site.record_event(connection, f"{node.kind}.{what}", subject=subject, payload={"label": node.label, "id": node.id})
