"""Logged models, as MLflow 3 has them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from lineal.interfaces.mlflow.answers import MISSING, Refusal, number
from lineal.interfaces.mlflow.artifacts import clean, listed
from lineal.interfaces.mlflow.calls import LONGEST_PARAM, Call, unchecked_tags, value_of
from lineal.interfaces.mlflow.filters import RUNS
from lineal.interfaces.mlflow.grammar import METRIC, PARAM, TAG, Searchable
from lineal.interfaces.mlflow.known import experiment_of, known, pairs
from lineal.interfaces.mlflow.searching import offset_of, page_of, searched
from lineal.records.library import LoggedModel

_STATUSES = {
    "1": "PENDING",
    "2": "READY",
    "3": "UPLOAD_FAILED",
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "UPLOAD_FAILED",
}
MOST_FOUND = 100
LOGGED = Searchable(
    sections=RUNS.sections,
    texts={name: name for name in ("name", "model_id", "model_type", "status", "source_run_id", "experiment_id")},
    numbers={
        **dict.fromkeys(("creation_timestamp", "creation_time"), "created"),
        **dict.fromkeys(("last_updated_timestamp", "last_updated_time"), "updated"),
    },
    lists=frozenset({"name", "model_id", "model_type", "status", "source_run_id"}),
)
_SHOWN = {"PENDING": "LOGGED_MODEL_PENDING", "READY": "LOGGED_MODEL_READY", "UPLOAD_FAILED": "LOGGED_MODEL_UPLOAD_FAILED"}


def create_logged_model(call: Call) -> Any:
    """Begins a model."""
    experiment = experiment_of(call, call.text("experiment_id"))
    run, name = call.text("source_run_id", ""), call.text("name", "") or f"model-{uuid.uuid4().hex[:8]}"
    if any(letter in name for letter in "/:.%\"'"):
        raise Refusal(f"Invalid model name ({name:.80}) provided. Model name must not contain any of / : . % \" '")
    if run:
        known(call, run)
    body = {"type": call.text("model_type", ""), "params": _params(call, longest=LONGEST_PARAM), "tags": unchecked_tags(call.objects("tags"))}
    made = call.workspace.library.log(name=name, experiment=experiment.id, label=experiment.label, run=run, author=call.principal.name, body=body)
    return {"model": shown(call, made)}


def get_logged_model(call: Call) -> Any:
    """A logged model."""
    return {"model": shown(call, call.workspace.library.logged(call.path["model_id"]))}


def finalize_logged_model(call: Call) -> Any:
    """Says that a model is whole, or that it is not."""
    status = _STATUSES.get(str(call.words.get("status")))
    if status is None:
        raise Refusal(f"Invalid value {call.words.get('status')!r:.50} for parameter 'status' supplied")
    return {"model": shown(call, call.workspace.library.change_logged(call.path["model_id"], status=status))}


def delete_logged_model(call: Call) -> Any:
    """Forgets a model that nothing stands on."""
    call.workspace.library.delete_logged(call.path["model_id"])
    return {}


def log_model_params(call: Call) -> Any:
    """Records parameters of a model."""
    params = _params(call, longest=LONGEST_PARAM)
    before = call.workspace.library.logged(call.path["model_id"]).body.get("params", {})
    if any(before.get(key, value) != value for key, value in params.items()):
        raise Refusal("Changing param values is not allowed: a parameter of the model has another value.", "BAD_REQUEST")
    call.workspace.library.change_logged(call.path["model_id"], params=params)
    return {}


def set_model_tags(call: Call) -> Any:
    """Sets tags of a model."""
    tags: dict[str, str | None] = dict(unchecked_tags(call.objects("tags")))
    call.workspace.library.change_logged(call.path["model_id"], tags=tags)
    return {}


def delete_logged_tag(call: Call) -> Any:
    """Takes a tag of a model off."""
    identifier, key = call.path["model_id"], call.path["tag_key"]
    if key not in call.workspace.library.logged(identifier).body.get("tags", {}):
        raise Refusal(f"No tag with key '{key:.80}' found for model with ID '{identifier}'.", MISSING)
    call.workspace.library.change_logged(identifier, tags={key: None})
    return {}


def list_model_artifacts(call: Call) -> Any:
    """What lies in a folder of a model's artifacts."""
    model = call.workspace.library.logged(call.path["model_id"])
    prefix = f"models/{model.id}/artifacts/"
    files = {path[len(prefix) :]: file for path, file in call.workspace.requested.files(model.run).items() if path.startswith(prefix)}
    key = "artifact_directory_path" if "artifact_directory_path" in call.words else "path"
    found = listed(files, clean(call.text(key, "")))
    root = {"root_uri": _place(model)}
    return {**root, "files": found} if found else root


