from typing import Any

from lineal.interfaces.web.folding import fold
from lineal.records.graph import GENERATED, USED, Edge, Graph, Node


def training(count: int, *, marks: dict[int, str] | None = None, focus: str = "") -> Graph:
    marked = marks or {}
    nodes = [Node(id="data", kind="dataset", label="flights@1")]
    edges = []
    for number in range(count):
        nodes.append(Node(id=f"run{number}", kind="run", label=f"train #{number}", marks=frozenset(marked.get(number, "").split())))
        nodes.append(Node(id=f"file{number}", kind="file", label=f"out/{number}.txt"))
        edges.append(Edge(source=f"run{number}", target="data", relation=USED))
        edges.append(Edge(source=f"file{number}", target=f"run{number}", relation=GENERATED))
    return Graph(nodes=tuple(nodes), edges=tuple(edges), focus=focus)


def labels(graph: Graph) -> list[str]:
    return [node.label for node in graph.nodes]


def test_runs_alike_are_one_with_a_count_and_so_is_what_they_wrote() -> None:
    folded = fold(training(1900))
    assert labels(folded) == ["flights@1", "train × 1,900", "files × 1,900"]
    assert len(folded.edges) == 2


def test_three_are_not_folded() -> None:
    assert len(fold(training(3)).nodes) == 7


def test_mistakes_and_failures_stay_visible() -> None:
    folded = fold(training(20, marks={**dict.fromkeys(range(5), "mistake"), **dict.fromkeys(range(5, 11), "failed")}))
    assert {"train × 5", "train × 6", "train × 9"} <= set(labels(folded))


def test_the_focus_and_what_was_unfolded_stand_alone() -> None:
    assert "train #7" in labels(fold(training(20, focus="run7")))
    assert len([label for label in labels(fold(training(20), keep=["run0"])) if label.startswith("train #")]) == 20


def test_what_led_somewhere_is_not_folded_away() -> None:
    graph = training(10)
    model = Node(id="deployment", kind="deployment", label="delay")
    grown = Graph(nodes=(*graph.nodes, model), edges=(*graph.edges, Edge(source="deployment", target="file3", relation=USED)))
    shown = labels(fold(grown))
    assert {"train #3", "out/3.txt", "delay", "train × 9"} <= set(shown)


def test_no_edge_leads_nowhere(sample: Any) -> None:
    for graph in (sample.lineage.project(), sample.lineage.graph("data:houses@2", both=True)):
        folded = fold(graph)
        known = {node.id for node in folded.nodes}
        assert {edge.source for edge in folded.edges} | {edge.target for edge in folded.edges} <= known
        assert len(known) < len(graph.nodes)
