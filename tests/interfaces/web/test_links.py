from lineal.interfaces.web.links import node_page, page, reference_page, twin, with_query
from lineal.records.graph import Node


def node(kind: str, reference: str, **detail: str) -> Node:
    return Node(id="abc", kind=kind, label="x", reference=reference, detail=detail)


def test_every_kind_has_an_address() -> None:
    assert node_page(node("run", "run:abc")) == "/runs/abc"
    assert node_page(node("dataset", "data:flights@1")) == "/data/flights@1"
    assert node_page(node("model", "model:delay@1")) == "/models/delay@1"
    assert node_page(node("deployment", "deployment:ffff", name="delay")) == "/deployments/delay"
    assert node_page(node("prediction", "prediction:0190")) == "/predictions/0190"
    assert node_page(node("file", "path:a b.csv#12")) == "/graph?focus=path:a%20b.csv%2312"
    assert node_page(node("import", "")) == "/graph?focus=id:abc"


def test_names_are_quoted_and_never_taken_for_a_twin() -> None:
    assert page("data", "a/b c?") == "/data/a%2Fb%20c%3F"
    assert page("data", "x.json") == "/data/x.json/"
    assert twin("/data/x.json/") == "/data/x.json.json"


def test_references_lead_to_pages_or_to_the_search() -> None:
    assert reference_page("run:3f2a") == "/runs/3f2a"
    assert reference_page("something") == "/search?q=something"


def test_empty_words_stay_out() -> None:
    assert with_query("/runs", {"where": "", "order": None, "status": "failed"}) == "/runs?status=failed"
    assert with_query("/runs", {}) == "/runs"
