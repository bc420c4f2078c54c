"""A real MLflow client against a real server: only its tracking URI says that it is ours."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.lineal_server import RunningServer

SCRIPT = Path(__file__).parent / "client_script.py"
WALK = Path(__file__).parent / "client_walk.py"


@pytest.fixture(scope="module")
def project(open_server: RunningServer) -> str:
    httpx.post(f"{open_server.url}/api/v1/server/projects", json={"name": "mlflow"}).raise_for_status()
    return f"{open_server.url}/projects/mlflow"


@pytest.fixture(scope="module")
def said(project: str, mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script was told."""
    out = _run(SCRIPT, project, mlflow_python, tmp_path_factory)
    found: dict[str, Any] = json.loads(out[out.rindex('{"status"') :])
    return found


@pytest.fixture(scope="module")
def walked(open_server: RunningServer, mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the walk through all of the client was told."""
    httpx.post(f"{open_server.url}/api/v1/server/projects", json={"name": "walk"}).raise_for_status()
    out = _run(WALK, f"{open_server.url}/projects/walk", mlflow_python, tmp_path_factory)
    found: dict[str, Any] = json.loads(out[out.rindex("SAID ") + 5 :])
    return found


def _run(script: Path, uri: str, python: Path, folders: pytest.TempPathFactory) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "LINEAL_", "PYTHON"))}
    environment = {
        **kept,
        "MLFLOW_TRACKING_URI": uri,
        "MPLCONFIGDIR": str(folders.mktemp("mpl")),
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    words: dict[str, Any] = {"env": environment, "cwd": folders.mktemp("work"), "capture_output": True, "text": True, "timeout": 280}
    done = subprocess.run([str(python), str(script)], check=False, **words)
    assert done.returncode == 0, done.stderr[-3000:]
    return str(done.stdout)


EXPECTED = {
    "status": "FINISHED",
    "metrics": {"auc": 0.7, "inf": "inf", "loss": 0.05, "nan": "nan"},
    "params": {"depth": "4", "kind": "x"},
    "tags": {"team": "vision"},
    "inputs": [["train", "training"]],
    "artifacts": ["d.json", "figure.png", "folder", "image.png", "notes", "table.json"],
    "text": "hello",
    "folder": True,
    "table": {"q": ["a", "b"], "n": [1, 2]},
    "history": [[0, 1.0], [1, 0.5]],
    "parent": True,
    "search metric": ["first"],
    "search param": ["first"],
    "search tag": ["first"],
    "search state": ["first"],
    "search in": ["first"],
    "search none": [],
    "pages": [1, 1, True],
    "refused param": "INVALID_PARAMETER_VALUE",
    "refused run": "RESOURCE_DOES_NOT_EXIST",
    "refused experiment": "RESOURCE_ALREADY_EXISTS",
    "refused filter": "INVALID_PARAMETER_VALUE",
    "refused name": "INVALID_PARAMETER_VALUE",
    "loaded": True,
    "pyfunc": 3,
    "version": ["1", True, "READY"],
    "staged": ["1"],
    "registered": [["delay", "late or not", {"champion": "1"}]],
    "versions": [["1", {"checked": "yes"}]],
    "logged": True,
    "lightgbm": True,
    "resumed": [3.0, "FINISHED"],
    "deleted": "deleted",
    "restored": "active",
    "protected": "PERMISSION_DENIED",
    "renamed": True,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_client_is_told_what_mlflow_would_tell_it(name: str, said: dict[str, Any]) -> None:
    value = said[name]
    assert value == EXPECTED[name]


def test_autologging_logs(said: dict[str, Any]) -> None:
    assert "C" in said["autolog"]
    assert "training_accuracy_score" in said["autolog"]


def test_what_comes_in_is_ordinary_lineal(said: dict[str, Any], project: str) -> None:
    run = httpx.get(f"{project}/api/v1/runs/{said['ids']['first']}").json()
    assert (run["name"], run["experiment"], run["status"], run["metrics"]["auc"]) == ("first", "journeys", "finished", 0.7)
    assert {use["path"] for use in run["outputs"]} >= {"notes/a.txt", "figure.png"}
    models = httpx.get(f"{project}/api/v1/models").json()["models"]
    assert [(version["reference"] if "reference" in version else version["number"]) for version in models[0]["versions"]] == [1]
    graph = httpx.get(f"{project}/api/v1/lineage", params={"ref": "model:delay@champion"}).json()
    assert said["ids"]["auto"] in {node["id"] for node in graph["nodes"]}


def test_its_pages_show_it(said: dict[str, Any], project: str) -> None:
    page = httpx.get(f"{project}/runs/{said['ids']['first']}").text
    assert "notes/a.txt" in page
    assert httpx.get(f"{project}/models/delay@1").status_code == 200


WALKED = {
    "asynchronous": [30, 30, {"a": "1", "b": "2"}, "1"],
    "batch": ["KILLED", 999.0, 1000],
    "system_metrics": True,
    "datasets": [[["numbers", ["mlflow.data.context", "own"]], ["table", ["mlflow.data.context"]]], 1, "CodeDatasetSource"],
    "nested": [["inner2", "inner1", "inner0"], 3, "outer"],
    "pages": [[3, 7], [3, 7], [3, 7], 5, ["artifact_uri", "end_time", "experiment_id"]],
    "models": [[True] * 6, ["a", "b"], True],
    "logged_models": [
        {"a": "1"},
        {"kind": "line", "later": "yes"},
        [["rmse", 0.25]],
        ["line"],
        "second",
        2,
        "READY",
        3,
        ["MLmodel", "conda.yaml"],
    ],
    "registry": [
        "1",
        [["1", "the first", {}], ["2", "", {"staged": "yes"}]],
        [2, 2],
        [["1", "None"], ["2", "Staging"]],
        "INVALID_PARAMETER_VALUE",
        True,
        True,
    ],
    "deleting": ["deleted", "deleted", ["gone"], {"a": "1"}, "RESOURCE_DOES_NOT_EXIST"],
    "artifacts": [
        ["a/b/c d"],
        [["a/b/c d/größe.txt", False, 1]],
        0,
        ["a/b/c d/größe.txt", "a/empty", "again/größe.txt", "page.html", "t.json"],
        5,
        [1, 2],
        True,
        "<b>x</b>",
    ],
    "evaluating": [True, True],
    "tracing": [0, 4],
}
"""What MLflow 3.17's own server says to the same walk."""


@pytest.mark.parametrize("name", WALKED)
def test_all_of_the_client_walks(name: str, walked: dict[str, Any]) -> None:
    assert walked[name] == WALKED[name]


def test_the_walk_has_no_step_that_nobody_looks_at(walked: dict[str, Any]) -> None:
    assert walked.keys() == WALKED.keys()
