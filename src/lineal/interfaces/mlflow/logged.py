"""Logged models, as MLflow 3 has them."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.mlflow.answers import Refusal, number
from lineal.interfaces.mlflow.artifacts import clean, listed
from lineal.interfaces.mlflow.calls import LONGEST_PARAM, Call, key_of, tags_of, value_of
from lineal.interfaces.mlflow.runs import experiment_of, known, loaded, pairs
from lineal.interfaces.mlflow.searching import offset_of, searched, token_of
from lineal.records.library import LoggedModel

_STATUSES = {
    "1": "PENDING",
    "2": "READY",
    "3": "UPLOAD_FAILED",
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "UPLOAD_FAILED",
}
_SHOWN = {"PENDING": "LOGGED_MODEL_PENDING", "READY": "LOGGED_MODEL_READY", "UPLOAD_FAILED": "LOGGED_MODEL_UPLOAD_FAILED"}


def create_logged_model(call: Call) -> Any:
    """Begins a model."""
    experiment = experiment_of(call, call.text("experiment_id"))
    run = call.text("source_run_id", "")
    if run:
        known(call, run)
    body = {"type": call.text("model_type", ""), "params": _params(call), "tags": tags_of(call.objects("tags"))}
    made = call.workspace.library.log(
        name=call.text("name", ""), experiment=experiment.id, label=experiment.label, run=run, author=call.principal.name, body=body
    )
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
    call.workspace.library.change_logged(call.path["model_id"], params=_params(call))
    return {}


def set_model_tags(call: Call) -> Any:
    """Sets tags of a model."""
    tags: dict[str, str | None] = dict(tags_of(call.objects("tags")))
    return {"model": shown(call, call.workspace.library.change_logged(call.path["model_id"], tags=tags))}


def delete_logged_tag(call: Call) -> Any:
    """Takes a tag of a model off."""
    call.workspace.library.change_logged(call.path["model_id"], tags={call.path["tag_key"]: None})
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
    experiments = [experiment_of(call, str(identifier)).id for identifier in call.each("experiment_ids")]
    orders = [f"{order.get('field_name', '')} {'ASC' if order.get('ascending', True) else 'DESC'}" for order in call.objects("order_by")]
    found = searched(call.workspace.library.all_logged(experiments), call.text("filter", ""), orders, facts=_facts)
    start, most = offset_of(call.text("page_token", "")), call.whole("max_results", 100)
    answer: dict[str, Any] = {"models": [shown(call, model) for model in found[start : start + most]]}
    if start + most < len(found):
        answer["next_page_token"] = token_of(start + most)
    return answer


def shown(call: Call, model: LoggedModel) -> dict[str, Any]:
    """A model as MLflow shows it, with the figures of its run that name it."""
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
    data: dict[str, Any] = {"params": pairs(model.body.get("params", {}))}
    if model.source_run and model.status == "READY":
        run = loaded(call, model.source_run)
        at = (run.ended_at or run.started_at) // 1000
        data["metrics"] = [
            {"key": key, "value": number(metric.last), "timestamp": at, "step": metric.last_step or 0, "model_id": model.id, "run_id": run.id}
            for key, metric in sorted(run.metrics.items())
        ]
    return {
        "info": {key: value for key, value in info.items() if value not in ("", [])},
        "data": {key: value for key, value in data.items() if value},
    }


def _place(model: LoggedModel) -> str:
    return f"mlflow-artifacts:/{model.experiment}/models/{model.id}/artifacts"


def _params(call: Call) -> dict[str, str]:
    return {key_of(item, "Param key"): value_of(item, LONGEST_PARAM, "Param value") for item in call.objects("params")}


def _facts(model: LoggedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "model_id": model.id,
        "source_run_id": model.source_run,
        "status": model.status,
        "model_type": model.body.get("type", ""),
        "creation_timestamp": model.created_at // 1000,
        "creation_time": model.created_at // 1000,
        **{f"tags.{key}": value for key, value in model.body.get("tags", {}).items()},
    }
