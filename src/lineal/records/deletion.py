"""What falls when something is deleted, and what may not fall.

Everything derived from a deleted node falls with it. Nothing may fall that a model stands on which was ever deployed in production.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from lineal.records.graph import Graph, Node, closure, shortest_path


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionPlan:
    """A preview of a deletion.

    Attributes:
        asked: ids of the nodes that were asked for.
        falls: every node that would go, the asked ones first, then by time.
        refused: whether it may not be carried out.
        reason: one sentence for a refusal, or empty.
        path: from the asked node to the deployment that protects it, where refused.
        hash: names this plan and the state of the graph it was made from.
        running: what still runs among the falling nodes; stop it first.
    """

    asked: tuple[str, ...]
    falls: tuple[Node, ...]
    refused: bool
    hash: str
    reason: str = ""
    path: tuple[Node, ...] = ()
    running: tuple[Node, ...] = ()


def plan_deletion(graph: Graph, asked: tuple[str, ...]) -> DeletionPlan:
    """The plan for deleting ``asked`` in ``graph``, which must hold everything downstream of them.

    With an entity fall the activities that used it; with an activity falls what it generated; and so on downstream.
    Production deployments are the nodes of kind ``deployment`` without the mark ``trial``; they protect all that they stand on,
    whether they still serve or not.
    """
    nodes = {node.id: node for node in graph.nodes}
    effects = graph.effects()
    order = {identifier: place for place, identifier in enumerate(asked)}
    falling = sorted(
        (nodes[identifier] for identifier in closure(effects, asked) if "deleted" not in nodes[identifier].marks),
        key=lambda node: (order.get(node.id, len(order)), node.at, node.id),
    )
    protecting = frozenset(node.id for node in falling if node.kind == "deployment" and "trial" not in node.marks)
    running = tuple(node for node in falling if "running" in node.marks)
    path = next((found for start in asked if (found := shortest_path(effects, start, protecting))), ())
    reason = _reason(tuple(nodes[identifier] for identifier in path), running)
    return DeletionPlan(
        asked=asked,
        falls=tuple(falling),
        refused=bool(path or running),
        hash=_plan_hash(asked, falling, reason),
        reason=reason,
        path=tuple(nodes[identifier] for identifier in path),
        running=running,
    )


def _reason(path: tuple[Node, ...], running: tuple[Node, ...]) -> str:
    if len(path) == 1:
        return f"{path[0].label} was deployed in production, and what was in production stays on record"
    if path:
        return f"{path[-1].label} was deployed in production and stands on {path[0].label}"
    return f"{running[0].label} is still running" if running else ""


def _plan_hash(asked: tuple[str, ...], falling: list[Node], reason: str) -> str:
    facts = [sorted(asked), sorted((node.id, sorted(node.marks)) for node in falling), reason]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
