"""A placed graph in the shapes that pages draw: server-side for the strip on every page, and as JSON for the graph page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lineal.errors import LinealError
from lineal.interfaces.web.folding import fold
from lineal.interfaces.web.layout import ROW, Placement, place
from lineal.interfaces.web.links import graph_page, node_page, reference_of
from lineal.records.documents import document
from lineal.records.graph import USED, Edge, Graph, Node, shortest_path
from lineal.workspace.interface import Workspace

BOX_HEIGHT = 30
LABEL = 17
STRIP_NODES = 1500
STRIP_DEPTH = 3
_DATA = "M3 5c0-1.5 3-2.5 7-2.5s7 1 7 2.5v10c0 1.5-3 2.5-7 2.5s-7-1-7-2.5zM3 5c0 1.5 3 2.5 7 2.5s7-1 7-2.5"
SHAPES: Mapping[str, str] = {
    "run": "M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15zM8.3 7v6l5-3z",
    "import": "M10 2l8 8-8 8-8-8z",
    "registration": "M10 2l8 8-8 8-8-8z",
    "deployment": "M2.5 4h9.5l6 6-6 6H2.5z",
    "dataset": _DATA,
    "source": _DATA,
    "file": "M4.5 2.5h7l4 4v11h-11zM11.5 2.5v4h4",
    "folder": "M2.5 4.5h5.5l2 2.5h7.5v9h-15z",
    "model": "M10 2l7 4v8l-7 4-7-4V6z",
    "prediction": "M10 2.5l2.3 5 5.2.6-3.9 3.6 1.1 5.3-4.7-2.7-4.7 2.7 1.1-5.3L2.5 8.1l5.2-.6z",
}
LOCK = "M4 7V5a3 3 0 0 1 6 0v2M3 7h8v6H3z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A node where it is drawn."""

    node: Node
    x: int
    y: int
    width: int
    label: str
    href: str
    shape: str
    classes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A graph ready to be drawn: boxes, curves between them, the size of the whole."""

    boxes: tuple[Box, ...]
    curves: tuple[tuple[str, str], ...]
    width: int
    height: int
    truncated: bool = False


def production_path(graph: Graph, start: str) -> tuple[str, ...]:
    """Ids from ``start`` to the nearest production deployment that came of it; empty where there is none."""
    goals = frozenset(node.id for node in graph.nodes if node.kind == "deployment" and not node.marks & {"trial", "deleted"})
    return shortest_path(graph.effects(), start, goals) if start else ()


def strip(workspace: Workspace, reference: str) -> Drawing | None:
    """The neighbourhood of one thing for the strip on its page; None where it is in no graph yet."""
    try:
        graph = workspace.lineage.graph(reference, both=True, depth=STRIP_DEPTH, limit=STRIP_NODES)
    except LinealError:
        return None
    return draw(fold(graph)) if len(graph.nodes) > 1 else None


def draw(graph: Graph) -> Drawing:
    """The drawing of a graph."""
    placed = place(graph)
    lit = set(production_path(graph, graph.focus))
    boxes = tuple(_box(node, placed, classes=_classes(node, focus=graph.focus, lit=lit)) for node in graph.nodes)
    curves = tuple((_curve(placed, edge), "lit" if {edge.source, edge.target} <= lit else "") for edge in graph.edges)
    return Drawing(boxes=boxes, curves=curves, width=placed.width + 4, height=placed.height - (ROW - BOX_HEIGHT) + 4, truncated=graph.truncated)


def draw_path(nodes: Sequence[Node]) -> Drawing | None:
    """A chain of nodes, each of which stands on the one before; None for fewer than two."""
    if len(nodes) < 2:
        return None
    edges = tuple(Edge(source=after.id, target=before.id, relation=USED) for before, after in pairwise(nodes))
    return draw(Graph(nodes=tuple(nodes), edges=edges, focus=nodes[0].id))


def graph_data(graph: Graph) -> dict[str, Any]:
    """What the graph page draws: every node with place, shape and address; every edge by its nodes' positions in the list."""
    placed = place(graph)
    order = {node.id: index for index, node in enumerate(graph.nodes)}
    nodes = [
        {
            "id": node.id,
            "kind": node.kind,
            "label": shorten(node.label),
            "name": node.label,
            "reference": reference_of(node),
            "marks": sorted(node.marks),
            "detail": document(node.detail),
            "at": node.at,
            "x": placed.at[node.id][0],
            "y": placed.at[node.id][1],
            "width": placed.widths[node.id],
            "href": node_page(node),
        }
        for node in graph.nodes
    ]
    edges = [[order[edge.target], order[edge.source], edge.role] for edge in graph.edges]
    return {
        "nodes": nodes,
        "edges": edges,
        "focus": graph.focus,
        "truncated": graph.truncated,
        "production": [order[key] for key in production_path(graph, graph.focus)],
        "width": placed.width,
        "height": placed.height,
        "shapes": dict(SHAPES),
        "lock": LOCK,
    }


def shorten(label: str) -> str:
    """A label that fits its box, cut in the middle: the ends of paths tell most."""
    return label if len(label) <= LABEL else f"{label[: LABEL // 2 - 1]}…{label[-(LABEL - LABEL // 2) :]}"


def _box(node: Node, placed: Placement, *, classes: str) -> Box:
    href = graph_page(reference_of(node)) if "count" in node.detail else node_page(node)
    shape = SHAPES.get(node.kind, SHAPES["file"])
    x, y = placed.at[node.id]
    return Box(node=node, x=x + 2, y=y + 2, width=placed.widths[node.id], label=shorten(node.label), href=href, shape=shape, classes=classes)


def _classes(node: Node, *, focus: str, lit: set[str]) -> str:
    words = [f"kind-{node.kind}", *(f"mark-{mark}" for mark in sorted(node.marks))]
    words += ["focus"] if node.id == focus else []
    words += ["lit"] if node.id in lit else []
    words += ["many"] if "count" in node.detail else []
    return " ".join(words)


def _curve(placed: Placement, edge: Edge) -> str:
    (left, top), (right, below) = placed.at[edge.target], placed.at[edge.source]
    x1, y1 = left + placed.widths[edge.target] + 2, top + BOX_HEIGHT // 2 + 2
    x2, y2 = right + 2, below + BOX_HEIGHT // 2 + 2
    bend = max(16, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
