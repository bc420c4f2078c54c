import io
import json
import tarfile
from typing import Any

import pytest

from lineal.interfaces.http.routes import ENDPOINTS
from lineal.interfaces.http.table import PREFIX
from lineal.workspace.wire import unpack_series

READING = [endpoint for endpoint in ENDPOINTS if not endpoint.changes and endpoint.group != "people"]


def path_of(endpoint: Any, sample: Any) -> str:
    run = next(iter(sample.runs.all))
    prediction = sample.deployments.predictions("price")[0].id
    name = "price" if endpoint.group in {"deployments", "monitors"} else "houses"
    reference = "price@2" if endpoint.group == "models" else "houses@2"
    path = endpoint.path.format(run=run, prediction=prediction, name=name, reference=reference, alias="champion", view="best")
    words = {
        "by": "status",
        "key": "loss",
        "path": "data/train.parquet" if endpoint.group == "runs" else "2024.csv",
        "runs": ",".join(list(sample.runs.all)[:2]),
        "before": run if endpoint.group == "runs" else "houses@1",
        "after": next(iter(sample.runs.all)) if endpoint.group == "runs" else "houses@2",
        "prediction": prediction,
        "ref": "data:houses@2",
        "source": "cleaning",
    }
    if endpoint.path.endswith(("/series", "/points")):
        path = path.replace(run, list(sample.runs.all)[9])
    if endpoint.path.endswith("/artifact"):
        path = path.replace(run, list(sample.runs.all)[9])
    query = "&".join(f"{word.name}={words[word.name]}" for word in endpoint.query if word.required)
    return f"{PREFIX}{path}?{query}"


def test_where_one_works_alone_nobody_has_a_role(visitor: Any) -> None:
    answer = visitor.get(f"{PREFIX}/members")
    assert (answer.status_code, answer.json()["kind"]) == (404, "no-server")


@pytest.mark.parametrize("endpoint", READING, ids=lambda endpoint: endpoint.path)
def test_every_reading_endpoint_answers(endpoint: Any, visitor: Any, sample: Any) -> None:
    answer = visitor.get(path_of(endpoint, sample))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(endpoint.answers)


@pytest.mark.parametrize("endpoint", [each for each in READING if any(word.required for word in each.query)], ids=lambda each: each.path)
def test_a_missing_word_is_named(endpoint: Any, visitor: Any, sample: Any) -> None:
    answer = visitor.get(path_of(endpoint, sample).partition("?")[0])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["kind"] == "missing-parameter"


def test_runs_come_with_their_number(visitor: Any) -> None:
    found = visitor.get("/api/v1/runs?where=params.max_depth = 4&order=metrics.rmse&limit=5").json()
    assert len(found["runs"]) == 5 < found["total"]
    assert {run["params"]["max_depth"] for run in found["runs"]} == {4}
    assert {"id", "name", "status", "inputs", "outputs", "code", "environment", "capture"} <= set(found["runs"][0])