def search_logged_models(call: Call) -> Any:
    """A page of models."""
    experiments = [experiment_of(call, identifier).id for identifier in call.texts("experiment_ids")]
    orders = [f"{order.get('field_name') or ''} {'ASC' if order.get('ascending', True) else 'DESC'}" for order in call.objects("order_by")]
    every, datasets = call.workspace.library.all_logged(experiments), call.objects("datasets")
    found = searched(every, call.text("filter", ""), orders, LOGGED, facts=lambda model: _facts(model, datasets))
    if datasets:
        found = [model for model in found if any(_is_on(metric, datasets) for metric in _metrics(model))]
    start, most = offset_of(call.text("page_token", "")), call.whole("max_results", 0) or MOST_FOUND
    return page_of("models", found, start=start, most=most, show=lambda model: shown(call, model))


def shown(_call: Call, model: LoggedModel) -> dict[str, Any]:
    """A model as MLflow shows it, with the last figures that named it."""
    info: dict[str, Any] = {
        "model_id": model.id,
        "experiment_id": str(model.experiment),
        "name": model.name,
        "creation_timestamp_ms": model.created_at // 1000,
        "last_updated_timestamp_ms": model.updated_at // 1000,
        "artifact_uri": _place(model),
        "status": _SHOWN[model.status],
        "model_type": model.body.get("type", ""),
        "source_run_id": model.source_run,
        "tags": pairs(model.body.get("tags", {})),
    }
    data: dict[str, Any] = {"params": pairs(model.body.get("params", {})), "metrics": [_metric(model, item) for item in _metrics(model)]}
    return {
        "info": {key: value for key, value in info.items() if value != []},
        "data": {key: value for key, value in data.items() if value},
    }


def _place(model: LoggedModel) -> str:
    return f"mlflow-artifacts:/{model.experiment}/models/{model.id}/artifacts"


def _params(call: Call, *, longest: int) -> dict[str, str]:
    return {str(item.get("key", "")): value_of(item, "Param value", longest) for item in call.objects("params")}


def _metrics(model: LoggedModel) -> list[Mapping[str, Any]]:
    """The last figure of each key, data and run that named the model."""
    return list(model.body.get("metrics", {}).values())


def _metric(model: LoggedModel, item: Mapping[str, Any]) -> dict[str, Any]:
    found = {**item, "value": number(item["value"]), "model_id": model.id}
    return {key: value for key, value in found.items() if value != ""}


def _is_on(metric: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a figure is of one of some data."""
    return any(
        metric["dataset_name"] == one.get("dataset_name") and one.get("dataset_digest") in (None, "", metric["dataset_digest"]) for one in datasets
    )


def _facts(model: LoggedModel, datasets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    metrics = {f"{METRIC}.{item['key']}": item["value"] for item in _metrics(model) if not datasets or _is_on(item, datasets)}
    return {
        **metrics,
        **{f"{PARAM}.{key}": value for key, value in model.body.get("params", {}).items()},
        "name": model.name,
        "model_id": model.id,
        "experiment_id": str(model.experiment),
        "source_run_id": model.source_run,
        "status": model.status,
        "model_type": model.body.get("type", ""),
        "created": model.created_at // 1000,
        "updated": model.updated_at // 1000,
        **{f"{TAG}.{key}": value for key, value in model.body.get("tags", {}).items()},
    }
