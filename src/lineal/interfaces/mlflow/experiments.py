"""Experiments as MLflow's API has them."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.mlflow.answers import MISSING, Refusal
from lineal.interfaces.mlflow.calls import Call, key_of, tags_of, value_of
from lineal.interfaces.mlflow.runs import experiment_of, pairs
from lineal.interfaces.mlflow.searching import offset_of, searched, token_of
from lineal.records.experiment import Experiment

MOST_FOUND, LONGEST_VALUE = 50_000, 20_000


def create_experiment(call: Call) -> Any:
    """Makes an experiment."""
    made = call.workspace.experiments.create(call.text("name"), tags=tags_of(call.objects("tags")))
    return {"experiment_id": str(made.id)}


def get_experiment(call: Call) -> Any:
    """An experiment by its id."""
    return {"experiment": shown(experiment_of(call, call.text("experiment_id")))}


def experiment_by_name(call: Call) -> Any:
    """An experiment by its name."""
    name = call.text("experiment_name")
    found = call.workspace.experiments.named(name)
    if found is None:
        raise Refusal(f"Could not find experiment with name '{name}'", MISSING)
    return {"experiment": shown(found)}


def search_experiments(call: Call) -> Any:
    """A page of experiments."""
    most = call.whole("max_results", 1000)
    if not 0 < most <= MOST_FOUND:
        raise Refusal(f"Invalid value {most} for parameter 'max_results' supplied. It must be a positive integer of at most {MOST_FOUND}")
    view = str(call.words.get("view_type") or "ACTIVE_ONLY")
    every = [experiment for experiment in call.workspace.experiments.list() if _is_shown(experiment, view)]
    found = searched(every, call.text("filter", ""), call.each("order_by"), facts=_facts)
    start = offset_of(call.text("page_token", ""))
    shown_now = found[start : start + most]
    answer: dict[str, Any] = {"experiments": [shown(experiment) for experiment in shown_now]} if shown_now else {}
    if start + most < len(found):
        answer["next_page_token"] = token_of(start + most)
    return answer


def delete_experiment(call: Call) -> Any:
    """Hides an experiment."""
    call.workspace.experiments.delete(experiment_of(call, call.text("experiment_id")).id)
    return {}


def restore_experiment(call: Call) -> Any:
    """Brings an experiment back."""
    call.workspace.experiments.restore(experiment_of(call, call.text("experiment_id")).id)
    return {}


def update_experiment(call: Call) -> Any:
    """Gives an experiment another name."""
    experiment, name = experiment_of(call, call.text("experiment_id")), call.text("new_name", "")
    if name:
        call.workspace.experiments.rename(experiment.id, name)
    return {}


def set_experiment_tag(call: Call) -> Any:
    """Sets a tag of an experiment."""
    experiment = experiment_of(call, call.text("experiment_id"))
    call.workspace.experiments.set_tags(experiment.id, {key_of(call.words, "Tag name"): value_of(call.words, LONGEST_VALUE, "Tag value")})
    return {}


def delete_experiment_tag(call: Call) -> Any:
    """Takes a tag of an experiment off."""
    experiment, key = experiment_of(call, call.text("experiment_id")), key_of(call.words, "Tag name")
    if key not in experiment.tags:
        raise Refusal(f"No tag with name: {key} in experiment with id {experiment.id}", MISSING)
    call.workspace.experiments.set_tags(experiment.id, {key: None})
    return {}


def shown(experiment: Experiment) -> dict[str, Any]:
    """An experiment as MLflow shows it."""
    found: dict[str, Any] = {
        "experiment_id": str(experiment.id),
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/{experiment.id}",
        "lifecycle_stage": "active" if experiment.deleted_at is None else "deleted",
        "last_update_time": experiment.updated_at // 1000,
        "creation_time": experiment.created_at // 1000,
    }
    return {**found, "tags": pairs(experiment.tags)} if experiment.tags else found


def _is_shown(experiment: Experiment, view: str) -> bool:
    if view in {"3", "ALL"}:
        return True
    return (experiment.deleted_at is None) == (view not in {"2", "DELETED_ONLY"})


def _facts(experiment: Experiment) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": experiment.name,
        "experiment_id": experiment.id,
        "creation_time": experiment.created_at // 1000,
        "last_update_time": experiment.updated_at // 1000,
    }
    return {**found, **{f"tags.{key}": value for key, value in experiment.tags.items()}}
