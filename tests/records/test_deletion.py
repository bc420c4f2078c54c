"""The guard's laws, over any graph."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lineal.records.deletion import plan_deletion
from lineal.records.graph import GENERATED, USED, Edge, Graph, Node, closure


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of activities and entities whose edges all point back in time."""
    size = draw(st.integers(1, 14))
    nodes: list[Node] = []
    edges: list[Edge] = []
    for place in range(size):
        kind = draw(st.sampled_from(["run", "file", "model", "deployment"]))
        marks = draw(st.sets(st.sampled_from(["trial", "running", "mistake"]), max_size=1))
        node = Node(id=f"n{place}", kind=kind, label=f"{kind} {place}", marks=frozenset(marks), at=place)
        targets = draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else set()
        for target in sorted(targets):
            before = nodes[target]
            if before.is_activity != node.is_activity:
                relation = USED if node.is_activity else GENERATED
                edges.append(Edge(source=node.id, target=before.id, relation=relation))
        nodes.append(node)
    return Graph(nodes=tuple(nodes), edges=tuple(edges))


@st.composite
def asked_in_graphs(draw: st.DrawFn) -> tuple[Graph, tuple[str, ...]]:
    graph = draw(graphs())
    asked = draw(st.lists(st.sampled_from([node.id for node in graph.nodes]), min_size=1, max_size=3, unique=True))
    return graph, tuple(asked)


@given(asked_in_graphs())
def test_nothing_that_production_stands_on_ever_falls(given_: tuple[Graph, tuple[str, ...]]) -> None:
    graph, asked = given_
    plan = plan_deletion(graph, asked)
    production = {node.id for node in graph.nodes if node.kind == "deployment" and "trial" not in node.marks}
    protected = closure(graph.causes(), production)
    if not plan.refused:
        assert not protected & {node.id for node in plan.falls}
    assert bool(plan.path) == bool(protected & set(asked))


@given(asked_in_graphs())
def test_what_falls_is_closed_downstream_and_begins_with_what_was_asked(given_: tuple[Graph, tuple[str, ...]]) -> None:
    graph, asked = given_
    plan = plan_deletion(graph, asked)
    falling = {node.id for node in plan.falls}
    effects = graph.effects()
    assert all(set(effects[identifier]) <= falling for identifier in falling)
    assert tuple(node.id for node in plan.falls[: len(asked)]) == asked


@given(asked_in_graphs())
def test_a_refusal_shows_an_unbroken_path_to_a_deployment(given_: tuple[Graph, tuple[str, ...]]) -> None:
    graph, asked = given_
    plan = plan_deletion(graph, asked)
    if plan.path:
        effects = graph.effects()
        steps = [node.id for node in plan.path]
        assert steps[0] in asked
        assert plan.path[-1].kind == "deployment"
        assert all(after in effects[before] for before, after in itertools.pairwise(steps))
        assert plan.reason


@given(asked_in_graphs(), st.integers(0, 100))
def test_the_hash_names_the_plan_and_moves_with_what_falls(given_: tuple[Graph, tuple[str, ...]], pick: int) -> None:
    graph, asked = given_
    plan = plan_deletion(graph, asked)
    assert plan_deletion(graph, asked).hash == plan.hash
    fallen = plan.falls[pick % len(plan.falls)]
    kind = "run" if not fallen.is_activity else "file"
    newer = Node(id="newer", kind=kind, label="newer", at=10**6)
    edge = Edge(source="newer", target=fallen.id, relation=USED if kind == "run" else GENERATED)
    grown = Graph(nodes=(*graph.nodes, newer), edges=(*graph.edges, edge))
    assert plan_deletion(grown, asked).hash != plan.hash


def test_what_still_runs_refuses_without_a_path() -> None:
    run = Node(id="r", kind="run", label="train #1", marks=frozenset({"running"}))
    plan = plan_deletion(Graph(nodes=(run,), edges=()), ("r",))
    assert (plan.refused, plan.path, plan.reason) == (True, (), "train #1 is still running")


def test_a_production_deployment_itself_stays_on_record() -> None:
    node = Node(id="d", kind="deployment", label="delay")
    plan = plan_deletion(Graph(nodes=(node,), edges=()), ("d",))
    assert plan.refused
    assert plan.reason.startswith("delay was deployed in production")
