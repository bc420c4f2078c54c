"""Reachability over random graphs, on each database, against the plain closure."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import insert

from lineal.ledger import schema
from lineal.ledger.database import Ledger
from lineal.ledger.nodes import edges_among, load_nodes, newest_ids, protected_ids, reach_down, reach_up
from lineal.records.graph import GENERATED, USED, Graph, closure

PROJECT = "f" * 32


def build(ledger: Ledger, seed: int) -> Graph:
    """A random graph of 60 nodes, every third an activity, with two deployments of which one is a trial."""
    chance = random.Random(seed)
    ids = [f"n{place:03d}" for place in range(60)]
    activities = [
        {"id": name, "project_id": PROJECT, "kind": "import", "label": name, "at": place} for place, name in enumerate(ids) if place % 3 == 0
    ]
    occurrences = [{"id": name, "project_id": PROJECT, "kind": "file", "label": name, "at": place} for place, name in enumerate(ids) if place % 3]
    edges = []
    for place, name in enumerate(ids):
        earlier = [other for other in range(place) if (other % 3 == 0) != (place % 3 == 0)]
        for target in chance.sample(earlier, min(len(earlier), chance.randint(0, 3))):
            relation = USED if place % 3 == 0 else GENERATED
            edges.append({"project_id": PROJECT, "source": name, "target": ids[target], "relation": relation})
    deployments = [
        {
            "id": name,
            "project_id": PROJECT,
            "name": name,
            "model": "m@1",
            "model_occurrence": "",
            "target": "process",
            "trial": trial,
            "started_at": 1,
        }
        for name, trial in (("n054", False), ("n057", True))
    ]
    with ledger.write() as connection:
        for table, rows in (
            (schema.activities, activities),
            (schema.occurrences, occurrences),
            (schema.edges, edges),
            (schema.deployments, deployments),
        ):
            connection.execute(insert(table), rows)
    with ledger.read() as connection:
        nodes = load_nodes(connection, PROJECT, ids)
        return Graph(nodes=tuple(nodes.values()), edges=tuple(edges_among(connection, ids)))


@pytest.mark.parametrize("seed", range(4))
def test_both_directions_reach_what_the_closure_reaches(ledger: Ledger, seed: int) -> None:
    graph = build(ledger, seed)
    with ledger.read() as connection:
        for start in ("n000", "n030", "n059"):
            assert set(reach_up(connection, [start]).ids) == closure(graph.causes(), [start])
            assert set(reach_down(connection, [start]).ids) == closure(graph.effects(), [start])


def test_depth_counts_edges_and_a_cut_is_told(ledger: Ledger) -> None:
    graph = build(ledger, 1)
    causes = graph.causes()
    with ledger.read() as connection:
        near = reach_up(connection, ["n059"], depth=1)
        far = reach_up(connection, ["n059"], depth=60)
        few = reach_up(connection, ["n059"], limit=2)
    assert set(near.ids) == {"n059", *causes["n059"]}
    assert near.ids[0] == "n059"
    assert near.truncated == (closure(causes, ["n059"]) != set(near.ids))
    assert set(far.ids) == closure(causes, ["n059"])
    assert not far.truncated
    assert (len(few.ids), few.truncated) == (2, True)


def test_only_what_production_stands_on_is_protected(ledger: Ledger) -> None:
    graph = build(ledger, 2)
    expected = closure(graph.causes(), ["n054"])
    with ledger.read() as connection:
        assert protected_ids(connection, PROJECT) == expected
    assert {node.id for node in graph.nodes if "protected" in node.marks} == expected


def test_the_newest_come_first(ledger: Ledger) -> None:
    build(ledger, 3)
    with ledger.read() as connection:
        assert newest_ids(connection, PROJECT, limit=3) == ["n059", "n058", "n057"]