def test_what_is_not_a_number_is_still_json(visitor: Any, sample: Any) -> None:
    run = next(run for run in sample.runs.all.values() if run.number == 11)
    answer = visitor.get(f"/api/v1/runs/{run.id}")
    assert json.loads(answer.text, parse_constant=pytest.fail)["metrics"]["rmse"] == "NaN"


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/runs/ffffffff", 404, "unknown-reference"),
        ("/runs?where=metrics.rmse >", 422, "bad-filter"),
        ("/runs?limit=many", 422, "bad-parameter"),
        ("/runs?limit=-1", 422, "bad-parameter"),
        ("/compare?runs=abcd", 422, "too-few-runs"),
        ("/monitors/price?every=century", 422, "bad-parameter"),
        ("/nothing/here", 404, "unknown-page"),
        ("/resolve?ref=price", 409, "ambiguous-reference"),
    ],
)
def test_what_goes_wrong_is_a_problem_document(path: str, status: int, kind: str, visitor: Any) -> None:
    answer = visitor.get(PREFIX + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["kind"] == kind
    assert problem["status"] == status
    assert problem["type"] == f"urn:lineal:error:{kind}"


def test_a_wrong_method_says_the_right_one(visitor: Any) -> None:
    answer = visitor.post("/api/v1/runs", {})
    assert answer.status_code == 405
    assert "GET" in answer.json()["hint"]


def test_a_failure_of_ours_shows_no_traceback(visitor: Any, sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample.datasets, "list", lambda: 1 / 0)
    answer = visitor.get("/api/v1/datasets")
    assert answer.status_code == 500
    assert answer.json()["kind"] == "internal-error"
    assert "division" not in answer.text
    page = visitor.get("/data")
    assert page.status_code == 500
    assert "division" not in page.text


def test_a_mark_is_set_and_taken_off(visitor: Any, newest: Any, sample: Any) -> None:
    assert visitor.post(f"/api/v1/runs/{newest.id}/mark", {"reason": "leak"}).json()["mistake"] == "leak"
    assert sample.runs.get(newest.id).mistake == "leak"
    assert visitor.post(f"/api/v1/runs/{newest.id}/mark", {"reason": ""}).json()["mistake"] == ""


def test_note_and_tags_are_set(visitor: Any, newest: Any) -> None:
    found = visitor.post(f"/api/v1/runs/{newest.id}/annotate", {"note": "good", "tags": {"stage": "final"}}).json()
    assert (found["note"], found["tags"]) == ("good", {"stage": "final"})


def test_an_ended_run_cannot_be_stopped(visitor: Any, newest: Any) -> None:
    answer = visitor.post(f"/api/v1/runs/{newest.id}/stop")
    assert (answer.status_code, answer.json()["kind"]) == (409, "run-ended")


def test_a_model_is_registered_and_an_alias_moved(visitor: Any, newest: Any) -> None:
    made = visitor.post("/api/v1/models", {"run": newest.id, "name": "price", "note": "try"}).json()
    assert made["number"] == 3
    assert visitor.ask("PUT", "/api/v1/models/price@3/aliases/champion", json={}).json()["aliases"] == ["champion"]
    assert visitor.get("/api/v1/models/price@2").json()["aliases"] == []
    assert visitor.ask("DELETE", "/api/v1/models/price/aliases/champion", json={}).json() == {"removed": "champion"}


def test_a_deployment_is_stopped(visitor: Any) -> None:
    assert visitor.post("/api/v1/deployments/price/undeploy").json()["status"] == "stopped"


def test_what_stands_in_production_is_not_deleted(visitor: Any) -> None:
    plan = visitor.get("/api/v1/lineage/plan?ref=data:houses@2").json()
    assert plan["refused"]
    assert [node["kind"] for node in plan["path"]][-1] == "deployment"
    answer = visitor.post("/api/v1/lineage/delete", {"ref": "data:houses@2", "plan": plan["hash"]})
    assert (answer.status_code, answer.json()["kind"]) == (403, "protected")


def test_a_deletion_needs_the_plan_that_was_seen(visitor: Any, newest: Any) -> None:
    reference = f"run:{newest.id}"
    stale = visitor.post("/api/v1/lineage/delete", {"ref": reference, "plan": "0000"})
    assert (stale.status_code, stale.json()["kind"]) == (409, "stale-plan")
    plan = visitor.get(f"/api/v1/lineage/plan?ref={reference}").json()["hash"]
    assert visitor.post("/api/v1/lineage/delete", {"ref": reference, "plan": plan}).status_code == 200
    assert visitor.post("/api/v1/lineage/undelete", {"ref": reference}).json()["nodes"][0]["id"] == newest.id


def test_truth_comes_as_csv_or_as_rows(visitor: Any) -> None:
    path = "/api/v1/monitors/price/truth"
    rows = visitor.post(path, {"rows": [{"prediction_id": "a", "label": 1}, {"prediction_id": "b", "label": 0}]})
    assert rows.json()["accepted"] == 2
    table = visitor.ask("POST", path, content=b"prediction_id,label\na,1\n", headers={"content-type": "text/csv"})
    assert table.json()["accepted"] == 1
    missing = visitor.ask("POST", path, content=b"prediction_id,truth\na,1\n", headers={"content-type": "text/csv"})
    assert (missing.status_code, missing.json()["kind"]) == (422, "missing-column")
    assert visitor.post(path, {"rows": "a,1"}).json()["kind"] == "bad-body"


def test_a_file_is_sent_as_a_download(visitor: Any, newest: Any) -> None:
    answer = visitor.get(f"/api/v1/runs/{newest.id}/artifact?path=data/train.parquet")
    assert answer.content == b"bytes of data/train.parquet"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''train.parquet"
    assert visitor.get(f"/api/v1/runs/{newest.id}/artifact?path=/etc/passwd").status_code == 404
    for words in ("", "&inline=1"):
        answer = visitor.get(f"/api/v1/runs/{newest.id}/artifact?path=data/train.parquet{words}")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("application/octet-stream", "nosniff")


def test_a_deployment_is_asked_for_with_its_types(visitor: Any, sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def deploy(model: str, **options: Any) -> Any:
        asked.update(options, model=model)
        return sample.deployments.get("price")

    monkeypatch.setattr(sample.deployments, "deploy", deploy)
    answer = visitor.post(f"{PREFIX}/deployments", {"model": "model:price@2", "name": "price", "trial": True, "skip_drift": ["year"]})
    assert (answer.status_code, answer.json()["name"]) == (200, "price")
    assert callable(asked.pop("progress"))
    assert asked == {"model": "model:price@2", "name": "price", "port": 0, "trial": True, "skip_drift": ("year",)}


@pytest.mark.parametrize(
    "body", [{}, {"model": ""}, {"model": "a@1", "trial": "yes"}, {"model": "a@1", "port": -1}, {"model": "a@1", "skip_drift": "year"}]
)
def test_a_deployment_asked_for_wrongly_is_refused(body: dict[str, Any], visitor: Any) -> None:
    answer = visitor.post(f"{PREFIX}/deployments", body)
    assert (answer.status_code, answer.json()["kind"]) == (422, "bad-body")


def test_a_file_comes_in_the_range_that_was_asked_for(visitor: Any) -> None:
    path = "/api/v1/datasets/houses@2/file?path=2024.csv"
    whole = visitor.get(path)
    assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(len(whole.content)))
    for wanted, part in (("bytes=2-4", whole.content[2:5]), ("bytes=3-", whole.content[3:]), ("bytes=-3", whole.content[-3:])):
        answer = visitor.get(path, headers={"range": wanted})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(whole.content)}")
    assert visitor.get(path, headers={"range": f"bytes={len(whole.content)}-"}).status_code == 416
    assert visitor.get(path, headers={"range": "bytes=4-2"}).content == whole.content


