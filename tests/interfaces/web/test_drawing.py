from typing import Any

from lineal.interfaces.web.drawing import LABEL, draw, draw_path, graph_data, production_path, shorten, strip
from lineal.interfaces.web.folding import fold


def test_the_way_to_production_is_lit(sample: Any) -> None:
    graph = sample.lineage.graph("data:houses@2", both=True)
    path = production_path(graph, graph.focus)
    assert (path[0], path[-1]) == ("dataset-houses-2", "deployment-price")
    assert any(lit for _curve, lit in draw(fold(graph)).curves)


def test_a_trial_is_no_production(sample: Any) -> None:
    graph = sample.lineage.graph("model:price@1", both=True)
    assert production_path(graph, graph.focus) == ()


def test_marks_become_classes(sample: Any) -> None:
    boxes = {box.node.id: box for box in draw(fold(sample.lineage.project(limit=5000))).boxes}
    assert "mark-trial" in boxes["deployment-try"].classes
    assert "mark-protected" in boxes["dataset-houses-2"].classes
    assert boxes["dataset-houses-2"].href == "/data/houses@2"


def test_a_thing_without_a_graph_has_no_strip(sample: Any) -> None:
    assert strip(sample, "run:ffffffff") is None
    assert strip(sample, "data:houses@2") is not None


def test_a_path_is_drawn_from_its_start(sample: Any) -> None:
    plan = sample.lineage.plan_deletion("data:houses@2")
    drawing = draw_path(plan.path)
    assert drawing is not None
    assert [box.node.id for box in sorted(drawing.boxes, key=lambda box: box.x)] == [node.id for node in plan.path]
    assert all(lit for _curve, lit in drawing.curves)
    assert draw_path(()) is None


def test_edges_name_nodes_by_place(sample: Any) -> None:
    data = graph_data(sample.lineage.graph("deployment:price"))
    assert all(0 <= source < len(data["nodes"]) and 0 <= target < len(data["nodes"]) for source, target, _role in data["edges"])
    assert all(data["nodes"][source]["x"] < data["nodes"][target]["x"] for source, target, _role in data["edges"])


def test_labels_fit_their_boxes() -> None:
    assert shorten("short") == "short"
    assert len(shorten("a/very/long/path/to/train.parquet")) == LABEL
    assert shorten("a/very/long/path/to/train.parquet").endswith(".parquet")
