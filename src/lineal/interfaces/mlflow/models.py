"""The model registry as MLflow's API has it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from lineal.interfaces.mlflow.answers import Refusal
from lineal.interfaces.mlflow.calls import Call, key_of, value_of
from lineal.interfaces.mlflow.grammar import TAG, Searchable
from lineal.interfaces.mlflow.known import pairs
from lineal.interfaces.mlflow.searching import REGISTRY_SECTIONS, offset_of, page_of, searched
from lineal.records.library import STAGES, NamedModel, NamedVersion

LONGEST_TAG, MOST_MODELS, MOST_VERSIONS = 100_000, 1000, 200_000
_TIMES = {name: name for name in ("creation_timestamp", "last_updated_timestamp")}
MODELS = Searchable(
    sections=REGISTRY_SECTIONS,
    texts={"name": "name"},
    lists=frozenset({"name"}),
    orders={"name": "name", "timestamp": "last_updated_timestamp", "last_updated_timestamp": "last_updated_timestamp"},
)
VERSIONS = Searchable(
    sections=REGISTRY_SECTIONS,
    texts={name: name for name in ("name", "run_id", "source_path")},
    numbers={"version_number": "version_number"},
    lists=frozenset({"name", "run_id"}),
    orders={"name": "name", "version_number": "version_number", **_TIMES},
    quoted=True,
)
_ALIAS = re.compile(r"[\w\-]{1,255}\Z")
_NUMBER_ALIAS = re.compile(r"v\d+\Z", re.IGNORECASE)
_STAGES = {stage.lower(): stage for stage in STAGES}


def create_model(call: Call) -> Any:
    """Registers a name."""
    made = call.workspace.library.create(call.text("name"), description=call.text("description", ""), tags=_tags(call))
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
    most, start = call.bounded("max_results", 100, MOST_MODELS), offset_of(call.text("page_token", ""))
    found = searched(call.workspace.library.models(), call.text("filter", ""), call.texts("order_by"), MODELS, facts=_model_facts)
    return page_of("registered_models", found, start=start, most=most, show=lambda model: shown_model(call, model))


def set_model_tag(call: Call) -> Any:
    """Sets a tag of a model."""
    call.workspace.library.change(call.text("name"), tags={key_of(call.words, "Tag name"): value_of(call.words, "Tag value", LONGEST_TAG)})
    return {}


def delete_model_tag(call: Call) -> Any:
    """Takes a tag of a model off."""
    call.workspace.library.change(call.text("name"), tags={key_of(call.words, "Tag name"): None})
    return {}


def latest_versions(call: Call) -> Any:
    """The newest version in each stage."""
    wanted = {_stage(stage) for stage in call.texts("stages")} or set(STAGES)
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
        tags=_tags(call),
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
    library.change(version.name, version.number, stage=stage)
    if call.words.get("archive_existing_versions") in {True, "true"}:
        for other in library.versions(version.name):
            if other.stage == stage and other.number != version.number:
                library.change(other.name, other.number, stage="Archived")
    return get_version(call)


def delete_version(call: Call) -> Any:
    """Deletes a version, unless something stands on it."""
    version = _version(call)
    call.workspace.library.delete_version(version.name, version.number)
    return {}


def search_versions(call: Call) -> Any:
    """A page of versions."""
    most, start = call.bounded("max_results", MOST_VERSIONS, MOST_VERSIONS), offset_of(call.text("page_token", ""))
    orders = call.texts("order_by")
    every = sorted(call.workspace.library.versions(), key=lambda version: (version.name, -version.number))
    if not orders:  # the last changed first
        every.sort(key=lambda version: -(version.updated_at // 1000))
    found = searched(every, call.text("filter", ""), orders, VERSIONS, facts=_version_facts)
    return page_of("model_versions", found, start=start, most=most, show=shown_version)


def set_version_tag(call: Call) -> Any:
    """Sets a tag of a version."""
    version = _version(call)
    tags: dict[str, str | None] = {key_of(call.words, "Tag name"): value_of(call.words, "Tag value", LONGEST_TAG)}
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
    return {"artifact_uri": version.location or version.source}


def shown_model(call: Call, model: NamedModel) -> dict[str, Any]:
    """A model as MLflow shows it."""
    newest: dict[str, NamedVersion] = {version.stage: version for version in call.workspace.library.versions(model.name)}
    found: dict[str, Any] = {
        "name": model.name,
        "creation_timestamp": model.created_at // 1000,
        "last_updated_timestamp": model.updated_at // 1000,
        "description": model.description,
        "latest_versions": [shown_version(replace(version, aliases=())) for version in newest.values()],
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


def _tags(call: Call) -> dict[str, str]:
    return {key_of(item, "Tag name"): value_of(item, "Tag value", LONGEST_TAG) for item in call.objects("tags")}


def _model_facts(model: NamedModel) -> dict[str, Any]:
    times = {
        "creation_timestamp": model.created_at // 1000,
        "last_updated_timestamp": model.updated_at // 1000,
    }
    return {"name": model.name, **times, **{f"{TAG}.{key}": value for key, value in model.tags.items()}}


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
        **{f"{TAG}.{key}": value for key, value in version.tags.items()},
    }
