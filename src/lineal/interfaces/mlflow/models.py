"""The model registry as MLflow's API has it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lineal.interfaces.mlflow.answers import Refusal
from lineal.interfaces.mlflow.calls import Call, key_of, tags_of, value_of
from lineal.interfaces.mlflow.runs import pairs
from lineal.interfaces.mlflow.searching import offset_of, searched, token_of
from lineal.records.library import STAGES, NamedModel, NamedVersion

LONGEST_TAG = 100_000
_ALIAS = re.compile(r"[\w\-]{1,255}\Z")
_NUMBER_ALIAS = re.compile(r"v\d+\Z", re.IGNORECASE)
_STAGES = {stage.lower(): stage for stage in STAGES}


def create_model(call: Call) -> Any:
    """Registers a name."""
    made = call.workspace.library.create(call.text("name"), description=call.text("description", ""), tags=tags_of(call.objects("tags")))
    return {"registered_model": shown_model(call, made)}


def get_model(call: Call) -> Any:
    """A registered model."""
    return {"registered_model": shown_model(call, call.workspace.library.model(call.text("name")))}


def rename_model(call: Call) -> Any:
    """Gives a model another name."""
    return {"registered_model": shown_model(call, call.workspace.library.rename(call.text("name"), call.text("new_name")))}


def update_model(call: Call) -> Any:
    """Describes a model."""
    name = call.text("name")
    call.workspace.library.change(name, description=call.text("description", ""))
    return get_model(call)


def delete_model(call: Call) -> Any:
    """Deletes a model with its versions."""
    call.workspace.library.delete(call.text("name"))
    return {}


def search_models(call: Call) -> Any:
    """A page of models."""
    found = searched(call.workspace.library.models(), call.text("filter", ""), call.each("order_by"), facts=_model_facts)
    return _page(call, "registered_models", [shown_model(call, model) for model in found], most=call.whole("max_results", 100))


def set_model_tag(call: Call) -> Any:
    """Sets a tag of a model."""
    call.workspace.library.change(call.text("name"), tags={key_of(call.words, "Tag name"): value_of(call.words, LONGEST_TAG, "Tag value")})
    return {}


def delete_model_tag(call: Call) -> Any:
    """Takes a tag of a model off."""
    call.workspace.library.change(call.text("name"), tags={key_of(call.words, "Tag name"): None})
    return {}


def latest_versions(call: Call) -> Any:
    """The newest version in each stage."""
    wanted = {_stage(str(stage)) for stage in call.each("stages")} or set(STAGES)
    newest: dict[str, NamedVersion] = {}
    call.workspace.library.model(call.text("name"))
    for version in call.workspace.library.versions(call.text("name")):
        if version.stage in wanted:
            newest[version.stage] = version
    found = [shown_version(version) for version in newest.values()]
    return {"model_versions": found} if found else {}


def set_alias(call: Call) -> Any:
    """Points an alias at a version."""
    alias = call.text("alias")
    if not _ALIAS.match(alias) or _NUMBER_ALIAS.match(alias) or alias.lower() == "latest" or alias.isdecimal():
        raise Refusal(
            f"Invalid alias name: '{alias:.80}'. Names may only contain alphanumerics, underscores and dashes; 'latest' and v1 are reserved."
        )
    call.workspace.library.set_alias(call.text("name"), alias, call.whole("version"))
    return {}


def remove_alias(call: Call) -> Any:
    """Takes an alias away."""
    call.workspace.library.remove_alias(call.text("name"), call.text("alias"))
    return {}


def version_by_alias(call: Call) -> Any:
    """The version that an alias points at."""
    name, alias = call.text("name"), call.text("alias")
    number = call.workspace.library.model(name).aliases.get(alias)
    if number is None:
        raise Refusal(f"Registered model alias {alias} not found.")
    return {"model_version": shown_version(call.workspace.library.version(name, number))}


def create_version(call: Call) -> Any:
    """Makes the files at a source the next version of a model."""
    made = call.workspace.library.register(
        call.text("name"),
        source=call.text("source"),
        run=call.text("run_id", ""),
        model=call.text("model_id", ""),
        description=call.text("description", ""),
        tags=tags_of(call.objects("tags")),
        author=call.principal.name,
        run_link=call.text("run_link", ""),
    )
    return {"model_version": shown_version(made)}


def get_version(call: Call) -> Any:
    """A version."""
    return {"model_version": shown_version(_version(call))}


def update_version(call: Call) -> Any:
    """Describes a version."""
    version = _version(call)
    call.workspace.library.change(version.name, version.number, description=call.text("description", ""))
    return get_version(call)


def transition_stage(call: Call) -> Any:
    """Moves a version to a stage; with ``archive_existing_versions`` those that are there make room."""
    version, stage = _version(call), _stage(call.text("stage"))
    library = call.workspace.library
    if call.words.get("archive_existing_versions") in {True, "true"}:
        for other in library.versions(version.name):
            if other.stage == stage and other.number != version.number:
                library.change(other.name, other.number, stage="Archived")
    library.change(version.name, version.number, stage=stage)
    return get_version(call)


def delete_version(call: Call) -> Any:
    """Deletes a version, unless something stands on it."""
    version = _version(call)
    call.workspace.library.delete_version(version.name, version.number)
    return {}


def search_versions(call: Call) -> Any:
    """A page of versions."""
    every = list(reversed(call.workspace.library.versions()))
    found = searched(every, call.text("filter", ""), call.each("order_by"), facts=_version_facts)
    return _page(call, "model_versions", [shown_version(version) for version in found], most=call.whole("max_results", 200_000))


def set_version_tag(call: Call) -> Any:
    """Sets a tag of a version."""
    version = _version(call)
    tags: dict[str, str | None] = {key_of(call.words, "Tag name"): value_of(call.words, LONGEST_TAG, "Tag value")}
    call.workspace.library.change(version.name, version.number, tags=tags)
    return {}


def delete_version_tag(call: Call) -> Any:
    """Takes a tag of a version off."""
    version = _version(call)
    call.workspace.library.change(version.name, version.number, tags={key_of(call.words, "Tag name"): None})
    return {}


def download_uri(call: Call) -> Any:
    """Where the files of a version are."""
    version = _version(call)
    if version.model:
        return {"artifact_uri": f"mlflow-artifacts:/{call.workspace.library.logged(version.model).experiment}/models/{version.model}/artifacts"}
    return {"artifact_uri": version.source}


def shown_model(call: Call, model: NamedModel) -> dict[str, Any]:
    """A model as MLflow shows it."""
    newest: dict[str, NamedVersion] = {version.stage: version for version in call.workspace.library.versions(model.name)}
    found: dict[str, Any] = {
        "name": model.name,
        "creation_timestamp": model.created_at // 1000,
        "last_updated_timestamp": model.updated_at // 1000,
        "description": model.description,
        "latest_versions": [shown_version(version) for version in newest.values()],
        "tags": pairs(model.tags),
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in sorted(model.aliases.items())],
    }
    return {key: value for key, value in found.items() if value not in ("", [])}


def shown_version(version: NamedVersion) -> dict[str, Any]:
    """A version as MLflow shows it."""
    found: dict[str, Any] = {
        "name": version.name,
        "version": str(version.number),
        "creation_timestamp": version.created_at // 1000,
        "last_updated_timestamp": version.updated_at // 1000,
        "user_id": version.author,
        "current_stage": version.stage,
        "description": version.description,
        "source": version.source,
        "run_id": version.run,
        "status": "READY",
        "tags": pairs(version.tags),
        "run_link": version.run_link,
        "aliases": list(version.aliases),
        "model_id": version.model,
    }
    return {key: value for key, value in found.items() if value not in ("", []) or key in {"run_id", "description", "run_link"}}


def _version(call: Call) -> NamedVersion:
    name, text = call.text("name"), call.text("version")
    if not text.isdecimal():
        raise Refusal(f"Model version must be an integer, got '{text:.50}'")
    return call.workspace.library.version(name, int(text))


def _stage(text: str) -> str:
    found = _STAGES.get(text.lower())
    if found is None:
        raise Refusal(f"Invalid Model Version stage: {text:.50}. Value must be one of {', '.join(STAGES)}.")
    return found


def _page(call: Call, key: str, items: Sequence[Any], *, most: int) -> dict[str, Any]:
    if most <= 0:
        raise Refusal("Invalid value for max_results: it must be a positive integer")
    start = offset_of(call.text("page_token", ""))
    found: dict[str, Any] = {key: list(items[start : start + most])} if items[start : start + most] else {}
    if start + most < len(items):
        found["next_page_token"] = token_of(start + most)
    return found


def _model_facts(model: NamedModel) -> dict[str, Any]:
    times = {
        "creation_timestamp": model.created_at // 1000,
        "last_updated_timestamp": model.updated_at // 1000,
        "timestamp": model.updated_at // 1000,
    }
    return {"name": model.name, **times, **{f"tags.{key}": value for key, value in model.tags.items()}}


def _version_facts(version: NamedVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.number,
        "version_number": version.number,
        "run_id": version.run,
        "source_path": version.source,
        "model_id": version.model,
        "creation_timestamp": version.created_at // 1000,
        "last_updated_timestamp": version.updated_at // 1000,
        **{f"tags.{key}": value for key, value in version.tags.items()},
    }
