"""Experiments as MLflow's API has them."""

from __future__ import annotations

from typing import Any

from lineal.errors import Conflict
from lineal.interfaces.mlflow.answers import MISSING, Refusal
from lineal.interfaces.mlflow.calls import Call, key_of, value_of
from lineal.interfaces.mlflow.grammar import TAG, Searchable
from lineal.interfaces.mlflow.known import active, experiment_of, pairs
from lineal.interfaces.mlflow.searching import REGISTRY_SECTIONS, offset_of, page_of, searched
from lineal.records.experiment import Experiment

MOST_FOUND, LONGEST_VALUE = 50_000, 20_000
_NUMBERS = {"creation_time": "creation_time", "last_update_time": "last_update_time"}
EXPERIMENTS = Searchable(
    sections=REGISTRY_SECTIONS,
    texts={"name": "name", "experiment_id": "experiment_id"},
    numbers=_NUMBERS,
    lists=frozenset({"experiment_id"}),
    nulls=frozenset({TAG}),
)


def create_experiment(call: Call) -> Any:
    """Makes an experiment."""
    made = call.workspace.experiments.create(call.text("name"), tags=_tags(call))
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
    most = call.bounded("max_results", 0, MOST_FOUND)
    view = str(call.words.get("view_type") or "ACTIVE_ONLY")
    every = [experiment for experiment in call.workspace.experiments.list() if _is_shown(experiment, view)]
    found = searched(every, call.text("filter", ""), call.texts("order_by"), EXPERIMENTS, facts=_facts)
    return page_of("experiments", found, start=offset_of(call.text("page_token", "")), most=most, show=shown)


def delete_experiment(call: Call) -> Any:
    """Hides an experiment."""
    call.workspace.experiments.delete(_in_state(call, deleted=False).id)
    return {}


def restore_experiment(call: Call) -> Any:
    """Brings an experiment back."""
    call.workspace.experiments.restore(_in_state(call, deleted=True).id)
    return {}


def update_experiment(call: Call) -> Any:
    """Gives an experiment another name."""
    name, experiment = call.text("new_name"), experiment_of(call, call.text("experiment_id"))
    if experiment.deleted_at is not None:
        raise Refusal("Cannot rename a non-active experiment.", "BAD_REQUEST")
    try:
        call.workspace.experiments.rename(experiment.id, name)
    except Conflict as error:
        raise Refusal(error.message, "BAD_REQUEST") from error
    return {}


def set_experiment_tag(call: Call) -> Any:
    """Sets a tag of an experiment."""
    experiment, key = experiment_of(call, call.text("experiment_id")), key_of(call.words, "Tag name")
    active(experiment)
    call.workspace.experiments.set_tags(experiment.id, {key: value_of(call.words, "Tag value", LONGEST_VALUE)})
    return {}


def delete_experiment_tag(call: Call) -> Any:
    """Takes a tag of an experiment off."""
    experiment, key = experiment_of(call, call.text("experiment_id")), key_of(call.words, "Tag name")
    active(experiment)
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
        "workspace": "default",
    }
    return {**found, "tags": pairs(experiment.tags)} if experiment.tags else found


def _tags(call: Call) -> dict[str, str]:
    return {key_of(item, "Tag name"): value_of(item, "Tag value", LONGEST_VALUE) for item in call.objects("tags")}


def _in_state(call: Call, *, deleted: bool) -> Experiment:
    """The experiment that is meant, if it is in that state: MLflow does not find it otherwise."""
    found = experiment_of(call, call.text("experiment_id"))
    if (found.deleted_at is not None) != deleted:
        raise Refusal(f"No Experiment with id={found.id} exists in that state", MISSING)
    return found


def _is_shown(experiment: Experiment, view: str) -> bool:
    if view in {"3", "ALL"}:
        return True
    return (experiment.deleted_at is None) == (view not in {"2", "DELETED_ONLY"})


def _facts(experiment: Experiment) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": experiment.name,
        "experiment_id": str(experiment.id),
        "creation_time": experiment.created_at // 1000,
        "last_update_time": experiment.updated_at // 1000,
    }
    return {**found, **{f"{TAG}.{key}": value for key, value in experiment.tags.items()}}
