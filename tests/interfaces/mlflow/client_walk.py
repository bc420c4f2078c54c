"""The rest of what MLflow's client can do, one thing after the other; run with MLflow's own Python, its tracking URI being ours. Prints one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

said: dict[str, Any] = {}
client = MlflowClient()


def tells(work: Callable[[], Any]) -> Any:
    """Keeps what a step returns, by its name; one that fails tells why."""
    try:
        said[work.__name__] = work()
    except Exception as error:  # noqa: BLE001 - the next step is walked all the same, and the test shows what went wrong
        said[work.__name__] = f"{type(error).__name__}: {error}"[:600]
    return work


def refused(work: Callable[[], Any]) -> str:
    try:
        work()
    except MlflowException as error:
        return str(error.error_code)
    return "nothing"


mlflow.set_experiment("walk")
experiment = client.get_experiment_by_name("walk").experiment_id
table = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) ** 2})
label = 3 * table.a + 1
estimator = LinearRegression().fit(table, label)


@tells
def asynchronous() -> Any:
    with mlflow.start_run() as run:
        for step in range(30):
            mlflow.log_metrics({"loss": step / 2, "auc": step / 3}, step=step, synchronous=False)
        mlflow.log_params({"a": 1, "b": 2}, synchronous=False)
        mlflow.set_tags({"t": "1"}, synchronous=False)
        mlflow.flush_async_logging()
    found = client.get_run(run.info.run_id)
    return [len(client.get_metric_history(run.info.run_id, key)) for key in ("loss", "auc")] + [found.data.params, found.data.tags["t"]]


@tells
def batch() -> Any:
    run = client.create_run(experiment, run_name="batch")
    metrics = [Metric("m", float(step), 1_700_000_000_000 + step, step) for step in range(1000)]
    client.log_batch(run.info.run_id, metrics, [Param("p", "1")], [RunTag("t", "2")])
    client.set_terminated(run.info.run_id, "KILLED")
    found = client.get_run(run.info.run_id)
    return [found.info.status, found.data.metrics["m"], len(client.get_metric_history(run.info.run_id, "m"))]


@tells
def system_metrics() -> Any:
    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(0.2)
    mlflow.set_system_metrics_samples_before_logging(1)
    with mlflow.start_run() as run:
        deadline = time.monotonic() + 30
        while not any(key.startswith("system/") for key in client.get_run(run.info.run_id).data.metrics) and time.monotonic() < deadline:
            time.sleep(0.2)
    mlflow.disable_system_metrics_logging()
    return "system/cpu_utilization_percentage" in client.get_run(run.info.run_id).data.metrics


@tells
def datasets() -> Any:
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_numpy(np.arange(12.0).reshape(3, 4), name="numbers"), context="training", tags={"own": "1"})
        mlflow.log_input(mlflow.data.from_pandas(table, name="table", targets="b"), context="test")
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    found = mlflow.search_runs([experiment], "dataset.name = 'numbers' and dataset.context = 'training'", output_format="list")
    source = mlflow.data.get_source(next(one.dataset for one in inputs if one.dataset.name == "table"))
    return [sorted((one.dataset.name, sorted(tag.key for tag in one.tags)) for one in inputs), len(found), type(source).__name__]


@tells
def nested() -> Any:
    with mlflow.start_run(run_name="outer") as outer:
        names = []
        for number in range(3):
            with mlflow.start_run(run_name=f"inner{number}", nested=True):
                mlflow.log_metric("score", number)
                with mlflow.start_run(run_name=f"deep{number}", nested=True) as deep:
                    names.append(deep.data.tags["mlflow.parentRunId"])
    children = mlflow.search_runs(
        [experiment], f"tags.mlflow.parentRunId = '{outer.info.run_id}'", order_by=["metrics.score DESC"], output_format="list"
    )
    return [[run.info.run_name for run in children], len(set(names)), client.get_parent_run(children[0].info.run_id).info.run_name]


def every(page: Callable[[str | None], Any]) -> tuple[int, int]:
    """Pages and things, following tokens."""
    pages = things = 0
    token: str | None = None
    while pages < 50:
        found = page(token)
        pages, things, token = pages + 1, things + len(found), found.token
        if not token:
            break
    return pages, things


@tells
def pages() -> Any:
    other = client.create_experiment("pages")
    for number in range(7):
        client.create_run(other, run_name=f"r{number}")
        client.create_experiment(f"page {number}")
        client.create_registered_model(f"page {number}")
    return [
        every(lambda token: client.search_runs([other], max_results=3, page_token=token)),
        every(lambda token: client.search_experiments(filter_string="name LIKE 'page %'", max_results=3, page_token=token)),
        every(lambda token: client.search_registered_models("name LIKE 'page %'", max_results=3, page_token=token)),
        len(mlflow.search_runs([other], output_format="list", max_results=5)),
        sorted(mlflow.search_runs([other]).columns)[:3],
    ]


@tells
def models() -> Any:
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(estimator, name="line", input_example=table[:2], params={"kind": "line"}, registered_model_name="line")
        mlflow.log_metric("rmse", 0.25, model_id=info.model_id)
        mlflow.sklearn.log_model(estimator, name="second", registered_model_name="line")
    client.set_registered_model_alias("line", "champion", "1")
    client.transition_model_version_stage("line", "2", "Staging")
    same = [
        mlflow.pyfunc.load_model(uri).predict(table[:3]).tolist() == estimator.predict(table[:3]).tolist()
        for uri in (
            "models:/line@champion",
            "models:/line/1",
            "models:/line/Staging",
            f"models:/{info.model_id}",
            f"runs:/{run.info.run_id}/line",
            info.model_uri,
        )
    ]
    signature = mlflow.models.get_model_info("models:/line/1").signature
    return [same, signature.inputs.input_names(), info.model_id in {made.model_id for made in client.get_run(run.info.run_id).outputs.model_outputs}]


@tells
def logged_models() -> Any:
    found = mlflow.search_logged_models([experiment], "name = 'line'", output_format="list")[0]
    client.set_logged_model_tags(found.model_id, {"a": "1", "b": "2"})
    client.delete_logged_model_tag(found.model_id, "b")
    client.log_model_params(found.model_id, {"later": "yes"})
    again = mlflow.get_logged_model(found.model_id)
    by_metric = mlflow.search_logged_models([experiment], "metrics.rmse < 1 AND params.kind = 'line'", output_format="list")
    ordered = mlflow.search_logged_models([experiment], order_by=[{"field_name": "metrics.rmse", "ascending": True}], output_format="list")
    frame = mlflow.search_logged_models([experiment])
    external = mlflow.create_external_model(name="outside", params={"x": "1"})
    paged = every(lambda token: client.search_logged_models([experiment], max_results=2, page_token=token))
    return [
        {key: value for key, value in again.tags.items() if not key.startswith("mlflow.")},
        again.params,
        [(metric.key, metric.value) for metric in again.metrics],
        [model.name for model in by_metric],
        ordered[0].name,
        len(frame),
        str(external.status),
        paged[1],
        sorted(one.path for one in client.list_logged_model_artifacts(found.model_id))[:2],
    ]


@tells
def registry() -> Any:
    client.set_registered_model_tag("line", "team", "vision")
    client.set_model_version_tag("line", "1", "checked", "yes")
    client.update_model_version("line", "1", description="the first")
    client.set_model_version_tag("line", stage="Staging", key="staged", value="yes")
    copied = client.copy_model_version("models:/line/1", "copy")
    client.rename_registered_model("copy", "copied")
    client.delete_model_version_tag("line", "1", "checked")
    client.delete_registered_model_tag("line", "team")
    versions = client.search_model_versions("name = 'line'", order_by=["version_number ASC"])
    pages = every(lambda token: client.search_model_versions("name = 'line'", max_results=1, page_token=token))
    latest = [(version.version, version.current_stage) for version in client.get_latest_versions("line")]
    client.delete_registered_model_alias("line", "champion")
    loaded = mlflow.pyfunc.load_model("models:/copied/1").predict(table[:1]).tolist()
    return [
        copied.version,
        [(version.version, version.description, version.tags) for version in versions],
        pages,
        sorted(latest),
        refused(lambda: client.get_model_version_by_alias("line", "champion")),
        loaded == estimator.predict(table[:1]).tolist(),
        client.get_model_version_download_uri("line", "1").startswith("mlflow-artifacts:/"),
    ]


@tells
def deleting() -> Any:
    gone = client.create_experiment("gone")
    run = client.create_run(gone)
    client.delete_run(run.info.run_id)
    first = client.get_run(run.info.run_id).info.lifecycle_stage
    client.restore_run(run.info.run_id)
    client.delete_experiment(gone)
    middle = client.get_experiment(gone).lifecycle_stage
    hidden = [one.name for one in client.search_experiments(view_type=mlflow.entities.ViewType.DELETED_ONLY)]
    client.restore_experiment(gone)
    client.set_experiment_tag(gone, "a", "1")
    client.delete_registered_model("page 0")
    return [first, middle, hidden, client.get_experiment(gone).tags, refused(lambda: client.get_registered_model("page 0"))]


@tells
def artifacts() -> Any:
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
        deep = Path(folder) / "a" / "b" / "c d"
        deep.mkdir(parents=True)
        (deep / "größe.txt").write_text("x")
        (Path(folder) / "a" / "empty").touch()
        mlflow.log_artifacts(folder)
        mlflow.log_artifact(str(deep / "größe.txt"), "again")
        mlflow.log_table(pd.DataFrame({"q": [1]}), "t.json")
        mlflow.log_table(pd.DataFrame({"q": [2]}), "t.json")
        mlflow.log_image(np.zeros((8, 8, 3), dtype=np.uint8), key="picture", step=3)
        mlflow.log_text("<b>x</b>", "page.html")
    identifier = run.info.run_id
    with tempfile.TemporaryDirectory() as there:
        command = [sys.executable, "-m", "mlflow", "artifacts", "download", "--run-id", identifier, "--dst-path", there]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        got = sorted(str(path.relative_to(there)) for path in Path(there).rglob("*") if path.is_file() and "images" not in path.parts)
        listing = subprocess.run(
            [sys.executable, "-m", "mlflow", "artifacts", "list", "--run-id", identifier], capture_output=True, text=True, check=False
        )
    return [
        [one.path for one in client.list_artifacts(identifier, "a/b")],
        [(one.path, one.is_dir, one.file_size) for one in client.list_artifacts(identifier, "a/b/c d")],
        done.returncode,
        got,
        len(json.loads(listing.stdout)),
        mlflow.load_table("t.json", run_ids=[identifier])["q"].tolist(),
        len(client.list_artifacts(identifier, "images")) > 0,
        mlflow.artifacts.load_text(f"{run.info.artifact_uri}/page.html"),
    ]


@tells
def evaluating() -> Any:
    with mlflow.start_run() as run:
        scored = table.assign(target=label)
        result = mlflow.models.evaluate(
            "models:/line/1", scored, targets="target", model_type="regressor", evaluators="default", evaluator_config={"log_explainer": False}
        )
    return [result.metrics["r2_score"] > 0.99, "r2_score" in client.get_run(run.info.run_id).data.metrics]


@tells
def tracing() -> Any:
    traces = mlflow.search_traces(locations=[experiment], return_type="list")

    @mlflow.trace
    def double(number: int) -> int:
        return 2 * number

    return [len(traces), double(2)]


sys.stdout.write("SAID " + json.dumps(said))
