"""Runs as MLflow's API has them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, repeat
from operator import floordiv
from typing import Any

import msgspec

from lineal.errors import NotFound
from lineal.interfaces.mlflow.answers import BAD_VALUE, Refusal, number
from lineal.interfaces.mlflow.calls import LONGEST_PARAM, LONGEST_TAG, Call, key_of, missing, no_run, real, tags_of, value_of, whole
from lineal.interfaces.mlflow.filters import read_filter, read_order
from lineal.interfaces.mlflow.searching import offset_of, token_of
from lineal.records.experiment import Experiment
from lineal.records.requested import Point, RequestedRun
from lineal.records.run import Run, RunStatus

MOST_METRICS, MOST_OTHERS, MOST_AT_ONCE = 1000, 100, 1000
MOST_FOUND, MOST_POINTS = 50_000, 25_000
_AT_ONCE = 16_384
NAME_TAG, USER_TAG, PARENT_TAG = "mlflow.runName", "mlflow.user", "mlflow.parentRunId"
STATUSES: Mapping[RunStatus, str] = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.FINISHED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.STOPPED: "KILLED",
    RunStatus.CRASHED: "FAILED",
}
_READ = {
    "RUNNING": RunStatus.RUNNING,
    "SCHEDULED": RunStatus.RUNNING,
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.STOPPED,
}
_NUMBERED = ("", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")


def create_run(call: Call) -> Any:
    """Begins a run."""
    experiment = experiment_of(call, call.text("experiment_id", "0"))
    if experiment.deleted_at is not None:
        raise Refusal(f"The experiment {experiment.id} must be in the 'active' state. Current state is deleted.")
    tags = tags_of(call.objects("tags"))
    name = call.text("run_name", "") or tags.get(NAME_TAG, "")
    author = call.text("user_id", "") or tags.get(USER_TAG, "") or call.principal.name
    started = call.whole("start_time", 0) * 1000 or call.workspace.requested.now()
    if name:
        tags[NAME_TAG] = name
    run = call.workspace.requested.begin(
        name=name, experiment=experiment.label, author=author, started_at=started, tags=tags, parent=tags.get(PARENT_TAG, "")
    )
    return {"run": {"info": info_of(run, experiment.id), "data": {"tags": pairs({**tags, NAME_TAG: run.name})}, "inputs": {}, "outputs": {}}}


def update_run(call: Call) -> Any:
    """Ends a run, lets it go on, or gives it another name."""
    requested, identifier = call.workspace.requested, call.run
    run = known(call, identifier)
    name = call.text("run_name", "")
    if name and name != run.name:
        requested.log(identifier, tags={NAME_TAG: name})
        run = requested.rename(identifier, name)
    status = call.words.get("status")
    if status not in {None, ""}:
        wanted = _READ.get(_NUMBERED[status] if isinstance(status, int) and 0 < status < len(_NUMBERED) else str(status))
        if wanted is None:
            raise Refusal(f"Invalid value {status!r:.50} for parameter 'status' supplied")
        ended = call.whole("end_time", 0) * 1000 or call.workspace.requested.now()
        run = requested.go_on(identifier) if wanted is RunStatus.RUNNING else requested.end(identifier, status=wanted, ended_at=ended)
    return {"run_info": info_of(run, experiment_number(call, run.experiment))}


def get_run(call: Call) -> Any:
    """A run with its figures."""
    return {"run": run_of(call, loaded(call, call.run))}


def delete_run(call: Call) -> Any:
    """Deletes a run, unless something stands on it that must not fall."""
    identifier = call.run
    loaded(call, identifier)
    lineage = call.workspace.lineage
    plan = lineage.plan_deletion(f"run:{identifier}")
    others = [node.label for node in plan.falls if node.id != identifier and (node.kind == "run" or node.reference.startswith("model:"))]
    if others:
        raise Refusal(
            f"Run {identifier} cannot be deleted by itself: {', '.join(others[:5])} would fall with it. Delete those first.", "PERMISSION_DENIED"
        )
    lineage.delete(f"run:{identifier}", plan.hash)
    return {}


def restore_run(call: Call) -> Any:
    """Brings a deleted run back."""
    call.workspace.lineage.undelete(f"run:{call.run}")
    return {}


def log_metric(call: Call) -> Any:
    """Records one point."""
    call.workspace.requested.log(_checked(call), points=[_point(call, call.words)])
    return {}


def log_param(call: Call) -> Any:
    """Records a parameter, which may not change."""
    identifier = _checked(call)
    values = _params(call, identifier, [call.words])
    call.workspace.requested.log(identifier, params=values)
    return {}


def set_tag(call: Call) -> Any:
    """Sets a tag."""
    identifier = _checked(call)
    key, value = key_of(call.words, "Tag name"), value_of(call.words, LONGEST_TAG, "Tag value")
    call.workspace.requested.log(identifier, tags={key: value})
    if key == NAME_TAG:
        call.workspace.requested.rename(identifier, value)
    return {}


def delete_tag(call: Call) -> Any:
    """Takes a tag off."""
    run, key = loaded(call, call.run), key_of(call.words, "Tag name")
    if key not in run.tags:
        raise Refusal(f"No tag with name: {key} in run with id {run.id}", "RESOURCE_DOES_NOT_EXIST")
    call.workspace.runs.annotate(f"run:{run.id}", tags={key: ""})
    return {}


def log_batch(call: Call) -> Any:
    """Records points, parameters and tags in one step: all or nothing."""
    identifier = _checked(call)
    metrics, params, tags = call.objects("metrics"), call.objects("params"), call.objects("tags")
    for items, most, what in ((metrics, MOST_METRICS, "metrics"), (params, MOST_OTHERS, "params"), (tags, MOST_OTHERS, "tags")):
        if len(items) > most:
            raise Refusal(f"A batch logging request can contain at most {most} {what}. Got {len(items)} {what}.")
    if len(metrics) + len(params) + len(tags) > MOST_AT_ONCE:
        raise Refusal(f"A batch logging request can contain at most {MOST_AT_ONCE} metrics, params and tags.")
    points = [_point(call, item) for item in metrics]
    call.workspace.requested.log(identifier, points=points, params=_params(call, identifier, params), tags=tags_of(tags))
    return {}


def log_inputs(call: Call) -> Any:
    """Notes which datasets a run used; they are told by tags of the run, in MLflow's own words."""
    identifier = _checked(call)
    for item in call.objects("datasets"):
        dataset = item.get("dataset")
        if not isinstance(dataset, Mapping) or not dataset.get("name") or not dataset.get("digest"):
            raise Refusal("Dataset name and digest must be provided")
        context = next((str(tag.get("value")) for tag in item.get("tags", ()) if tag.get("key") == "mlflow.data.context"), "")
        kept = {**{key: str(value) for key, value in dataset.items()}, "context": context}
        call.workspace.requested.log(identifier, tags={f"lineal.input.{dataset['name']}.{dataset['digest']}": json.dumps(kept, sort_keys=True)})
    return {}


