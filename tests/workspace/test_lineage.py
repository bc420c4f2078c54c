"""Where things came from, what came of them, and how much of that is shown."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from lineal.errors import NotFound
from lineal.ledger import schema
from lineal.records.deployment import Prediction
from lineal.records.graph import GENERATED, USED, Node
from lineal.workspace.lineage import LocalLineage
from lineal.workspace.site import Site
from lineal.workspace.tracing import trace_prediction


@pytest.fixture
def lineage(site: Site) -> LocalLineage:
    return LocalLineage(site, None)  # type: ignore[arg-type]  # only trace asks for deployments


def chain(facts: Any) -> dict[str, str]:
    made = {"data": facts.dataset("flights", path="data/flights", source="https://example.org/f.zip", md5={"jan.csv": "0" * 32})}
    made["prepare"] = facts.run("prepare", uses=(made["data"],))
    facts.edge(made["prepare"], made["data"], USED, path=b"data/flights/jan.csv", digest=f"blake3:{'1' * 64}", size=7)
    made["table"] = facts.file("train.csv", by=made["prepare"])
    made["train"] = facts.run("train", uses=(made["table"],))
    made["file"] = facts.file("model.skops", by=made["train"])
    made["model"] = facts.model("delay", of=made["file"], run=made["train"])
    made["deployment"] = facts.deployment("live", of=made["model"])
    return made


def test_up_is_what_it_stands_on_and_down_is_what_came_of_it(lineage: LocalLineage, facts: Any) -> None:
    made = chain(facts)
    up = lineage.graph("train")
    down = lineage.graph("train", down=True)
    both = lineage.graph("train", both=True)
    ids = [{node.id for node in graph.nodes} for graph in (up, down, both)]
    assert {made["data"], made["prepare"], made["table"], made["train"]} < ids[0]
    assert ids[1] >= {made["train"], made["file"], made["model"], made["deployment"]}
    assert ids[2] == ids[0] | ids[1]
    assert up.focus == made["train"]
    assert {edge.relation for edge in up.edges} == {USED, GENERATED}
    assert all({edge.source, edge.target} <= ids[0] for edge in up.edges)


def test_depth_and_limit_cut_what_is_far_and_say_so(lineage: LocalLineage, facts: Any) -> None:
    made = chain(facts)
    near = lineage.graph("train", depth=1)
    assert ({node.id for node in near.nodes}, near.truncated) == ({made["train"], made["table"]}, True)
    assert not lineage.graph("train", depth=20).truncated
    few = lineage.graph("live", limit=3)
    assert (len(few.nodes), few.truncated) == (3, True)
    assert len(lineage.project(limit=4).nodes) == 4
    assert lineage.project(limit=4).truncated
    assert not lineage.project().truncated


def test_what_is_deleted_vanishes_from_the_graph_and_comes_back(lineage: LocalLineage, facts: Any) -> None:
    table = facts.file("train.csv", by=facts.run("prepare"))
    facts.run("train", uses=(table,))
    before = lineage.project()
    plan = lineage.plan_deletion("train")
    lineage.delete("train", plan.hash)
    assert [node.label for node in lineage.graph("prepare", down=True).nodes] == ["prepare #1", "train.csv"]
    assert len(lineage.project().nodes) == len(before.nodes) - 1
    with pytest.raises(NotFound):
        lineage.graph("train")
    lineage.undelete("train")
    assert lineage.project() == before


def test_one_node_is_a_graph(lineage: LocalLineage, facts: Any) -> None:
    file = facts.file("a.csv")
    assert [node.id for node in lineage.graph("a.csv", both=True).nodes] == [file]


def test_a_prediction_is_traced_to_the_files_it_rests_on(site: Site, facts: Any) -> None:
    made = chain(facts)
    prediction = Prediction(id="p", deployment="live", model="delay@1", event_at=1, recorded_at=2, inputs={"x": 1}, output=0)
    node = Node(id="p", kind="prediction", label="p", detail={"deployment_id": made["deployment"]})
    steps = trace_prediction(site, prediction, node)
    assert [step.kind for step in steps] == ["prediction", "deployment", "model", "run", "run", "dataset", "source"]
    assert [step.id for step in steps[1:6]] == [made[key] for key in ("deployment", "model", "train", "prepare", "data")]
    assert steps[0].detail["inputs"] == {"x": 1}
    assert {"params", "metrics", "commit", "environment"} <= set(steps[3].detail)
    assert steps[-1].detail == {
        "path": "data/flights/jan.csv",
        "digest": f"blake3:{'1' * 64}",
        "size": 7,
        "md5": "0" * 32,
        "source": "https://example.org/f.zip",
        "dataset": "flights@1",
    }


def test_a_thousand_nodes_come_whole(site: Site, lineage: LocalLineage, facts: Any) -> None:
    first = facts.run("root")
    rows: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for place in range(1500):
        identifier = f"o{place:07d}"
        rows.append({"id": identifier, "project_id": site.project_id, "kind": "file", "label": identifier, "path": identifier.encode(), "at": place})
        edges.append({"source": identifier, "target": first, "relation": GENERATED, "project_id": site.project_id})
    with site.ledger.write() as connection:
        connection.execute(insert(schema.occurrences), rows)
        connection.execute(insert(schema.edges), edges)
    graph = lineage.graph("root", down=True)
    assert (len(graph.nodes), len(graph.edges), graph.truncated) == (1501, 1500, False)
