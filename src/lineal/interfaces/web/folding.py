"""Many alike as one: a graph with 1,900 training runs is read as one node with a count."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field, replace

from lineal.records.graph import Edge, Graph, Node

FEWEST = 4
_NUMBER = re.compile(r"[\s#]*\d+$")
_TELLING = frozenset({"mistake", "failed", "running", "deleted", "trial", "stale", "correction", "protected", "deployed"})


@dataclass(slots=True)
class _Folds:
    """Which node stands for which, and how many it stands for."""

    leader: dict[str, str] = field(default_factory=dict)
    members: dict[str, list[Node]] = field(default_factory=dict)

    def add(self, nodes: list[Node]) -> None:
        first = nodes[0].id
        self.members[first] = nodes
        self.leader.update((node.id, first) for node in nodes)


def fold(graph: Graph, *, keep: Collection[str] = ()) -> Graph:
    """The graph with at least four alike nodes drawn as one, which carries ``count`` and ``members`` in its detail.

    Alike are nodes of one kind, name and state that stand on the same things and led to the same things; what a run wrote and nobody used
    folds with it. The focus and whatever is in ``keep`` (ids of nodes or of the first of a fold) stay apart.
    """
    apart, kept = {graph.focus}, set(keep)
    causes, effects = graph.causes(), graph.effects()
    ends = {node.id for node in graph.nodes if not effects[node.id] and node.kind in {"file", "folder"} and len(causes[node.id]) == 1}
    kinds = {node.id: node.kind for node in graph.nodes}
    folds = _Folds()
    alike: dict[Hashable, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.id in ends or node.id in apart:
            continue
        own = sorted(kinds[following] for following in effects[node.id] if following in ends)
        further = frozenset(effects[node.id]) - ends
        alike[_state(node), frozenset(causes[node.id]), further, tuple(own) if node.is_activity else ()].append(node)
    for nodes in alike.values():
        if len(nodes) >= FEWEST and not kept & {node.id for node in nodes}:
            folds.add(nodes)
    _fold_ends(graph, folds, ends - apart, kept)
    return _drawn(graph, folds)


def _fold_ends(graph: Graph, folds: _Folds, ends: set[str], kept: set[str]) -> None:
    causes = graph.causes()
    by_maker: dict[Hashable, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.id in ends:
            maker = causes[node.id][0]
            by_maker[folds.leader.get(maker, maker), node.kind].append(node)
    for nodes in by_maker.values():
        if len(nodes) >= FEWEST and not kept & {node.id for node in nodes}:
            folds.add(nodes)


def _state(node: Node) -> Hashable:
    return node.kind, _NUMBER.sub("", node.label) if node.is_activity else "", node.marks & _TELLING


def _drawn(graph: Graph, folds: _Folds) -> Graph:
    if not folds.members:
        return graph
    nodes = tuple(_shown(node, folds) for node in graph.nodes if folds.leader.get(node.id, node.id) == node.id)
    return replace(graph, nodes=nodes, edges=_edges(graph.edges, folds))


def _shown(node: Node, folds: _Folds) -> Node:
    members = folds.members.get(node.id)
    if not members:
        return node
    name = _NUMBER.sub("", node.label) if node.is_activity else f"{node.kind}s" if node.kind != "data" else node.kind
    detail = {"count": len(members), "members": tuple(member.reference or f"id:{member.id}" for member in members[:200])}
    return replace(node, label=f"{name} × {len(members):,}", detail=detail)


def _edges(edges: Iterable[Edge], folds: _Folds) -> tuple[Edge, ...]:
    found: dict[tuple[str, str, str], Edge] = {}
    for edge in edges:
        source, target = folds.leader.get(edge.source, edge.source), folds.leader.get(edge.target, edge.target)
        found.setdefault((source, target, edge.relation), replace(edge, source=source, target=target))
    return tuple(found.values())
