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


@pytest.fixture(scope="module")
def project(open_server: RunningServer) -> str:
    httpx.post(f"{open_server.url}/api/v1/server/projects", json={"name": "mlflow"}).raise_for_status()
    return f"{open_server.url}/projects/mlflow"


@pytest.fixture(scope="module")
def said(project: str, mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script was told."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "LINEAL_", "PYTHON"))}
    environment = {
        **kept,
        "MLFLOW_TRACKING_URI": project,
        "MPLCONFIGDIR": str(tmp_path_factory.mktemp("mpl")),
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    done = subprocess.run(
        [str(mlflow_python), str(SCRIPT)],
        env=environment,
        cwd=tmp_path_factory.mktemp("work"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.rindex('{"status"') :])
    return found


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
