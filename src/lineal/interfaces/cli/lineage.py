"""`lineal lineage`: where a thing comes from, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import print_document, show, styled, what_next
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import short_id, visible

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from lineal.records.graph import Graph, Node

MOST_BRANCHES = 12
KIND_STYLES = {"run": "cyan", "import": "cyan", "registration": "cyan", "deployment": "magenta", "model": "green", "prediction": "magenta"}
MARK_STYLES = {"mistake": "red", "failed": "red", "deleted": "red", "stale": "yellow", "protected": "blue"}


@click.command()
@reference_argument("ref")
@click.option("--down", is_flag=True, help="What came of it, instead of what it stands on.")
@click.option("--depth", type=click.IntRange(min=1), default=None, help="At most this many steps.")
@json_option
def lineage(*, ref: str, down: bool, depth: int | None, as_json: bool) -> None:
    """Draw what a thing stands on: runs, data, sources.

    With --down, what came of it: runs, models, deployments.
    """
    graph = up_to_date().lineage.graph(ref, down=down, depth=depth)
    if as_json:
        print_document(graph)
        return
    show(draw(graph, graph.effects() if down else graph.causes()))
    if graph.truncated:
        show(styled("\nThere is more; see further with --depth or in lineal ui.", "dim"))
    if not down:
        what_next(f"lineal lineage {visible(ref)} --down")


def draw(graph: Graph, adjacent: Mapping[str, Sequence[str]]) -> Tree:
    """The graph as a tree from its focus; a node that several branches share is drawn once and named again."""
    from rich.tree import Tree

    nodes = {node.id: node for node in graph.nodes}
    focus = graph.focus or graph.nodes[0].id
    tree = Tree(describe(nodes[focus]), guide_style="dim")
    seen = {focus}
    pending = [(tree, focus)]
    while pending:
        branch, here = pending.pop(0)
        following = [one for one in adjacent.get(here, ()) if one in nodes]
        for one in following[:MOST_BRANCHES]:
            again = one in seen
            seen.add(one)
            grown = branch.add(describe(nodes[one]).append("  (drawn elsewhere)", style="dim") if again else describe(nodes[one]))
            if not again:
                pending.append((grown, one))
        if len(following) > MOST_BRANCHES:
            branch.add(styled(f"and {len(following) - MOST_BRANCHES:,} more", "dim"))
    return tree


def describe(node: Node) -> Text:
    """A node in one line: kind, label, how to name it, and its marks."""
    name = visible(node.reference) or short_id(node.id)
    line = styled(f"{node.kind} ", KIND_STYLES.get(node.kind, "")).append(visible(node.label), style="bold").append(f"  {name}", style="dim")
    for mark in sorted(node.marks):
        line.append(f"  {mark}", style=MARK_STYLES.get(mark, "yellow"))
    return line
