"""The runs and experiments that a request means, and how MLflow shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lineal.errors import NotFound
from lineal.interfaces.mlflow.answers import MISSING, Refusal, number
from lineal.interfaces.mlflow.calls import INPUT, OUTPUT, USED, Call, no_run
from lineal.interfaces.mlflow.filters import STATUSES
from lineal.records.experiment import Experiment
from lineal.records.requested import RequestedRun
from lineal.records.run import Run

CONTEXT = "mlflow.data.context"
NAME_TAG = "mlflow.runName"


def known(call: Call, identifier: str) -> RequestedRun:
    """What is known of a run. Raises `Refusal`."""
    try:
        return call.workspace.requested.get(identifier)
    except NotFound:
        raise no_run(identifier) from None


def writable(call: Call) -> RequestedRun:
    """The run that is to be written to: it is there, and not deleted. Raises `Refusal`."""
    run = known(call, call.run)
    if run.deleted:
        raise Refusal(f"The run {run.id} must be in the 'active' state. Current state is deleted.")
    return run


def loaded(call: Call, identifier: str) -> Run:
    """The whole record of a run. Raises `Refusal`."""
    try:
        return call.workspace.requested.load(identifier)
    except NotFound:
        raise no_run(identifier) from None


def active(experiment: Experiment) -> None:
    """Refuses what is deleted."""
    if experiment.deleted_at is not None:
        raise Refusal(f"The experiment {experiment.id} must be in the 'active' state. Current state is deleted.")


def experiment_of(call: Call, text: str) -> Experiment:
    """The experiment of an id. Raises `Refusal`."""
    if not text.isdecimal():
        raise Refusal(f"Invalid experiment ID '{text:.80}'. Experiment ID must be a valid integer.")
    if len(text) > 15:
        raise Refusal(f"No Experiment with id={text:.80} exists", MISSING)
    try:
        return call.workspace.experiments.get(int(text))
    except NotFound as error:
        raise Refusal(error.message, MISSING) from None


def experiment_number(call: Call, label: str) -> int:
    """The number of the experiment that a run says."""
    found = call.workspace.experiments.named(label) if label else None
    return found.id if found is not None else 0


def info_of(run: RequestedRun | Run, experiment: int) -> dict[str, Any]:
    """What MLflow calls a run's info."""
    found: dict[str, Any] = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.name,
        "experiment_id": str(experiment),
        "user_id": run.author,
        "status": STATUSES[run.status],
        "start_time": run.started_at // 1000,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{run.id}/artifacts",
        "lifecycle_stage": "deleted" if isinstance(run, Run) and run.deleted_at is not None else "active",
    }
    return found if run.ended_at is None else {**found, "end_time": run.ended_at // 1000}


def run_of(call: Call, run: Run) -> dict[str, Any]:
    """A whole run; empty lists are left out."""
    at = (run.ended_at or run.started_at) // 1000
    metrics = [
        {"key": key, "value": number(metric.last), "timestamp": at, "step": metric.last_step or 0} for key, metric in sorted(run.metrics.items())
    ]
    tags = {key: value for key, value in run.tags.items() if not key.startswith((INPUT, USED, OUTPUT))}
    tags.setdefault(NAME_TAG, run.name)
    params = [{"key": key, "value": str(param.value)} for key, param in sorted(run.params.items())]
    data = {name: items for name, items in (("metrics", metrics), ("params", params), ("tags", pairs(tags))) if items}
    inputs = [_input(told) for key, value in run.tags.items() if key.startswith(INPUT) and (told := _told(value))]
    used = [{"model_id": key.removeprefix(USED)} for key in run.tags if key.startswith(USED)]
    models = [
        {"model_id": key.removeprefix(OUTPUT), "step": int(value)} for key, value in run.tags.items() if key.startswith(OUTPUT) and value.isdecimal()
    ]
    return {
        "info": info_of(run, experiment_number(call, run.experiment)),
        "data": data,
        "inputs": {name: items for name, items in (("dataset_inputs", inputs), ("model_inputs", used)) if items},
        "outputs": {"model_outputs": models} if models else {},
    }


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Keys and values as MLflow lists them."""
    return [{"key": key, "value": value} for key, value in sorted(values.items())]


def _told(value: str) -> dict[str, Any]:
    """What a tag says of data; nothing where somebody else wrote it."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("tags", {}), dict) else {}


def _input(item: Mapping[str, Any]) -> dict[str, Any]:
    dataset = {key: value for key, value in item.items() if key not in {"context", "tags"}}
    tags = item.get("tags", {CONTEXT: item["context"]} if item.get("context") else {})
    return {"dataset": dataset, "tags": pairs(tags)} if tags else {"dataset": dataset}
