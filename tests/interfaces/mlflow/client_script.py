"""What a user of MLflow writes; run with MLflow's own Python, its tracking URI being ours. Prints one JSON object."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import lightgbm
import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

mpl.use("Agg")
import matplotlib.pyplot as plt

said: dict[str, object] = {}
client = MlflowClient()


def told(name: str, value: object) -> None:
    said[name] = value


def refused(work) -> str:  # noqa: ANN001
    try:
        work()
    except MlflowException as error:
        return str(error.error_code)
    return "nothing"


mlflow.set_experiment("flights")
with mlflow.start_run(run_name="first") as first:
    mlflow.log_params({"depth": 4, "kind": "x"})
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"auc": 0.7, "nan": float("nan"), "inf": float("inf")})
    mlflow.set_tags({"team": "vision", "gone": "soon"})
    mlflow.log_text("hello", "notes/a.txt")
    mlflow.log_dict({"x": 1}, "d.json")
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    mlflow.log_figure(figure, "figure.png")
    mlflow.log_image(np.zeros((8, 8, 3), dtype=np.uint8), "image.png")
    mlflow.log_table({"q": ["a", "b"], "n": [1, 2]}, "table.json")
    mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"a": [1, 2]}), name="train"), context="training")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "deep" / "er").mkdir(parents=True)
        (Path(folder) / "deep" / "er" / "b.bin").write_bytes(bytes(range(256)) * 5000)
        mlflow.log_artifacts(folder, "folder")
    with mlflow.start_run(nested=True, run_name="child") as child:
        mlflow.log_metric("m", 1, synchronous=False).wait()
run = client.get_run(first.info.run_id)
told("status", run.info.status)
told("metrics", {key: "nan" if math.isnan(value) else "inf" if math.isinf(value) else value for key, value in run.data.metrics.items()})
told("params", run.data.params)
client.delete_tag(first.info.run_id, "gone")
told("tags", {key: value for key, value in client.get_run(first.info.run_id).data.tags.items() if not key.startswith("mlflow.")})
told("inputs", [(found.dataset.name, found.tags[0].value) for found in run.inputs.dataset_inputs])
told("artifacts", sorted(found.path for found in client.list_artifacts(first.info.run_id)))
told("text", Path(mlflow.artifacts.download_artifacts(run_id=first.info.run_id, artifact_path="notes/a.txt")).read_text())
downloaded = Path(mlflow.artifacts.download_artifacts(run_id=first.info.run_id, artifact_path="folder"))
told("folder", (downloaded / "deep" / "er" / "b.bin").read_bytes() == bytes(range(256)) * 5000)
told("table", mlflow.load_table("table.json", run_ids=[first.info.run_id]).to_dict("list"))
told("history", [(point.step, point.value) for point in client.get_metric_history(first.info.run_id, "loss")][:2])
told("parent", client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == first.info.run_id)

words = {"experiment_names": ["flights"], "output_format": "list"}
for name, text in {
    "metric": "metrics.auc > 0.5",
    "param": "params.depth = '4' and metrics.loss < 1",
    "tag": "tags.team LIKE 'vis%'",
    "state": "attributes.status = 'FINISHED' and attributes.run_name = 'first'",
    "in": f"attributes.run_id IN ('{first.info.run_id}', '{'0' * 32}')",
    "none": "metrics.auc > 2",
    "time": "attributes.start_time > 1600000000000",
}.items():
    told(f"search {name}", [found.info.run_name for found in mlflow.search_runs(filter_string=text, order_by=["metrics.auc DESC"], **words)])
page = client.search_runs(["0", run.info.experiment_id], max_results=1)
told("pages", [len(page), len(client.search_runs(["0", run.info.experiment_id], max_results=1, page_token=page.token)), bool(page.token)])

told("refused param", refused(lambda: client.log_param(first.info.run_id, "depth", 5)))
told("refused run", refused(lambda: client.get_run("0" * 32)))
told("refused experiment", refused(lambda: client.create_experiment("flights")))
told("refused filter", refused(lambda: client.search_runs(["0"], "metrics.auc >")))
told("refused name", refused(lambda: client.create_experiment("")))

mlflow.sklearn.autolog()
table = pd.DataFrame({"a": np.arange(50.0), "b": np.random.default_rng(0).normal(size=50)})
label = (table.a > 25).astype(int)
with mlflow.start_run(run_name="auto") as auto:
    estimator = LogisticRegression().fit(table, label)
    info = mlflow.sklearn.log_model(estimator, name="model", registered_model_name="delay")
found = client.get_run(auto.info.run_id)
told("autolog", sorted(set(found.data.params) & {"C", "max_iter"}) + sorted(key for key in found.data.metrics if "accuracy" in key))
client.set_registered_model_alias("delay", "champion", "1")
told("loaded", mlflow.sklearn.load_model("models:/delay@champion").predict(table[:1]).tolist() == estimator.predict(table[:1]).tolist())
told("pyfunc", len(mlflow.pyfunc.load_model("models:/delay/1").predict(table[:3])))
version = client.get_model_version_by_alias("delay", "champion")
told("version", [version.version, version.run_id == auto.info.run_id, version.status])
client.set_model_version_tag("delay", "1", "checked", "yes")
client.transition_model_version_stage("delay", "1", "Production")
client.update_registered_model("delay", description="late or not")
told("staged", [found.version for found in client.get_latest_versions("delay", ["Production"])])
told("registered", [(found.name, found.description, found.aliases) for found in client.search_registered_models()])
told("versions", [(found.version, found.tags) for found in client.search_model_versions("name='delay'")])
told("logged", len(mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list")) > 0)

mlflow.lightgbm.autolog()
with mlflow.start_run(run_name="trees") as trees:
    lightgbm.train(
        {"objective": "binary", "verbosity": -1}, lightgbm.Dataset(table, label), num_boost_round=3, valid_sets=[lightgbm.Dataset(table, label)]
    )
told("lightgbm", "num_boost_round" in client.get_run(trees.info.run_id).data.params)

with mlflow.start_run(run_id=first.info.run_id):
    mlflow.log_metric("later", 3)
told("resumed", [client.get_run(first.info.run_id).data.metrics["later"], client.get_run(first.info.run_id).info.status])
client.delete_run(child.info.run_id)
told("deleted", client.get_run(child.info.run_id).info.lifecycle_stage)
client.restore_run(child.info.run_id)
told("restored", client.get_run(child.info.run_id).info.lifecycle_stage)
told("protected", refused(lambda: client.delete_run(auto.info.run_id)))
client.rename_experiment(run.info.experiment_id, "journeys")
told("renamed", client.get_experiment_by_name("journeys").experiment_id == run.info.experiment_id)
told("ids", {"first": first.info.run_id, "auto": auto.info.run_id})
sys.stdout.write(json.dumps(said))