def log_outputs(call: Call) -> Any:
    """Notes which models a run made."""
    identifier = _checked(call)
    for item in call.objects("models"):
        call.workspace.requested.log(identifier, tags={f"lineal.output.{item.get('model_id')}": str(item.get("step", 0))})
    return {}


def log_model(call: Call) -> Any:
    """Takes note of a model in the way of MLflow 1 and 2: in a tag of the run."""
    text = call.text("model_json")
    run = loaded(call, call.run)
    before = json.loads(run.tags.get("mlflow.log-model.history", "[]"))
    try:
        history = json.dumps([*before, json.loads(text)])
    except ValueError:
        raise Refusal(f"Malformed model info. \n {text:.200} \n could not be parsed as JSON") from None
    call.workspace.requested.log(run.id, tags={"mlflow.log-model.history": history})
    return {}


def search_runs(call: Call) -> Any:
    """A page of runs."""
    most = call.whole("max_results", 1000)
    if not 0 < most <= MOST_FOUND:
        raise Refusal(f"Invalid value for request parameter max_results. It must be at most {MOST_FOUND}, but got value {most}")
    offset = offset_of(call.text("page_token", ""))
    view = str(call.words.get("run_view_type") or "ACTIVE_ONLY")
    wanted = {"1": "active", "2": "deleted", "3": "all", "ACTIVE_ONLY": "active", "DELETED_ONLY": "deleted", "ALL": "all"}.get(view, "active")
    labels = [experiment_of(call, str(identifier)).label for identifier in call.each("experiment_ids")]
    if not labels:
        return {}
    page = call.workspace.requested.search(
        where=read_filter(call.text("filter", "")),
        order=read_order(call.each("order_by")),
        limit=most,
        offset=offset,
        life=wanted,
        experiments=labels,
    )
    found: dict[str, Any] = {"runs": [run_of(call, run) for run in page.runs]} if page.runs else {}
    if offset + len(page.runs) < page.total:
        found["next_page_token"] = token_of(offset + len(page.runs))
    return found


def metric_history(call: Call) -> Any:
    """The points of a metric, a page of them where one is asked for."""
    key, run = call.text("metric_key"), loaded(call, call.run)
    most = call.whole("max_results", 0)
    offset = offset_of(call.text("page_token", ""))
    try:
        series = call.workspace.runs.series(f"run:{run.id}", key, points=None)
    except NotFound:
        return {"metrics": []}
    end = offset + most if most else None
    steps, values, times = ([item for one in series for item in getattr(one, name)] for name in ("steps", "values", "times"))
    found: dict[str, Any] = {"metrics": _history(key, values[offset:end], times[offset:end], steps[offset:end])}
    if end is not None and end < len(steps):
        found["next_page_token"] = token_of(end)
    return found


