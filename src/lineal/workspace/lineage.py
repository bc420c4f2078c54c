"""Questions to the graph: where something came from, what came of it, what a prediction rests on, and what may go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from lineal.ledger.nodes import Reached, edges_among, load_nodes, newest_ids, reach_down, reach_up
from lineal.records.deletion import DeletionPlan
from lineal.records.graph import GENERATED, Edge, Graph, Node
from lineal.workspace.interface import Deployments
from lineal.workspace.references import resolve
from lineal.workspace.retention import carry_out_deletion, preview_deletion, undo_deletion
from lineal.workspace.site import Site


class LocalLineage:
    """`Lineage` over the ledger. Every question first brings in what runs have written meanwhile."""

    def __init__(self, site: Site, deployments: Deployments) -> None:
        self._site = site
        self._deployments = deployments

    def graph(self, reference: str, *, down: bool = False, both: bool = False, depth: int | None = None, limit: int = 5000) -> Graph:
        """The graph around the named thing: what it stands on, or with ``down`` what came of it, or both.

        Args:
            depth: how many edges away; None for all.
            limit: the nearest nodes in each direction; `Graph.truncated` tells whether that cut some off.
        """
        self._refresh()
        node = resolve(self._site, reference)
        start = str(node.detail["deployment_id"]) if node.kind == "prediction" else node.id
        with self._site.ledger.read() as connection:
            found = [] if down and not both else [reach_up(connection, [start], depth=depth, limit=limit)]
            if down or both:
                found.append(reach_down(connection, [start], depth=depth, limit=limit))
            graph = _assemble(connection, self._site.project_id, found, node.id)
        return _with_prediction(graph, node, start) if node.kind == "prediction" else graph

    def project(self, *, limit: int = 2000) -> Graph:
        """The newest ``limit`` nodes of the whole project, with the edges among them."""
        self._refresh()
        with self._site.ledger.read() as connection:
            newest = newest_ids(connection, self._site.project_id, limit=limit + 1)
            reached = Reached(ids=tuple(newest[:limit]), truncated=len(newest) > limit)
            return _assemble(connection, self._site.project_id, [reached], "")

    def trace(self, prediction: str) -> Sequence[Node]:
        """From a prediction back: itself, deployment, model version, runs (the training one first), datasets, sources."""
        from lineal.workspace.tracing import trace_prediction

        self._refresh()
        node = resolve(self._site, prediction, kinds=("prediction",))
        return trace_prediction(self._site, self._deployments.prediction(node.id), node)

    def plan_deletion(self, reference: str) -> DeletionPlan:
        """What would fall with the named thing; changes nothing."""
        self._refresh()
        return preview_deletion(self._site, reference)

    def delete(self, reference: str, plan: str) -> DeletionPlan:
        """Carries the plan of that hash out, or raises PermissionDenied, InvalidState or Conflict and changes nothing."""
        self._refresh()
        return carry_out_deletion(self._site, reference, plan)

    def undelete(self, reference: str) -> Sequence[Node]:
        """Brings back the named thing with everything that was deleted together with it."""
        self._refresh()
        return undo_deletion(self._site, reference)

    def _refresh(self) -> None:
        from lineal.workspace.ingest import ingest

        ingest(self._site)


def _assemble(connection: Connection, project_id: str, reached: Iterable[Reached], focus: str) -> Graph:
    parts = list(reached)
    ids = dict.fromkeys(identifier for part in parts for identifier in part.ids)
    nodes = {key: node for key, node in load_nodes(connection, project_id, ids).items() if "deleted" not in node.marks}
    edges = edges_among(connection, nodes)
    return Graph(nodes=tuple(nodes.values()), edges=tuple(edges), truncated=any(part.truncated for part in parts), focus=focus)


def _with_prediction(graph: Graph, prediction: Node, deployment: str) -> Graph:
    edge = Edge(source=prediction.id, target=deployment, relation=GENERATED)
    return Graph(nodes=(prediction, *graph.nodes), edges=(edge, *graph.edges), truncated=graph.truncated, focus=prediction.id)
