"""`lineal show`: anything that has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from lineal.interfaces.cli.dataset_view import show_version
from lineal.interfaces.cli.model_view import show_deployment, show_model, show_prediction
from lineal.interfaces.cli.output import facts, heading, print_document, show, styled, what_next
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.run_view import show_run
from lineal.interfaces.cli.sending import tell_unsent
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import moment, short_id, size, value, visible

if TYPE_CHECKING:
    from lineal.records.graph import Node
    from lineal.workspace.interface import Workspace


@click.command(name="show")
@reference_argument("ref")
@json_option
def show_reference(*, ref: str, as_json: bool) -> None:
    """Show a run, dataset version, model, deployment, prediction or file.

    REF is a name or an id, such as 3f2a, flights@1, delay@champion or data/train.csv. A prefix makes it unmistakable: run:, data:, model:,
    deployment:, prediction: or path:.
    """
    space = up_to_date()
    node = space.resolve(ref)
    fetch, present = VIEWS.get(node.kind, (_node, _show_node))
    found = fetch(space, node)
    if as_json:
        print_document({"kind": node.kind, "reference": node.reference, **_document(space, node, found)})
        return
    present(space, found)
    tell_unsent(space)


def _document(space: Workspace, node: Node, found: Any) -> dict[str, Any]:
    from lineal.records.documents import document

    made: dict[str, Any] = document(found)
    if node.kind != "prediction":
        return made
    return {"prediction": made, "trace": document(space.lineage.trace(found.id))}


def _node(_space: Workspace, node: Node) -> Node:
    return node


def _show_node(space: Workspace, node: Node) -> None:
    title = styled(visible(node.label), "bold").append(f"  {node.kind}", style="dim")
    for mark in sorted(node.marks):
        title.append(f"  {mark}", style="yellow")
    show(title, facts([("reference", visible(node.reference)), ("since", moment(node.at)), *_details(node)]))
    _show_surroundings(space, node)
    what_next(f"lineal lineage {visible(node.reference)}", f"lineal lineage {visible(node.reference)} --down")


def _details(node: Node) -> Iterator[tuple[str, str]]:
    for key, item in node.detail.items():
        if item not in (None, "", [], {}):
            yield key, size(item) if key == "size" else value(item)


def _show_surroundings(space: Workspace, node: Node) -> None:
    graph = space.lineage.graph(node.reference or node.id, both=True, depth=1, limit=50)
    known = {found.id: found for found in graph.nodes}
    for title, identifiers in (("Made by", graph.causes().get(node.id, ())), ("Used by", graph.effects().get(node.id, ()))):
        if identifiers:
            lines = [f"  {known[one].kind} {visible(known[one].label)}  {short_id(one)}" for one in identifiers if one in known]
            show(heading(title), "\n".join(lines))


VIEWS: dict[str, tuple[Callable[[Workspace, Node], Any], Callable[[Workspace, Any], None]]] = {
    "run": (lambda space, node: space.runs.get(f"run:{node.id}"), show_run),
    "dataset": (lambda space, node: space.datasets.get(node.reference), show_version),
    "import": (lambda space, node: space.datasets.get(node.reference), show_version),
    "model": (lambda space, node: space.models.get(node.reference), show_model),
    "registration": (lambda space, node: space.models.get(node.reference), show_model),
    "deployment": (lambda space, node: space.deployments.get(node.reference), show_deployment),
    "prediction": (lambda space, node: space.deployments.prediction(node.id), show_prediction),
}
