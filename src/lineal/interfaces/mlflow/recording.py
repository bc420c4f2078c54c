"""What clients record in a run: figures, parameters, tags, and what they say of data and models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lineal.interfaces.mlflow.answers import MISSING, Refusal
from lineal.interfaces.mlflow.calls import (
    INPUT,
    LONGEST_PARAM,
    LONGEST_TAG,
    OUTPUT,
    USED,
    Call,
    cut_value_of,
    key_of,
    missing,
    real,
    tag_key,
    tags_of,
    whole,
)
from lineal.interfaces.mlflow.known import CONTEXT, NAME_TAG, known, loaded, writable
from lineal.records.redaction import Redactor
from lineal.records.requested import NamedData, Point
from lineal.records.roles import guess_role

MOST_METRICS, MOST_OTHERS, MOST_AT_ONCE = 1000, 100, 1000
LONGEST_DATASET, LONGEST_DIGEST = 500, 36


def log_metric(call: Call) -> Any:
    """Records one point."""
    identifier, point = _checked(call), _point(call.words)
    told = _of_models(call, identifier, [call.words])
    call.workspace.requested.log(identifier, points=[point])
    _tell(call, told)
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
    key, value = tag_key(call.words), cut_value_of(call.words, LONGEST_TAG, "Tag value")
    call.workspace.requested.log(identifier, tags={key: value})
    if key == NAME_TAG:
        call.workspace.requested.rename(identifier, value)
    return {}


def delete_tag(call: Call) -> Any:
    """Takes a tag off."""
    key = key_of(call.words, "Tag name")
    run = loaded(call, _checked(call))
    if key not in run.tags:
        raise Refusal(f"No tag with name: {key} in run with id {run.id}", MISSING)
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
    points, told = [_point(item) for item in metrics], _of_models(call, identifier, metrics)
    call.workspace.requested.log(identifier, points=points, params=_params(call, identifier, params), tags=tags_of(tags))
    _tell(call, told)
    return {}


def log_inputs(call: Call) -> Any:
    """Notes which datasets a run used: as inputs in the graph, and by tags of the run in MLflow's own words, which it is answered in."""
    identifier, tags, used = _checked(call), {}, []
    for item in call.objects("datasets"):
        told = _dataset(item)
        tags[f"{INPUT}{told['name']}.{told['digest']}"] = json.dumps(told, sort_keys=True)
        used.append(_named(told))
    for item in call.objects("models"):
        tags[f"{USED}{item.get('model_id')}"] = ""
    if tags:
        call.workspace.requested.log(identifier, tags=tags, used=used)
    return {}


def log_outputs(call: Call) -> Any:
    """Notes which models a run made."""
    identifier, models = _checked(call), call.objects("models")
    if not models:
        raise missing("models")
    call.workspace.requested.log(identifier, tags={f"{OUTPUT}{item.get('model_id')}": str(whole(item.get("step") or 0, "step")) for item in models})
    return {}


def log_model(call: Call) -> Any:
    """Takes note of a model in the way of MLflow 1 and 2: in a tag of the run."""
    text = call.text("model_json")
    run = loaded(call, call.run)
    before = json.loads(run.tags.get("mlflow.log-model.history", "[]"))
    try:
        model = json.loads(text)
    except ValueError:
        raise Refusal(f"Malformed model info. \n {text:.200} \n is not a valid JSON.") from None
    lacking = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model if isinstance(model, dict) else ())
    if lacking:
        raise Refusal(f"Model json is missing mandatory fields: {sorted(lacking)}")
    history = json.dumps([*before, model])
    call.workspace.requested.log(run.id, tags={"mlflow.log-model.history": history})
    return {}


def _checked(call: Call) -> str:
    """The id of the run that is to be written to: it is there, and not deleted."""
    return writable(call).id


def _of_models(call: Call, run: str, metrics: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Figures by the logged models that they name, which must be there."""
    told: dict[str, list[dict[str, Any]]] = {}
    for item in metrics:
        if item.get("model_id"):
            key, value, at, step = _point(item)
            data = {name: str(item.get(name) or "") for name in ("dataset_name", "dataset_digest")}
            found = {"key": key, "value": value, "timestamp": at // 1000, "step": step, **data, "run_id": run}
            told.setdefault(str(item["model_id"]), []).append(found)
    for model in told:
        call.workspace.library.logged(model)
    return told


def _tell(call: Call, told: Mapping[str, list[dict[str, Any]]]) -> None:
    """Keeps figures with logged models; each model is written once."""
    for model, points in told.items():
        call.workspace.library.change_logged(model, metrics=points)


def _dataset(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a client says of data, with its tags; the one with the context stands by itself, too, as it is searched for."""
    dataset, tags = item.get("dataset"), item.get("tags") or []
    if not isinstance(dataset, Mapping):
        raise missing("dataset")
    told: dict[str, Any] = {"name": "", "digest": "", "source": "", **{str(key): str(value) for key, value in dataset.items()}}
    for key, longest in (("name", LONGEST_DATASET), ("digest", LONGEST_DIGEST)):
        if len(told[key]) > longest:
            raise Refusal(f"'{key}' exceeds the maximum length of {longest} characters")
    if not isinstance(tags, list) or not all(isinstance(tag, Mapping) for tag in tags):
        raise Refusal("Invalid value for parameter 'tags' supplied: it must be a list of objects")
    told["tags"] = {str(tag.get("key")): str(tag.get("value")) for tag in tags}
    return {**told, "context": told["tags"].get(CONTEXT, "")}


def _named(told: Mapping[str, Any]) -> NamedData:
    """The same as an input; credentials in its source's address are taken out."""
    context = str(told["context"])
    return NamedData(
        name=told["name"],
        digest=told["digest"],
        role=guess_role(context) or context,
        source=Redactor().text(str(told["source"])),
        source_type=str(told.get("source_type", "")),
        rows=_rows(str(told.get("profile", ""))),
    )


def _rows(profile: str) -> int | None:
    try:
        rows = json.loads(profile)["num_rows"]
    except (ValueError, TypeError, KeyError):
        return None
    return rows if isinstance(rows, int) else None


def _point(item: Mapping[str, Any]) -> Point:
    key = key_of(item, "Metric name")
    at = item.get("timestamp")
    if at is None:
        raise missing("timestamp")
    if whole(at, "timestamp") < 0:
        raise Refusal(f"Invalid value {at} for parameter 'timestamp' supplied: it must be a nonnegative long (64-bit integer)")
    return key, real(item.get("value"), key), whole(at, "timestamp") * 1000, whole(item.get("step") or 0, "step")


def _params(call: Call, identifier: str, items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    before = known(call, identifier).params if items else {}
    found: dict[str, str] = {}
    for item in items:
        key, value = key_of(item, "Param key"), cut_value_of(item, LONGEST_PARAM, "Param value")
        old = found.get(key, before.get(key, value))
        if key in found:
            raise Refusal(
                f"Duplicate parameter keys have been submitted: ['{key}']. Please ensure the request contains only one param value per param key."
            )
        if old != value:
            raise Refusal(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run ID='{identifier}'. "
                f"Attempted logging new value '{value}'."
            )
        found[key] = value
    return {key: value for key, value in found.items() if key not in before}
