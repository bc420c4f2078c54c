"""The graph: where things came from and what came of them."""

from __future__ import annotations

from lineal.interfaces.web.drawing import graph_data
from lineal.interfaces.web.folding import fold
from lineal.interfaces.web.layout import ROW
from lineal.interfaces.web.links import node_page, reference_of
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.documents import document
from lineal.records.graph import Graph

NODES = 5000
UNFOLDED = 2000
LISTED = 500
DIRECTIONS = ("both", "up", "down")


def graph_page(visit: Visit) -> Page:
    """The graph around one thing, or the newest part of the project's."""
    focus = visit.word("focus")
    direction = visit.word("direction") if visit.word("direction") in DIRECTIONS else DIRECTIONS[0]
    depth = visit.number("depth", 0, most=1000) or None
    every = visit.word("fold") == "0"
    graph = _graph(visit, focus, direction=direction, depth=depth, limit=UNFOLDED if every else NODES)
    folded = graph if every else fold(graph, keep=visit.words("unfold"))
    listed = [(node, node_page(node), reference_of(node)) for node in sorted(folded.nodes, key=lambda node: -node.at)[:LISTED]]
    shown = graph_data(folded)
    context = {
        "graph": folded,
        "data": shown,
        "focus": focus,
        "focused": next((node for node in folded.nodes if node.id == graph.focus), None),
        "direction": direction,
        "directions": DIRECTIONS,
        "depth": depth or "",
        "listed": listed,
        "whole": len(graph.nodes),
        "rows": _rows(shown["height"]),
    }
    return Page(template="graph.html", title=f"Graph of {focus}" if focus else "Graph", rail="graph", value=document(graph), context=context)


def _rows(height: int) -> str:
    """How much room the field gets: a chain needs less than a bush, and the page must not jump once it is drawn."""
    return "few" if height <= 5 * ROW else "some" if height <= 9 * ROW else "many"


def _graph(visit: Visit, focus: str, *, direction: str, depth: int | None, limit: int) -> Graph:
    if not focus:
        return visit.workspace.lineage.project(limit=limit)
    return visit.workspace.lineage.graph(focus, down=direction == "down", both=direction == "both", depth=depth, limit=limit)