def test_series_come_as_columns(visitor: Any, sample: Any) -> None:
    run = list(sample.runs.all)[9]
    found = unpack_series(visitor.get(f"/api/v1/runs/{run}/points?key=loss").content)
    assert found == tuple(sample.runs.series(run, "loss"))


def test_a_log_comes_from_the_byte_that_was_asked_for(visitor: Any, newest: Any) -> None:
    whole = visitor.get(f"/api/v1/runs/{newest.id}/log").content
    assert visitor.get(f"/api/v1/runs/{newest.id}/log?offset=7").content == whole[7:]


def test_a_bundle_comes_as_an_archive(visitor: Any) -> None:
    answer = visitor.get("/api/v1/models/price@2/export")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert archive.getnames() == ["manifest.json"]


def test_long_work_tells_how_far_it_is(visitor: Any) -> None:
    answer = visitor.get("/api/v1/check", headers={"accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in answer.text.splitlines() if line]
    assert [line["progress"] for line in lines[:-1]] == [["store", 0, 2], ["ledger", 1, 2]]
    assert [report["subject"] for report in lines[-1]["result"]["reports"]] == ["store", "ledger"]


def test_long_work_that_fails_says_why_in_its_last_line(visitor: Any) -> None:
    answer = visitor.post("/api/v1/deployments", {"model": "price@2"}, headers={"accept": "application/x-ndjson"})
    assert json.loads(answer.text.splitlines()[-1])["problem"]["kind"]


@pytest.mark.parametrize("grace", ["-1", "nan", "inf", "soon"])
def test_a_grace_is_a_number_of_seconds(grace: str, visitor: Any) -> None:
    assert visitor.get(f"/api/v1/garbage?grace={grace}").json()["kind"] == "bad-parameter"
    assert visitor.get("/api/v1/garbage?grace=3.0").json()["garbage_bytes"] == 3