def _history(key: str, values: Sequence[float], times: Sequence[int], steps: Sequence[int]) -> Any:
    """The points as JSON, some thousands at a time: so the objects that they are for a moment are never many."""
    encode = msgspec.json.encode
    finite: Iterable[float | str] = values if all(map(math.isfinite, values)) else map(number, values)
    points = map(_Sample, repeat(key), finite, map(floordiv, times, repeat(1000)), steps)
    pieces = []
    while some := list(islice(points, _AT_ONCE)):
        pieces.append(encode(some)[1:-1])
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]") if pieces else []


class _Sample(msgspec.Struct, gc=False):
    """A point as MLflow has it; ``timestamp`` in milliseconds."""

    key: str
    value: float | str
    timestamp: int
    step: int


def metric_history_interval(call: Call) -> Any:
    """The points of a metric of several runs, decimated for a chart."""
    key, most = call.text("metric_key"), call.whole("max_results", MOST_POINTS)
    found: list[dict[str, Any]] = []
    for identifier in call.each("run_ids"):
        run = loaded(call, str(identifier))
        if key in run.metrics:
            for one in call.workspace.runs.series(f"run:{run.id}", key, points=max(2, min(most, 2500))):
                points = zip(one.steps, one.values, one.times, strict=True)
                found += [{"key": key, "value": number(value), "timestamp": at // 1000, "step": step, "run_id": run.id} for step, value, at in points]
    return {"metrics": found}


def known(call: Call, identifier: str) -> RequestedRun:
    """What is known of a run. Raises `Refusal`."""
    try:
        return call.workspace.requested.get(identifier)
    except NotFound:
        raise no_run(identifier) from None


def loaded(call: Call, identifier: str) -> Run:
    """The whole record of a run. Raises `Refusal`."""
    try:
        return call.workspace.requested.load(identifier)
    except NotFound:
        raise no_run(identifier) from None


def experiment_of(call: Call, text: str) -> Experiment:
    """The experiment of an id. Raises `Refusal`."""
    if not text.isdecimal() or len(text) > 15:
        raise Refusal(f"No Experiment with id={text:.80} exists", "RESOURCE_DOES_NOT_EXIST")
    try:
        return call.workspace.experiments.get(int(text))
    except NotFound as error:
        raise Refusal(error.message, "RESOURCE_DOES_NOT_EXIST") from None


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
    tags = {key: value for key, value in run.tags.items() if not key.startswith(("lineal.input.", "lineal.output."))}
    tags.setdefault(NAME_TAG, run.name)
    params = [{"key": key, "value": str(param.value)} for key, param in sorted(run.params.items())]
    data = {name: items for name, items in (("metrics", metrics), ("params", params), ("tags", pairs(tags))) if items}
    inputs = [json.loads(value) for key, value in run.tags.items() if key.startswith("lineal.input.")]
    models = [{"model_id": key.rpartition(".")[2], "step": int(value)} for key, value in run.tags.items() if key.startswith("lineal.output.")]
    return {
        "info": info_of(run, experiment_number(call, run.experiment)),
        "data": data,
        "inputs": {"dataset_inputs": [_input(item) for item in inputs]} if inputs else {},
        "outputs": {"model_outputs": models} if models else {},
    }


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Keys and values as MLflow lists them."""
    return [{"key": key, "value": value} for key, value in sorted(values.items())]


def _input(item: Mapping[str, Any]) -> dict[str, Any]:
    dataset = {key: value for key, value in item.items() if key != "context"}
    tags = [{"key": "mlflow.data.context", "value": item["context"]}] if item.get("context") else []
    return {"dataset": dataset, "tags": tags}


def _checked(call: Call) -> str:
    """The id of the run that is to be written to: it is there."""
    return known(call, call.run).id


def _point(call: Call, item: Mapping[str, Any]) -> Point:
    key = key_of(item, "Metric name")
    at = item.get("timestamp")
    if at is None:
        raise missing("timestamp")
    del call
    return key, real(item.get("value"), key), whole(at, "timestamp") * 1000, whole(item.get("step") or 0, "step")


def _params(call: Call, identifier: str, items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    before = known(call, identifier).params if items else {}
    found: dict[str, str] = {}
    for item in items:
        key, value = key_of(item, "Param key"), value_of(item, LONGEST_PARAM, "Param value")
        old = found.get(key, before.get(key, value))
        if old != value:
            raise Refusal(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run ID='{identifier}'. "
                f"Attempted logging new value '{value}'.",
                BAD_VALUE,
            )
        found[key] = value
    return {key: value for key, value in found.items() if key not in before}
