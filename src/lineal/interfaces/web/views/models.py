"""The model library."""

from __future__ import annotations

from typing import Any

from lineal.errors import LinealError, NotFound
from lineal.interfaces.web.drawing import strip
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.model import ModelVersion


def models_page(visit: Visit) -> Page:
    """Every model."""
    found = visit.workspace.models.list()
    context = {"models": found, "serving": _serving(visit)}
    return Page(template="models.html", title="Models", rail="models", value={"models": found}, context=context)


def model_page(visit: Visit) -> Page:
    """A model, or with ``@`` one of its versions."""
    name = visit.path["name"]
    return _version(visit, name) if "@" in name else _model(visit, name)


def _model(visit: Visit, name: str) -> Page:
    found = next((model for model in visit.workspace.models.list() if model.name == name), None)
    if found is None:
        raise NotFound(f"no model is called {name}", kind="unknown-reference", hint="The Models page lists them.")
    metrics = list(dict.fromkeys(key for version in found.versions for key in version.metrics))
    context = {
        "model": found,
        "versions": tuple(reversed(found.versions)),
        "metrics": metrics[:6],
        "serving": _serving(visit),
        "strip": strip(visit.workspace, f"model:{found.latest.reference}"),
    }
    return Page(template="model.html", title=name, rail="models", value=found, context=context)


def _version(visit: Visit, reference: str) -> Page:
    version = visit.workspace.models.get(reference)
    context = {
        "version": version,
        "run": _run(visit, version),
        "deployments": _serving(visit).get(version.reference, []),
        "strip": strip(visit.workspace, f"model:{version.reference}"),
        "events": visit.workspace.audit.events(subject=f"model:{version.reference}", limit=20),
    }
    return Page(template="model_version.html", title=version.reference, rail="models", value=version, context=context)


def _run(visit: Visit, version: ModelVersion) -> Any:
    try:
        return visit.workspace.runs.get(version.run)
    except LinealError:
        return None


def _serving(visit: Visit) -> dict[str, list[Any]]:
    """Deployments by the model version they serve or served."""
    found: dict[str, list[Any]] = {}
    for deployment in visit.workspace.deployments.list(stopped=True):
        found.setdefault(deployment.model, []).append(deployment)
    return found
