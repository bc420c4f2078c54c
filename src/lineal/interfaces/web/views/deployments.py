"""What is in production, and how it does."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate
from typing import Any

from lineal.errors import LinealError
from lineal.interfaces.web.drawing import strip
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.deployment import Deployment, Prediction
from lineal.records.documents import document
from lineal.records.graph import Node
from lineal.records.model import ModelVersion
from lineal.records.monitor import Distribution, MonitorReport

PREDICTIONS = 50
ALERTS = 10
WINDOWS = ("month", "week", "day")
_EXAMPLES = {"int": 1, "float": 1.0, "bool": True, "string": "text", "tensor": []}


def deployments_page(visit: Visit) -> Page:
    """Every deployment, stopped ones last."""
    found = sorted(visit.workspace.deployments.list(stopped=True), key=lambda each: (each.status == "stopped", each.trial, -each.started_at))
    return Page(template="deployments.html", title="Deployments", rail="deployments", value={"deployments": found}, context={"deployments": found})


def deployment_page(visit: Visit) -> Page:
    """A deployment with its monitor and newest predictions."""
    deployment = visit.workspace.deployments.get(visit.path["name"])
    every = visit.word("every") if visit.word("every") in WINDOWS else WINDOWS[0]
    wrong = visit.switched("wrong")
    predictions = list(visit.workspace.deployments.predictions(deployment.name, limit=PREDICTIONS + 1, before=visit.word("before"), wrong=wrong))
    report, trouble = _report(visit, deployment, every)
    model = _model(visit, deployment)
    alerts = _alerts(report)
    context: dict[str, Any] = {
        "deployment": deployment,
        "report": report,
        "trouble": trouble,
        "chart": _chart(report),
        "features": _features(report),
        "alerts": alerts,
        "alerts_shown": _few(alerts),
        "calibrated": report is not None and any(window.quality and window.quality.calibration for window in report.windows),
        "absent": _absent(report),
        "errors": report is not None and report.task == "regression",
        "every": every,
        "windows": WINDOWS,
        "predictions": predictions[:PREDICTIONS],
        "older": predictions[PREDICTIONS - 1].id if len(predictions) > PREDICTIONS else "",
        "before": visit.word("before"),
        "columns": _columns(predictions),
        "keyed": any(each.key for each in predictions),
        "wrong": wrong,
        "curl": _curl(deployment, model, predictions),
        "strip": strip(visit.workspace, f"deployment:{deployment.name}"),
    }
    value = {"deployment": deployment, "report": report, "predictions": predictions[:PREDICTIONS]}
    return Page(template="deployment.html", title=deployment.name, rail="deployments", value=value, context=context)


def prediction_page(visit: Visit) -> Page:
    """Why a service answered what it answered: from the answer back to the source."""
    prediction = visit.workspace.deployments.prediction(visit.path["prediction"])
    trace: tuple[Node, ...] = ()
    trouble = ""
    try:
        trace = tuple(visit.workspace.lineage.trace(prediction.id))
    except LinealError as error:
        trouble = error.message
    context = {"prediction": prediction, "trace": trace, "trouble": trouble}
    value = {"prediction": prediction, "trace": trace}
    return Page(template="prediction.html", title=f"Prediction {prediction.id}", rail="deployments", value=value, context=context)


def _report(visit: Visit, deployment: Deployment, every: str) -> tuple[MonitorReport | None, str]:
    """What the monitor says, or why it says nothing: the page shows the rest all the same."""
    try:
        return visit.workspace.monitors.report(deployment.name, every=every), ""
    except LinealError as error:
        return None, str(error)


def _model(visit: Visit, deployment: Deployment) -> ModelVersion | None:
    try:
        return visit.workspace.models.get(deployment.model)
    except LinealError:
        return None


def _chart(report: MonitorReport | None) -> Any:
    """What the charts are drawn from: the report with every reference distribution once, however many windows are held against it."""
    if report is None:
        return None
    references: dict[Distribution, int] = {}
    windows = []
    for window in report.windows:
        moved = [*window.drift, *([replace(window.prediction_drift, feature="")] if window.prediction_drift else [])]
        drift = {
            each.feature: [references.setdefault(each.reference, len(references)), each.observed.counts] for each in moved if each.level != "skipped"
        }
        windows.append({"label": window.label, "quality": document(window.quality), "drift": drift})
    return {
        "task": report.task,
        "windows": windows,
        "references": [{"labels": each.labels, "counts": each.counts} for each in references],
        "reference_quality": document(report.reference_quality),
        "metrics": _metrics(report),
    }


def _metrics(report: MonitorReport) -> list[str]:
    """The metrics of any window, those known from registration first."""
    judged = [window.quality for window in report.windows if window.quality]
    names = dict.fromkeys(key for quality in judged for key in (*quality.metrics, *quality.absent))
    return sorted(names, key=lambda name: name not in report.reference_quality)


def _alerts(report: MonitorReport | None) -> list[tuple[str, tuple[str, ...]]]:
    """What needs a look, by window, the newest first; what belongs to no window comes before."""
    if report is None:
        return []
    found = [("", report.alerts), *((window.label, window.alerts) for window in reversed(report.windows))]
    return [(label, alerts) for label, alerts in found if alerts]


def _few(alerts: list[tuple[str, tuple[str, ...]]]) -> int:
    """How many windows are shown at once: about ten sentences."""
    sentences = accumulate(len(found) for _, found in alerts)
    return max(1, sum(count <= ALERTS for count in sentences))


def _absent(report: MonitorReport | None) -> list[tuple[str, str, list[str]]]:
    """Metrics that are not there, why, and in which windows."""
    found: dict[tuple[str, str], list[str]] = {}
    for window in report.windows if report else ():
        for key, why in window.quality.absent.items() if window.quality else ():
            found.setdefault((key, why), []).append(window.label)
    return [(key, why, labels) for (key, why), labels in found.items()]


def _features(report: MonitorReport | None) -> list[dict[str, Any]]:
    """Drift per feature, one cell per window: the predictions first, then the features that moved most."""
    if report is None:
        return []
    answers = [window.prediction_drift for window in report.windows]
    first = [{"feature": "", "cells": answers}] if any(answers) else []
    names = dict.fromkeys(drift.feature for window in report.windows for drift in window.drift)
    rows = []
    for name in names:
        cells = [next((drift for drift in window.drift if drift.feature == name), None) for window in report.windows]
        most = max((drift.psi for drift in cells if drift and drift.level not in {"skipped", "too-few"}), default=-1.0)
        rows.append({"feature": name, "cells": cells, "most": most})
    return first + sorted(rows, key=lambda row: -float(str(row["most"])))


def _columns(predictions: list[Prediction]) -> list[str]:
    return list(dict.fromkeys(key for prediction in predictions for key in prediction.inputs))[:8]


def _curl(deployment: Deployment, model: ModelVersion | None, predictions: list[Prediction]) -> str:
    if predictions:
        inputs = dict(predictions[0].inputs)
    elif model:
        inputs = {column.name: column.categories[0] if column.categories else _EXAMPLES.get(column.type) for column in model.signature.inputs}
    else:
        return ""
    body = json.dumps({"instances": [document(inputs)]}, ensure_ascii=False).replace("'", "'\\''")
    return f"curl {deployment.url}/predict -H 'content-type: application/json' \\\n  -d '{body}'"
