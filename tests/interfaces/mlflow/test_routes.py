"""The MLflow API itself: bounds, refusals, oddities, and what must not get through."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lineal.interfaces.mlflow.answers import Refusal, decode, number
from lineal.interfaces.mlflow.artifacts import clean
from lineal.interfaces.mlflow.filters import read_filter, read_order
from lineal.records.filter import Comparison, Every, parse_order
from lineal.server import application
from lineal.workspace.hosting import Hosting

API = "/api/2.0/mlflow"


class Server:
    """A server in this process that asks nobody who they are."""

    def __init__(self, folder: Path, *, database: str = "") -> None:
        self.hosting = Hosting(folder=folder, database=database, settings={}, actor="ann")
        self.app = application(self.hosting, local="ann")

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost") as client:
                return await client.request(method, path, **options)

        return anyio.run(go)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.ask("POST", API + path, json=body)

    def run(self, **body: Any) -> str:
        return str(self.post("/runs/create", experiment_id="0", start_time=1, **body).json()["run"]["info"]["run_id"])

    def data(self, run: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"{API}/runs/get", params={"run_id": run}).json()["run"]["data"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("mlflow") / "server")
    yield made
    made.hosting.close()


def test_a_fresh_server_has_the_experiment_default(server: Server) -> None:
    found = server.ask("GET", f"{API}/experiments/get", params={"experiment_id": "0"}).json()["experiment"]
    assert (found["name"], found["lifecycle_stage"], found["artifact_location"]) == ("Default", "active", "mlflow-artifacts:/0")


def test_empty_lists_are_left_out_and_numbers_stay_numbers(server: Server) -> None:
    run = server.run()
    found = server.ask("GET", f"{API}/runs/get", params={"run_id": run}).json()["run"]
    assert found["inputs"] == {}
    assert "metrics" not in found["data"]
    assert isinstance(found["info"]["start_time"], int)
    assert "end_time" not in found["info"]


def test_what_is_not_finite_is_a_text(server: Server) -> None:
    run = server.run()
    for key, value in (("a", "NaN"), ("b", "Infinity"), ("c", "-Infinity")):
        assert server.post("/runs/log-metric", run_id=run, key=key, value=value, timestamp=1).status_code == 200
    body = f'{{"run_id": "{run}", "key": "d", "value": NaN, "timestamp": 1}}'
    assert server.ask("POST", f"{API}/runs/log-metric", content=body, headers={"content-type": "application/json"}).status_code == 200
    assert {metric["key"]: metric["value"] for metric in server.data(run)["metrics"]} == {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": "NaN"}
    assert (number(math.nan), number(1.5)) == ("NaN", 1.5)


def test_numbers_may_come_as_texts_and_runs_by_their_old_name(server: Server) -> None:
    run = server.run()
    assert server.post("/runs/log-metric", run_uuid=run, key="a", value="1.5", timestamp="1700000000000", step="3").status_code == 200
    history = server.ask("GET", f"{API}/metrics/get-history", params={"run_uuid": run, "metric_key": "a"}).json()["metrics"]
    assert history == [{"key": "a", "value": 1.5, "timestamp": 1700000000000, "step": 3}]


BAD = [
    ("/runs/log-metric", {"key": "a", "value": "x", "timestamp": 1}),
    ("/runs/log-metric", {"key": "a", "value": 1}),
    ("/runs/log-metric", {"key": "a", "value": 1, "timestamp": 1 << 70}),
    ("/runs/log-metric", {"key": "../a", "value": 1, "timestamp": 1}),
    ("/runs/log-metric", {"key": "a" * 251, "value": 1, "timestamp": 1}),
    ("/runs/log-metric", {"value": 1, "timestamp": 1}),
    ("/runs/log-metric", {"key": "a;b", "value": 1, "timestamp": 1}),
    ("/runs/log-parameter", {"key": "a", "value": 1}),
    ("/runs/set-tag", {"key": "a", "value": {}}),
    ("/runs/log-batch", {"metrics": [{"key": "a", "value": 1, "timestamp": 1}] * 1001}),
    ("/runs/log-batch", {"params": [{"key": f"p{number}", "value": "1"} for number in range(101)]}),
    ("/runs/log-batch", {"metrics": "none"}),
    ("/runs/log-batch", {"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}),
    ("/runs/update", {"status": "DANCING"}),
    ("/runs/search", {"experiment_ids": ["0"], "max_results": 50_001}),
    ("/runs/search", {"experiment_ids": ["0"], "page_token": "nonsense"}),
    ("/runs/search", {"experiment_ids": ["0"], "filter": "metrics.a >"}),
    ("/runs/search", {"experiment_ids": ["0"], "order_by": ["attributes.nothing"]}),
]


@pytest.mark.parametrize(("path", "body"), BAD, ids=[f"{path} {number}" for number, (path, _body) in enumerate(BAD)])
def test_bad_values_are_refused_as_mlflow_refuses_them(path: str, body: dict[str, Any], server: Server) -> None:
    answer = server.post(path, run_id=server.run(), **body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert answer.json()["message"]


def test_a_batch_that_is_refused_leaves_nothing(server: Server) -> None:
    run = server.run()
    refused = server.post("/runs/log-batch", run_id=run, metrics=[{"key": "ok", "value": 1, "timestamp": 1}], tags=[{"key": "../x", "value": "1"}])
    assert refused.status_code == 400
    assert "metrics" not in server.data(run)


def test_what_is_not_there_is_told_by_mlflows_name(server: Server) -> None:
    missing = [
        server.ask("GET", f"{API}/runs/get", params={"run_id": "0" * 32}),
        server.ask("GET", f"{API}/runs/get", params={"run_id": "../../etc"}),
        server.ask("GET", f"{API}/experiments/get", params={"experiment_id": "77"}),
        server.ask("GET", f"{API}/experiments/get-by-name", params={"experiment_name": "none"}),
        server.ask("GET", f"{API}/registered-models/get", params={"name": "none"}),
        server.ask("GET", f"{API}/model-versions/get", params={"name": "none", "version": "1"}),
        server.post("/runs/log-metric", run_id="0" * 32, key="a", value=1, timestamp=1),
    ]
    assert {(answer.status_code, answer.json()["error_code"]) for answer in missing} == {(404, "RESOURCE_DOES_NOT_EXIST")}
    for path in ("/api/2.0/mlflow/nothing", "/api/3.0/mlflow/traces", "/ajax-api/2.0/mlflow/webhooks"):
        assert server.ask("GET", path).json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    for content, kind in (
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'"[]"', "application/json"),
    ):
        answer = server.ask("POST", f"{API}/runs/create", content=content, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        answer = server.ask("POST", f"{API}/runs/create", content=b"{}", headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    large = server.ask("POST", f"{API}/runs/create", content=b" " * (9 << 20), headers={"content-type": "application/json"})
    assert large.status_code == 400


def test_a_delete_may_have_a_body(server: Server) -> None:
    server.post("/registered-models/create", name="gone")
    assert server.ask("DELETE", f"{API}/registered-models/delete", json={"name": "gone"}).status_code == 200
    assert server.ask("GET", f"{API}/registered-models/get", params={"name": "gone"}).status_code == 404


def test_a_param_may_be_said_twice_and_not_changed(server: Server) -> None:
    run = server.run()
    for _time in range(2):
        assert server.post("/runs/log-parameter", run_id=run, key="a", value="1").status_code == 200
    assert "Changing param values is not allowed" in server.post("/runs/log-parameter", run_id=run, key="a", value="2").json()["message"]
    server.hosting.workspace("default").requested._known.clear()  # type: ignore[attr-defined]
    assert server.post("/runs/log-parameter", run_id=run, key="a", value="2").status_code == 400


def test_what_was_acknowledged_is_there_after_a_death(tmp_path: Path) -> None:
    first = Server(tmp_path / "server")
    run = first.run(run_name="long")
    first.post("/runs/log-batch", run_id=run, metrics=[{"key": "a", "value": step, "timestamp": step, "step": step} for step in range(1000)])
    first.hosting.close()  # nothing was read in: the next server finds the journal
    second = Server(tmp_path / "server")
    assert second.data(run)["metrics"][0]["value"] == 999
    second.post("/runs/log-metric", run_id=run, key="a", value=1.5, timestamp=2000, step=1000)
    second.post("/runs/update", run_id=run, status="FINISHED", end_time=5000)
    history = second.ask("GET", f"{API}/metrics/get-history", params={"run_id": run, "metric_key": "a"}).json()["metrics"]
    assert len(history) == 1001
    second.hosting.close()


def test_pages_go_on_where_they_ended(server: Server) -> None:
    experiment = server.post("/experiments/create", name="many").json()["experiment_id"]
    made = {server.post("/runs/create", experiment_id=experiment, start_time=at).json()["run"]["info"]["run_id"] for at in range(1, 8)}
    seen: list[str] = []
    token = ""
    while True:
        found = server.post("/runs/search", experiment_ids=[experiment], max_results=3, page_token=token).json()
        seen += [run["info"]["run_id"] for run in found["runs"]]
        token = found.get("next_page_token", "")
        if not token:
            break
    assert len(seen) == 7
    assert set(seen) == made


OUTSIDE = ["0/../../x", "..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/x", "0/RUN/artifacts/../../x", "0/RUN/artifacts/%252e%252e/x", "//etc/passwd", "0/RUN/artifacts/a%00b", "0/RUN/artifacts/a%5c..%5cb", "0/RUN/artifacts/", "file:///etc/passwd"]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_artifact_never_lies_outside(method: str, path: str, server: Server) -> None:
    place = f"/api/2.0/mlflow-artifacts/artifacts/{path.replace('RUN', server.run())}"
    answer = server.ask(method, place, content=b"x" if method == "PUT" else None)
    assert answer.status_code in {400, 404}


def test_a_source_that_a_client_names_is_never_fetched(server: Server) -> None:
    server.post("/registered-models/create", name="sourced")
    for source in ("http://169.254.169.254/latest", "s3://bucket/model", "file:///etc", "/etc/passwd", "runs:/../x", "mlflow-artifacts:/0/../../etc"):
        answer = server.post("/model-versions/create", name="sourced", source=source)
        assert answer.status_code in {400, 404}


def test_an_artifact_is_never_shown_by_the_browser(server: Server) -> None:
    run = server.run()
    place = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/page.html"
    server.ask("PUT", place, content=b"<script>alert(1)</script>")
    headers = server.ask("GET", place).headers
    assert headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in headers["content-security-policy"]


def _read(text: str) -> list[tuple[str, str, str, list[str]]]:
    """Section, key, operator and values of each comparison that a filter becomes."""
    found = read_filter(text)
    assert isinstance(found, Every)
    comparisons = [item for item in found.items if isinstance(item, Comparison)]
    return [(item.field.section, item.field.key, item.operator, [value.text for value in item.values]) for item in comparisons]


def test_filters_mean_what_mlflows_mean() -> None:
    assert _read("attributes.status = 'KILLED' and tags.status = 'KILLED'") == [
        ("attributes", "status", "in", ["stopped"]),
        ("tags", "status", "=", ["KILLED"]),
    ]
    assert _read("attributes.status LIKE 'F%'") == [("attributes", "status", "in", ["finished", "failed", "crashed"])]
    assert _read("params.`start_time` = '1'") == [("params", "start_time", "=", ["1"])]
    assert _read("attributes.run_name ILIKE 'a%'") == [("attributes", "name", "like", ["a%"])]
    assert _read("run_id = 'abcd'") == [("attributes", "id", "=", ["0" * 32])]


def test_only_times_are_times_and_only_names_are_names() -> None:
    assert _read("tags.x = 'started_at > 1700000000000'") == [("tags", "x", "=", ["started_at > 1700000000000"])]
    assert _read("start_time > 1000 and metrics.a > 1000") == [
        ("attributes", "started_at", ">", ["1970-01-01T00:00:01.000000Z"]),
        ("metrics", "a", ">", ["1000.0"]),
    ]
    assert _read("end_time < 1e30")[0][3] == ["2223-07-06T14:13:20.000000Z"]
    assert read_order(["metrics.`a b` DESC", "attributes.start_time"]) == "metrics.`a b` desc, attributes.`started_at` asc"
    assert [order.field.key for order in parse_order(read_order(["metrics.`a, b` DESC", "params.c"]))] == ["a, b", "c"]


def test_python_writes_json_in_its_own_way() -> None:
    assert decode(json.dumps({"a": math.inf}).encode()) == {"a": math.inf}


def test_a_client_does_not_write_into_lineals_own_tags(server: Server) -> None:
    run = server.run()
    tag = {"key": "lineal.input.train.d1", "value": "{"}
    refused = [
        server.post("/runs/set-tag", run_id=run, **tag),
        server.post("/runs/log-batch", run_id=run, tags=[tag]),
        server.post("/runs/create", experiment_id="0", tags=[tag]),
    ]
    assert [answer.status_code for answer in refused] == [400] * 3


def test_what_somebody_wrote_there_by_another_door_does_no_harm(server: Server) -> None:
    experiment = server.post("/experiments/create", name="harmed").json()["experiment_id"]
    run = server.post("/runs/create", experiment_id=experiment, start_time=1).json()["run"]["info"]["run_id"]
    server.post("/runs/log-inputs", run_id=run, datasets=[{"dataset": {"name": "train", "digest": "d1", "source_type": "local", "source": "{}"}}])
    workspace: Any = server.hosting.workspace("default")
    workspace.requested.log(run, tags={"lineal.input.x": "{", "lineal.input.y": "[]", "lineal.output.z": "x", "lineal.input.v": '{"tags": []}'})
    found = server.post("/runs/search", experiment_ids=[experiment], filter="dataset.name = 'train'").json()["runs"]
    assert [[one["dataset"]["name"] for one in run["inputs"]["dataset_inputs"]] for run in found] == [["train"]]


def test_data_that_two_runs_used_by_name_is_one_source_in_the_graph_and_an_input_of_both(server: Server) -> None:
    made = {
        "name": "flights",
        "digest": "9f3a",
        "source_type": "http",
        "source": '{"url": "https://ann:secret@data.example/flights.csv"}',
        "profile": '{"num_rows": 500}',
    }
    context = [{"key": "mlflow.data.context", "value": "training"}]
    first, second = server.run(), server.run()
    for run in (first, second):
        assert server.post("/runs/log-inputs", run_id=run, datasets=[{"dataset": made, "tags": context}]).status_code == 200
        server.post("/runs/update", run_id=run, status="FINISHED", end_time=5)
    server.data(first)
    server.data(second)
    workspace = server.hosting.workspace("default")
    (use,) = workspace.runs.get(first).inputs
    assert (use.path, use.digest, use.role, use.restorable) == ("datasets/flights", "mlflow:9f3a", "train", False)
    assert (use.facts["named"]["rows"], use.facts["named"]["source_type"]) == (500, "http")
    assert "secret" not in str(use.facts)
    assert workspace.runs.get(second).inputs[0].occurrence == use.occurrence
    graph = workspace.lineage.graph(f"run:{first}", both=True)
    assert {first, use.occurrence} <= {node.id for node in graph.nodes}


@pytest.mark.parametrize("path", ["a/%2e%2e/b", "%252e%252e/b", "a/..%2fb", "%2e", "a//b", "..", "a%5Cb", "a%00b", "%25252525252525252525252e"])
def test_a_path_that_would_lead_out_when_it_is_decoded_again_is_refused(path: str) -> None:
    with pytest.raises(Refusal):
        clean(path)


@pytest.mark.parametrize("path", ["loss%step%2%timestamp%17%ab.png", "100%", "a%20b", "%zz"])
def test_a_path_with_percent_signs_in_its_names_is_a_path(path: str) -> None:
    assert clean(f"images/{path}") == f"images/{path}"
